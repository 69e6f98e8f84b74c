"""Starts the product's commands without their import: forked from a process that has imported everything already.

What runs is a real process in a group of its own, started by the same entry function with arguments, environment and
folder of its own; only the second or two in which Python reads the modules is saved. How `gate` starts as it is
installed, tests find out with `Processes.installed`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_PRELOADED = (
    "gate.cli.main",
    "gate.cli.serving",
    "gate.cli.workspace",
    "gate.cli.doctor.command",
    "gate.cli.demo.command",
    "gate.store.migrate",
    "bot.sandbox",
)
_NUMBER = struct.Struct("i")
_MOST = 1 << 18
_PR_SET_PDEATHSIG = 1


class Forged:
    """A started command, as `subprocess.Popen` shows one."""

    def __init__(self, control: socket.socket, stdout: IO[str], stderr: IO[str] | None) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._code: int | None = None
        self.stdout = stdout
        self.stderr = stderr
        self.pid = self._number(None)

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("forged", timeout or 0)
        return code

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def finished(self, command: Sequence[str], within: float) -> subprocess.CompletedProcess[str]:
        """What `subprocess.run` answers, once it has ended; it is killed after `within` seconds."""
        assert self.stderr is not None
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr:
            texts = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                code = self.wait(within)
            except subprocess.TimeoutExpired:
                self.send_signal(signal.SIGKILL)
                raise
            return subprocess.CompletedProcess(command, code, *(text.result() for text in texts))

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self._code is None and select.select([self._control], [], [], timeout)[0]:
                self._code = self._number(-signal.SIGKILL)
                self._control.close()
            return self._code

    def _number(self, otherwise: int | None) -> int:
        told = self._control.recv(_NUMBER.size)
        if len(told) == _NUMBER.size:
            return int(_NUMBER.unpack(told)[0])
        if otherwise is None:
            raise RuntimeError("the forge has ended")
        return otherwise


class Forge:
    """The way to the process that holds everything imported. It ends when the test run does."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this process
        environment = {"NO_COLOR": "1", "COLUMNS": "200", "LC_ALL": "C.UTF-8"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env={name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
                | environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                process_group=0,
            )

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        gentle: signal.Signals = signal.SIGTERM,
        apart: bool = False,
    ) -> Forged:
        """`gate …`, or a module with `main`: `("-m", "bot.sandbox", …)`. With `apart`, stderr is not part of stdout."""
        request = {"command": list(command), "env": dict(env), "cwd": str(cwd), "gentle": int(gentle)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        out, into = os.pipe()
        errors, into_errors = os.pipe() if apart else (None, os.dup(into))
        given = (theirs.fileno(), into, into_errors)
        try:
            socket.send_fds(self._line, [json.dumps(request).encode()], given)
        except OSError:
            self._complaints.seek(0)
            raise RuntimeError(f"the forge has ended:\n{self._complaints.read().decode()}") from None
        finally:
            theirs.close()
            os.close(into)
            os.close(into_errors)
        return Forged(ours, _text(out), None if errors is None else _text(errors))


@functools.cache
def the_forge() -> Forge:
    """The one of this test process, started by the first test that starts a command."""
    return Forge()


def _text(descriptor: int) -> IO[str]:
    return open(descriptor, encoding="utf-8", errors="replace")


# What follows runs in the forge's own process and in the processes that it forks.


def _die_with_parent(signum: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)


def _next_command(line: socket.socket) -> list[str]:
    """Serves until the test run ends; returns in a process that was forked for a command, with that command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a watcher is nobody's zombie
    while True:
        message, given, _, _ = socket.recv_fds(line, _MOST, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            return _watched(json.loads(message), *given)
        for descriptor in given:
            os.close(descriptor)


def _watched(request: dict[str, object], control: int, out: int, errors: int) -> list[str]:
    """Forks the command, tells its process id and later its exit code; returns in the command's process only."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_parent(signal.SIGKILL)
    child = os.fork()
    if child == 0:
        os.close(control)
        return _become(request, out, errors)
    os.close(out)
    os.close(errors)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # whichever of the two comes first
    with contextlib.suppress(OSError):
        os.write(control, _NUMBER.pack(child))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(control, _NUMBER.pack(code))
    os._exit(0)


def _become(request: dict[str, object], out: int, errors: int) -> list[str]:
    """Everything that `exec` would have given this process."""
    command, env, cwd, gentle = (request[name] for name in ("command", "env", "cwd", "gentle"))
    assert isinstance(command, list)
    assert isinstance(env, dict)
    os.setpgid(0, 0)
    _die_with_parent(int(str(gentle)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(str(cwd))
    os.environ.clear()
    os.environ.update(env)
    for descriptor, stands_for in ((out, 1), (errors, 2)):
        os.dup2(descriptor, stands_for)
        os.close(descriptor)
    sys.stdout = sys.__stdout__ = _stream(1)
    sys.stderr = sys.__stderr__ = _stream(2)
    return [str(word) for word in command]


def _stream(descriptor: int) -> io.TextIOWrapper:
    return open(descriptor, "w", buffering=1, encoding="utf-8", closefd=False)


def _run(command: list[str]) -> None:
    if command[0] == "-m":
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = command
    from gate.cli.main import main  # imported before, in the process this one was forked from

    main()


if __name__ == "__main__":
    del sys.path[0]  # this file's own folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _PRELOADED:
        __import__(name)
    gc.collect()
    gc.freeze()
    _run(_next_command(socket.socket(fileno=int(sys.argv[1]))))
