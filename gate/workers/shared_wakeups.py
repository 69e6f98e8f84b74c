"""Wakes whoever waits on another replica, too: says after the commit what changed, and hears what others say.

ADR 0007 tells why it is said after the commit and to everyone, and what was measured instead.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from gate.usecases.ports import DEADLINES, OUTBOX, RECORD
from gate.workers.ending import ended
from gate.workers.wakeups import FALLBACK_SEC, LocalWakeups

log = structlog.get_logger(__name__)

_OURS_ALONE = frozenset({DEADLINES, OUTBOX, RECORD})
"""Work for workers: that of the replica which made it does it, and should it die the others look each second."""

_EVERYTHING = "*"
_BYE = "-"
_KEYS_A_TEXT = 150
_TEXTS_AT_ONCE = 20


class Radio(Protocol):
    """Carries short texts to every process on the same database."""

    def hearing(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """What is said from here on, by this process too; raises where the connection breaks."""
        ...

    async def say(self, texts: Sequence[str]) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """In seconds. Each process says something at least every `beat_sec`. One that was not heard for `silent_sec` may
    have died between a commit and its news, so everybody looks once; one that does not hear itself for so long is
    deaf and polls every `fallback_sec`, while it connects again after `again_sec`, doubling up to `longest_again_sec`.
    At most `most` keys wait to be said."""

    beat_sec: float = 1.0
    silent_sec: float = 3.5
    fallback_sec: float = FALLBACK_SEC
    again_sec: float = 0.1
    longest_again_sec: float = 5.0
    most: int = 5_000


class SharedWakeups(LocalWakeups):
    """Implements `ports.Wakeups` across replicas. A wait costs no query while this process hears the others; while it
    does not, every wait looks each second. Spurious wake-ups happen, missed ones do not last."""

    def __init__(
        self,
        radio: Radio,
        *,
        name: str = "",
        pace: Pace | None = None,
        told: Callable[[bool], None] = lambda hears: None,
    ) -> None:
        super().__init__()
        self._radio = radio
        self._name = name or secrets.token_hex(6)
        self._pace = pace or Pace()
        self._told = told
        self._hears = False
        self._unsaid: dict[str, None] = {}
        self._news = asyncio.Event()
        self._others: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def hears(self) -> bool:
        """Whether news of other processes arrives."""
        return self._hears

    @property
    def fallback_sec(self) -> float | None:
        """How long a wait may miss what another replica committed: for ever while it would be heard."""
        return None if self._hears else self._pace.fallback_sec

    def notify(self, action_id: str) -> None:
        """Wake whoever waits for this key here, and soon after on every replica."""
        super().notify(action_id)
        if action_id in _OURS_ALONE:
            return
        if len(self._unsaid) >= self._pace.most:
            self._unsaid = {_EVERYTHING: None}
        self._unsaid[action_id] = None
        self._news.set()

    async def start(self, *, listening: bool = True) -> None:
        """Say and hear until `stop`; `listening` False is for a process in which nobody waits."""
        self._tasks = [asyncio.create_task(self._keep_saying(), name="wakeups saying")]
        if listening:
            self._tasks.append(asyncio.create_task(self._keep_hearing(), name="wakeups hearing"))

    async def stop(self) -> None:
        """Say what is left, unless that takes too long, and hear no more."""
        tasks, self._tasks = self._tasks, []
        await ended(*tasks)
        with suppress(Exception):
            async with asyncio.timeout(1.0):
                while self._unsaid:
                    await self._say()
                await self._radio.say([f"{self._name} {_BYE}"])
        with suppress(Exception):
            await self._radio.close()

    # -- saying -------------------------------------------------------------------------------------------

    async def _keep_saying(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.beat_sec):
                    await self._news.wait()
            try:
                async with asyncio.timeout(5.0):
                    await self._say()
            except Exception as error:
                log.debug("wakeups.not_said", error=type(error).__name__)
                await asyncio.sleep(self._pace.beat_sec / 4)
                self._news.set()
            self._forget_the_silent()

    async def _say(self) -> None:
        """What has gathered meanwhile, in one statement; kept where that fails."""
        self._news.clear()
        keys = list(self._unsaid)[: _KEYS_A_TEXT * _TEXTS_AT_ONCE]
        texts = [
            " ".join((self._name, *keys[at : at + _KEYS_A_TEXT])) for at in range(0, len(keys), _KEYS_A_TEXT)
        ]
        before, self._unsaid = self._unsaid, dict.fromkeys(list(self._unsaid)[len(keys) :])
        try:
            await self._radio.say(texts or [self._name])
        except BaseException:
            self._unsaid = before | self._unsaid
            raise
        if self._unsaid:
            self._news.set()

    # -- hearing ------------------------------------------------------------------------------------------

    async def _keep_hearing(self) -> None:
        again_sec, was_heard = self._pace.again_sec, True
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._hear()
            except Exception as error:
                if was_heard:
                    log.warning("wakeups.deaf", error=type(error).__name__, meaning="waits look each second")
            was_heard = self._hears
            self._set(hears=False)
            if was_heard:
                again_sec = self._pace.again_sec
            await asyncio.sleep(max(again_sec - (loop.time() - began), 0.0))
            again_sec = min(again_sec * 2, self._pace.longest_again_sec)

    async def _hear(self) -> None:
        """Until the connection breaks, or this process does not hear itself any more."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._pace.silent_sec) as deaf, self._radio.hearing() as texts:
            self._news.set()
            async for text in texts:
                name, *keys = text.split(" ")
                if name == self._name:
                    deaf.reschedule(loop.time() + self._pace.silent_sec)
                    if not self._hears:
                        log.info("wakeups.heard")
                        self._set(hears=True)
                    continue
                self._take(name, keys)
        raise ConnectionError("nothing more is heard")

    def _take(self, name: str, keys: Sequence[str]) -> None:
        if keys == [_BYE]:
            self._others.pop(name, None)
            return
        self._others[name] = asyncio.get_running_loop().time()
        if _EVERYTHING in keys:
            self.notify_all()
        for key in keys:
            super().notify(key)

    def _set(self, *, hears: bool) -> None:
        """Whoever waits looks at once: what was said meanwhile was not heard."""
        if hears == self._hears:
            return
        self._hears = hears
        self._others.clear()
        self._told(hears)
        self.notify_all()

    def _forget_the_silent(self) -> None:
        since = asyncio.get_running_loop().time() - self._pace.silent_sec
        silent = [name for name, at in self._others.items() if at < since]
        for name in silent:
            del self._others[name]
        if silent:
            log.info("wakeups.silent", processes=len(silent))
            self.notify_all()
