"""Real child processes for tests: start, read their lines, wait for one, stop, crash, freeze and thaw."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.harness.environment import scrubbed
from tests.harness.forge import Forged, the_forge

GATE = Path(sys.executable).with_name("gate")
_PR_SET_PDEATHSIG = 1
_TAIL = 40
_SPOKEN = {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"}


class ProcessFailedError(AssertionError):
    """The process ended or stayed silent where a line was expected; carries the end of its output."""


def die_with_parent(signum: int) -> Callable[[], None] | None:
    """What the child runs before exec so that the kernel ends it when the test run is killed (Linux)."""
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return (
            None  # elsewhere, or where a short-lived thread would count as the parent, teardown alone ends it
        )
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signum)


class Running:
    """One child process in its own process group, its stdout and stderr read line by line by a thread.

    Waiting is done on lines and on the exit, never on time passing: `expect` returns as soon as a line
    matches and fails at once when the process has ended without it.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        user: str | None = None,
        gentle: signal.Signals = signal.SIGTERM,
        forged: bool = False,
    ) -> None:
        """With `forged`, the arguments are one of the product's own commands (see forge.py)."""
        self.arguments = [str(argument) for argument in arguments]
        self.lines: list[str] = []
        self._gentle = gentle
        self._changed = threading.Condition()
        self._closed = False
        self._popen: Forged | subprocess.Popen[str]
        if forged:
            self._popen = the_forge().start(self.arguments, env=env, cwd=cwd or Path.cwd(), gentle=gentle)
        else:
            self._popen = subprocess.Popen(
                self.arguments,
                env=dict(env),
                cwd=cwd,
                user=user,
                group=None if user is None else _primary_group(user),
                extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                process_group=0,
                preexec_fn=die_with_parent(gentle),  # one prctl call, which takes no lock
            )
        self._reader = threading.Thread(target=self._read, name=f"lines of {self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """Everything it has written so far."""
        with self._changed:
            return "\n".join(self.lines)

    def expect(self, pattern: str | re.Pattern[str], *, within: float = 60, after: int = 0) -> re.Match[str]:
        """The first line from index `after` on that `pattern` is found in; blocks until there is one.

        Raises ProcessFailedError when the output ends or `within` seconds pass without it.
        """
        wanted = re.compile(pattern)
        seen = after
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if match := wanted.search(line):
                        return match
                seen = len(self.lines)
                if self._closed:
                    raise self._failure(f"ended without a line matching {wanted.pattern!r}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise self._failure(f"wrote no line matching {wanted.pattern!r} in {within:g} s")

    async def aexpect(
        self, pattern: str | re.Pattern[str], *, within: float = 60, after: int = 0
    ) -> re.Match[str]:
        """`expect` for a test whose own event loop must keep turning meanwhile."""
        return await asyncio.to_thread(self.expect, pattern, within=within, after=after)

    def wait(self, *, within: float = 60) -> int:
        """The exit code, once it has ended and all its output is read."""
        try:
            code = self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise self._failure(f"was still running after {within:g} s") from None
        self._reader.join(within)
        return code

    async def await_exit(self, *, within: float = 60) -> int:
        return await asyncio.to_thread(self.wait, within=within)

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the process alone; nothing happens when it has already ended."""
        if self._popen.poll() is None:
            self._popen.send_signal(signum)

    def crash(self) -> None:
        """SIGKILL the whole group and wait until it is gone: what a power cut looks like to the process."""
        self._signal_group(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        """SIGSTOP the whole group: alive, holding its connections and locks, doing nothing."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_group(signal.SIGCONT)

    def stop(self, *, within: float = 60) -> int:
        """Ask it to end, insist with SIGKILL after `within` seconds, and return the exit code."""
        self.ask_to_stop()
        try:
            return self.wait(within=within)
        except ProcessFailedError:
            self._signal_group(signal.SIGKILL)
            return self.wait()
        finally:
            self._signal_group(signal.SIGKILL)  # grandchildren that outlived it

    def ask_to_stop(self) -> None:
        self.send(self._gentle)
        self.thaw()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signal_group(self, signum: signal.Signals) -> None:
        try:
            os.killpg(self.pid, signum)
        except (ProcessLookupError, PermissionError):
            return  # nobody of the group is left

    def _read(self) -> None:
        stream = self._popen.stdout
        assert stream is not None
        with stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _failure(self, what: str) -> ProcessFailedError:
        tail = "\n".join(f"    {line}" for line in self.lines[-_TAIL:]) or "    (no output)"
        return ProcessFailedError(
            f"{' '.join(self.arguments)} (pid {self.pid}) {what}; its output ends:\n{tail}"
        )


def _primary_group(user: str) -> int:
    import pwd  # absent on platforms where no user is ever given

    return pwd.getpwnam(user).pw_gid


class Processes:
    """Starts children for one test and ends every one of them when the test is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Running] = []

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Running:
        """Start any command in the test's own folder, with a scrubbed environment plus `env`."""
        return self._begun(arguments, env, cwd, forged=False)

    def installed(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Running:
        """Start `gate …` as it is installed: the script, a new interpreter, every import."""
        return self._begun((GATE, *arguments), env, cwd, forged=False)

    def gate(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Running:
        """Start `gate …`, out of the forge: `processes.gate("run", env={"GATE_BIND": "127.0.0.1:0"})`."""
        return self._begun(("gate", *arguments), env, cwd, forged=True)

    def finished(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        within: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run `gate …` out of the forge to its end: exit code, standard output and standard error."""
        command = ("gate", *arguments)
        environment = scrubbed() | _SPOKEN | dict(env or {})
        child = the_forge().start(command, env=environment, cwd=cwd or self._folder, apart=True)
        return child.finished(command, within)

    def module(self, name: str, *arguments: str | Path, cwd: Path | None = None) -> Running:
        """Start `python -m name …`, out of the forge."""
        return self._begun(("-m", name, *arguments), None, cwd, forged=True)

    def sandbox(self, *arguments: str | Path, cwd: Path | None = None) -> Running:
        """Start the sandbox workspace alone, out of the forge."""
        return self.module("bot.sandbox", *arguments, cwd=cwd)

    def _begun(
        self,
        arguments: Sequence[str | Path],
        env: Mapping[str, str] | None,
        cwd: Path | None,
        *,
        forged: bool,
    ) -> Running:
        environment = scrubbed() | _SPOKEN | dict(env or {})
        running = Running(arguments, env=environment, cwd=cwd or self._folder, forged=forged)
        self._running.append(running)
        return running

    def end_all(self) -> None:
        for running in self._running:
            running.ask_to_stop()
        for running in self._running:
            running.stop()


@pytest.fixture
def processes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Starts real processes for this test; what they wrote is shown when the test fails."""
    children = Processes(tmp_path)
    yield children
    children.end_all()
    for running in children._running:
        request.node.add_report_section(
            "teardown", f"output of {' '.join(running.arguments)} (pid {running.pid})", running.output
        )
