"""What goes wrong in a campaign: a schedule drawn from a seed, and how each fault is brought about."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.soak.campaign.proxy import Side
from tests.soak.campaign.stage import Replica, Stage

COMMIT = (b"COMMIT",)
CALLS = (b"chat.postMessage", b"chat.update", b"chat.postEphemeral", b"users.info", b"views.open")
WITHIN_SEC = 4.0
"""How long a strike waits for its moment; after that it comes at no particular one."""

WEIGHTS = {
    "kill at random": 8,
    "kill before a commit": 8,
    "kill after a commit, before its answer": 8,
    "kill before a call to Slack": 5,
    "kill after a call to Slack, before its answer": 5,
    "kill while starting": 3,
    "freeze at random": 6,
    "freeze before a commit": 5,
    "freeze after a commit, before its answer": 5,
    "freeze during a call to Slack": 3,
    "stop and start again": 5,
    "cut every database connection": 6,
    "hold the database connections": 5,
    "cut every Slack connection": 4,
    "restart PostgreSQL": 2,
    "kill PostgreSQL": 2,
    "fill the disk": 2,
    "Slack down": 3,
    "Slack slow": 3,
    "Slack answers 429": 4,
    "Slack drops its answer": 5,
    "Slack delivers twice": 5,
    "Slack asks to reconnect": 4,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One entry of the schedule: what, to which replica, how long, and how long after the last one."""

    what: str
    target: int
    seconds: float
    pause: float


def schedule(seed: int, count: int, *, can_fill: bool, pause: float) -> list[Fault]:
    """The same for the same arguments."""
    chance = random.Random(seed)  # noqa: S311 - to be drawn again
    weights = {what: n for what, n in WEIGHTS.items() if can_fill or what != "fill the disk"}
    return [
        Fault(
            what=chance.choices(list(weights), list(weights.values()))[0],
            target=chance.randrange(3),
            seconds=chance.choice((0.2, 0.5, 1.0, 2.0, 4.0)),
            pause=chance.uniform(0, 2 * pause),
        )
        for _ in range(count)
    ]


