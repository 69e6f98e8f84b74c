"""A virtual environment for the peers, made of their lock the first time a benchmark asks for it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "peers.lock"
FOLDER = Path("var/peers")


class NotInstalled(Exception):
    """Why there are no peers on this machine."""


def peers_python() -> Path:
    """The Python that has them. Raises `NotInstalled` with what pip said."""
    python = FOLDER.absolute() / "bin" / "python"
    stamp = FOLDER / ".installed"
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return python
    venv.create(FOLDER, clear=True, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary", ":all:", "-r", LOCK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise NotInstalled(f"{LOCK} cannot be installed: {done.stderr.strip()[-600:]}")
    stamp.write_text(digest, encoding="utf-8")
    return python
