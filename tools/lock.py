"""Writes the lock files from pyproject.toml, and tells without a network whether they still belong to it.

Knows how the locks are made (`make lock`) and what a good one looks like (`make check`). A lock names
no index: where packages come from is the installer's business, that they are the right ones is the hashes'.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
RUN_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
UV_LOCK = ROOT / "tools" / "uv.lock.txt"
PEERS = ROOT / "tests" / "bench" / "peers" / "peers.in"
PEERS_LOCK = PEERS.with_suffix(".lock")
"""What benchmarks compare the gate to, in an environment of its own."""
_DIGEST_LINE = "# made from pyproject.toml with digest "
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")


def main(arguments: list[str]) -> None:
    if arguments == ["--check"]:
        problems = check()
        if problems:
            sys.exit("\n".join(f"error: {problem}" for problem in problems))
    else:
        write(upgrade="--upgrade" in arguments)


def write(*, upgrade: bool) -> None:
    """Resolve for every platform and Python from 3.11 on; pins move only where asked or needed."""
    project = _project()
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder) / "build.in"
        build.write_text("\n".join(project["build-system"]["requires"]), encoding="utf-8")
        tool = Path(folder) / "uv.in"
        tool.write_text("uv", encoding="utf-8")
        # The development lock is resolved first, so that both agree: its pins bind the smaller one.
        _compile(DEV_LOCK, "pyproject.toml", build, "--group", "dev", upgrade=upgrade)
        _compile(RUN_LOCK, "pyproject.toml", build, "--constraint", DEV_LOCK, upgrade=upgrade)
        _compile(UV_LOCK, tool, upgrade=upgrade)
        _compile(PEERS_LOCK, PEERS, upgrade=upgrade)


def check() -> list[str]:
    """What is wrong with the locks, in sentences; empty when they are fresh, whole and agree."""
    problems = []
    project = _project()
    wanted = project["project"]["dependencies"] + project["build-system"]["requires"]
    development = wanted + project["dependency-groups"]["dev"]
    pins = {lock: _pins(lock) for lock in (RUN_LOCK, DEV_LOCK, UV_LOCK, PEERS_LOCK)}
    for lock, requirements in ((RUN_LOCK, wanted), (DEV_LOCK, development)):
        if f"{_DIGEST_LINE}{_inputs_digest()}" not in lock.read_text(encoding="utf-8").splitlines():
            problems.append(f"{lock.name} is older than the dependencies in pyproject.toml: run `make lock`")
        for text in requirements:
            requirement = Requirement(text)
            versions = pins[lock].get(canonicalize_name(requirement.name), set())
            if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
                problems.append(f"{lock.name} has no pin for {text}: run `make lock`")
    problems += [
        f"{PEERS_LOCK.name} has no pin for {name}: run `make lock`"
        for name in map(_name, PEERS.read_text(encoding="utf-8").split())
        if name not in pins[PEERS_LOCK]
    ]
    for name, versions in pins[RUN_LOCK].items():
        if not versions <= pins[DEV_LOCK].get(name, set()):
            problems.append(f"{RUN_LOCK.name} and {DEV_LOCK.name} disagree on {name}: run `make lock`")
    for lock in pins:
        problems += _form_problems(lock)
    return problems


def _compile(output: Path, *arguments: str | Path, upgrade: bool) -> None:
    print(f"==> resolving {output.relative_to(ROOT)}", flush=True)
    command = [UV, "pip", "compile", *arguments, "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-config"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--output-file", output]
    if upgrade:
        command.append("--upgrade")
    subprocess.run(command, cwd=ROOT, check=True)
    body = output.read_text(encoding="utf-8")
    header = f"# Written by `make lock`; do not edit.\n{_DIGEST_LINE}{_inputs_digest()}\n"
    output.write_text(header + body, encoding="utf-8")


def _inputs_digest() -> str:
    """Over the parts of pyproject.toml that decide what is locked, whatever their formatting."""
    project = _project()
    inputs = [
        project["build-system"]["requires"],
        project["project"]["requires-python"],
        project["project"]["dependencies"],
        project["project"].get("optional-dependencies", {}),
        project["dependency-groups"],
    ]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _pins(lock: Path) -> dict[str, set[str]]:
    """Every pinned version by name; a name may have several, for different platforms or Pythons."""
    pins: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if match := _PIN.match(line):
            pins.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return pins


def _form_problems(lock: Path) -> list[str]:
    """A lock has pins with hashes and nothing else: no address, no option, no path."""
    problems = []
    hashed = True
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        if _PIN.match(line):
            if not hashed:
                problems.append(f"{lock.name}:{number}: the pin before this line has no hash")
            hashed = False
        elif re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line):
            hashed = True
        else:
            problems.append(f"{lock.name}:{number}: neither a pin nor a hash: {line.strip()}")
        if "/" in line:
            problems.append(f"{lock.name}:{number}: an address or a path does not belong here")
    if not hashed:
        problems.append(f"{lock.name}: the last pin has no hash")
    return problems


if __name__ == "__main__":
    main(sys.argv[1:])