@dataclass
class Storm:
    """Brings the faults about, one after the other."""

    stage: Stage
    room_mb: int
    """What PostgreSQL's file system holds."""
    happened: Counter[str] = field(default_factory=Counter)
    recovered: list[float] = field(default_factory=list)
    """Seconds from SIGKILL to serving again."""
    untimely: int = 0
    """Strikes whose moment did not come: they came at no particular one."""

    async def run(self, faults: list[Fault], *, until: Callable[[], bool]) -> None:
        for fault in faults:
            await asyncio.sleep(fault.pause)  # the moments are part of the schedule
            if until():
                break
            await self._bring(fault)
        await self.stage.slack.fault("clear")
        await asyncio.gather(*(each.up.wait() for each in self.stage.replicas))

    async def _bring(self, fault: Fault) -> None:
        replica = self.stage.replicas[fault.target]
        slack, seconds = self.stage.slack, fault.seconds
        doing: dict[str, Callable[[], Awaitable[object]]] = {
            "kill at random": lambda: self._kill(replica),
            "kill before a commit": lambda: self._kill_at(replica, COMMIT, "before"),
            "kill after a commit, before its answer": lambda: self._kill_at(replica, COMMIT, "after"),
            "kill before a call to Slack": lambda: self._kill_at(replica, CALLS, "before"),
            "kill after a call to Slack, before its answer": lambda: self._kill_at(replica, CALLS, "after"),
            "kill while starting": lambda: self._kill_twice(replica, seconds),
            "freeze at random": lambda: self._freeze(replica, seconds),
            "freeze before a commit": lambda: self._freeze_at(replica, COMMIT, "before", seconds),
            "freeze after a commit, before its answer": lambda: self._freeze_at(
                replica, COMMIT, "after", seconds
            ),
            "freeze during a call to Slack": lambda: self._freeze_at(replica, CALLS, "after", seconds),
            "stop and start again": lambda: self._stop(replica),
            "cut every database connection": lambda: _now(replica.database.cut),
            "hold the database connections": lambda: replica.database.hold(seconds),
            "cut every Slack connection": lambda: _now(replica.slack.cut),
            "restart PostgreSQL": lambda: asyncio.to_thread(self.stage.server.restart),
            "kill PostgreSQL": self._kill_server,
            "fill the disk": lambda: self._fill(seconds),
            "Slack down": lambda: self._slack_for("down", seconds),
            "Slack slow": lambda: self._slack_for("slow", seconds, seconds=0.5),
            "Slack answers 429": lambda: slack.fault("ratelimit", retry_after=1, count=3),
            "Slack drops its answer": lambda: slack.fault("drop_after_receipt", count=2),
            "Slack delivers twice": lambda: slack.fault("duplicate_delivery", count=3),
            "Slack asks to reconnect": lambda: slack.fault("disconnect"),
        }
        await doing[fault.what]()
        self.happened[fault.what] += 1

    async def _kill(self, replica: Replica) -> None:
        await replica.kill()
        await self._again(replica)

    async def _again(self, replica: Replica) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await replica.insist_on_start()
        self.recovered.append(loop.time() - began)

    async def _kill_at(self, replica: Replica, words: tuple[bytes, ...], side: Side) -> None:
        relay = replica.database if words is COMMIT else replica.slack
        if not await relay.strike_at(words, side, replica.kill, within=WITHIN_SEC):
            self.untimely += 1
            await replica.kill()
        await self._again(replica)

    async def _kill_twice(self, replica: Replica, seconds: float) -> None:
        await replica.kill()
        starting = asyncio.create_task(replica.start())
        await asyncio.sleep(seconds)  # somewhere on its way
        await replica.kill()
        with suppress(AssertionError):
            await starting
        replica.up.clear()
        await self._again(replica)

    async def _freeze(self, replica: Replica, seconds: float) -> None:
        assert replica.running is not None
        replica.running.freeze()
        await asyncio.sleep(seconds)  # the fault itself
        replica.running.thaw()

    async def _freeze_at(
        self, replica: Replica, words: tuple[bytes, ...], side: Side, seconds: float
    ) -> None:
        relay = replica.database if words is COMMIT else replica.slack
        if not await relay.strike_at(words, side, lambda: self._freeze(replica, seconds), within=WITHIN_SEC):
            self.untimely += 1
            await self._freeze(replica, seconds)

    async def _stop(self, replica: Replica) -> None:
        assert replica.running is not None
        replica.up.clear()
        replica.running.ask_to_stop()
        with suppress(AssertionError):
            await replica.running.await_exit(within=20)
        await replica.kill()
        await replica.insist_on_start()

    async def _kill_server(self) -> None:
        await asyncio.to_thread(self.stage.server.crash)
        await asyncio.to_thread(self.stage.server.restart)

    async def _fill(self, seconds: float) -> None:
        """Leave PostgreSQL no room; where it gives up over that, it is started again with room."""
        while not await self._resize(self._held() + 64 * 1024):
            pass  # it has grown meanwhile
        await asyncio.sleep(seconds)  # the fault itself
        assert await self._resize(self.room_mb << 20)
        if not self.stage.server.serves:
            await asyncio.to_thread(self.stage.server.restart)

    def _held(self) -> int:
        room = os.statvfs(self.stage.data)
        return (room.f_blocks - room.f_bfree) * room.f_frsize

    async def _resize(self, size: int) -> bool:
        """False where more than that is held already."""
        command = ("mount", "-o", f"remount,size={size}", str(self.stage.data))
        mount = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        return await mount.wait() == 0

    async def _slack_for(self, what: str, lasting: float, **details: float) -> None:
        await self.stage.slack.fault(what, **details)
        await asyncio.sleep(lasting)  # the fault itself
        await self.stage.slack.fault("clear")


async def _now(work: Callable[[], object]) -> None:
    work()
