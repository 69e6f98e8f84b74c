"""Finds the Chromium that browser tests and screenshots drive, or installs Debian's package of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLACES = (
    "/usr/bin/chromium",
    "/usr/lib/chromium/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_PACKAGES = ("chromium", "fonts-dejavu", "fonts-noto-color-emoji")
_HOW = f"""\
error: no Chromium found, and the browser tests need one.
    On Debian: apt-get install {" ".join(_PACKAGES)}
    Elsewhere: install Chromium or Chrome, or name its program: {VARIABLE}=/path/to/chromium make test"""


class NoChromiumError(RuntimeError):
    """No usable browser; the message says how to get one."""


def find_chromium() -> str | None:
    """The path of a browser: what CHROMIUM names, else the first known name or place that exists.

    Raises NoChromiumError when CHROMIUM is set to something that is not a program: a person's choice is
    never quietly replaced.
    """
    if chosen := os.environ.get(VARIABLE):
        if program := shutil.which(chosen):
            return program
        raise NoChromiumError(f"error: {VARIABLE}={chosen} is not a program")
    for candidate in (*_NAMES, *_PLACES):
        if program := shutil.which(candidate):
            return program
    return None


def require_chromium() -> str:
    """As `find_chromium`, with an error that says what to install instead of None."""
    program = find_chromium()
    if program is None:
        raise NoChromiumError(_HOW)
    return program


def main() -> None:
    try:
        if find_chromium() is None:
            _install()
        require_chromium()
    except NoChromiumError as error:
        sys.exit(str(error))


def _install() -> None:
    """Debian's packages through apt-get, where this account may; otherwise the error that says how."""
    apt_get = shutil.which("apt-get")
    elevation = _elevation()
    if apt_get is None or elevation is None or not _ships_chromium_as_a_package():
        raise NoChromiumError(_HOW)
    print(f"==> installing {', '.join(_PACKAGES)} with apt-get (a few minutes, once)", flush=True)
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for step in (["update"], ["install", "--yes", "--no-install-recommends", *_PACKAGES]):
        command = [*elevation, *environment, apt_get, "-qq", *step]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise NoChromiumError(f"{_HOW}\n    `apt-get {step[0]}` said: {said}")


def _elevation() -> Sequence[str] | None:
    """What to put before a command to run it as root; None when that takes a password."""
    if os.geteuid() == 0:
        return ()
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return (sudo, "-n")
    return None


def _ships_chromium_as_a_package() -> bool:
    """Ubuntu's package of that name only points at a snap, which does not run in containers."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return False
    ids = {line.partition("=")[2].strip('"') for line in release.splitlines() if line.startswith("ID=")}
    return "ubuntu" not in ids


if __name__ == "__main__":
    main()
