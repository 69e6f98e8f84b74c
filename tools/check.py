"""`make check`: every static check, side by side, one line each; a failing one shows what it said."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, tuple[str, ...]] = {
    "types": ("pyright",),
    "style": ("ruff", "check", "--quiet", "--output-format=concise", "."),
    "format": ("ruff", "format", "--check", "--quiet", "."),
    "imports": ("lint-imports", "--no-logo"),
    "claims": ("python", "-m", "tools.check_invariants"),
    "locks": ("python", "-m", "tools.lock", "--check"),
    "words": ("python", "-m", "tools.check_words"),
    "links": ("python", "-m", "tools.check_links"),
}
_ENVIRONMENT = {
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",  # no look-up of newer versions
    "NO_COLOR": "1",
}


def main(chosen: list[str]) -> None:
    """Run all checks, or those named; exits with 1 when any failed."""
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        sys.exit(f"error: no check named {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    names = chosen or list(CHECKS)
    failed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        runs = {pool.submit(_run, CHECKS[name]): name for name in names}
        for run in as_completed(runs):
            code, said, seconds = run.result()
            print(f"{'ok    ' if code == 0 else 'FAILED'}  {runs[run]:<8} {seconds:5.1f} s", flush=True)
            if code != 0:
                failed += 1
                print("\n".join(f"    {line}" for line in said.strip().splitlines()), flush=True)
    if failed:
        print(f"{failed} of {len(names)} checks failed", flush=True)
    sys.exit(min(failed, 1))


def _run(command: tuple[str, ...]) -> tuple[int, str, float]:
    started = time.monotonic()
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=ROOT,
        env=os.environ | _ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - started


if __name__ == "__main__":
    main(sys.argv[1:])
