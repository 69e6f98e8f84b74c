"""Makes `.venv` hold what a lock file pins, hashes checked; nothing to do when it already does.

Runs on the machine's own Python before anything is installed, so it uses the standard library only.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = {
    "run": ROOT / "requirements.lock",
    "dev": ROOT / "requirements-dev.lock",
    "lock": ROOT / "tools" / "uv.lock.txt",
}
_IMPLIED_BY = {"run": ("run", "dev"), "dev": ("dev",), "lock": ("lock",)}
_VENV_PACKAGE = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def main(profile: str) -> None:
    python = VENV / "bin" / "python"
    if not _runs(python):
        _create()
    if not any(_is_installed(kind) for kind in _IMPLIED_BY[profile]):
        _install(python, profile)
    if profile != "lock":
        _compile(python)


def _install(python: Path, profile: str) -> None:
    lock = LOCKS[profile]
    count = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    _say(f"installing from {lock.name}, pinned: {count} (a minute or two, the first time only)")
    _pip(python, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock))
    if profile != "lock":
        # Built with the setuptools just installed from the lock: nothing is fetched for it.
        _pip(python, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(ROOT))
    _stamp(profile).write_text(_digest(profile), encoding="utf-8")
    _say("ready")


def _runs(python: Path) -> bool:
    """False for a missing environment and for one whose base Python is gone or too old."""
    if not python.exists():
        return False
    probe = [python, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _create() -> None:
    _say(f"creating .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        detail = (made.stderr or made.stdout).strip()
        _fail(
            f"{sys.executable} cannot create a virtual environment.\n"
            f"    On Debian or Ubuntu: apt-get install {_VENV_PACKAGE}\n"
            f"    What Python said: {detail}"
        )


def _compile(python: Path) -> None:
    """Where Python may not write bytecode while it runs (PYTHONDONTWRITEBYTECODE, a read-only checkout) each start
    would compile every source again: half a second. Files that are compiled already cost nothing."""
    subprocess.run([python, "-m", "compileall", "-q", ROOT / "gate", ROOT / "bot"], check=False)


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-warn-script-location", *arguments]
    environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore", "PYTHONWARNINGS": "ignore"}
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        _fail("the installation stopped; what pip wrote above says why. Run the same command again to go on.")


def _digest(profile: str) -> str:
    """Changes when the lock, what is installed of the project, or the Python under it changes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    digest = hashlib.sha256(json.dumps(installed, sort_keys=True).encode())
    for path in (LOCKS[profile], VENV / "pyvenv.cfg"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_installed(profile: str) -> bool:
    stamp = _stamp(profile)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _digest(profile)


def _stamp(profile: str) -> Path:
    return VENV / f".installed-{profile}"


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)


def _fail(text: str) -> None:
    sys.exit(f"error: {text}")


if __name__ == "__main__":
    main(sys.argv[1])
