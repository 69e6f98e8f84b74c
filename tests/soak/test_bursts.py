"""Five hundred requests in one second, on the sandbox with Slack's rate limits: what Slack refuses, and how often
anybody is called."""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import RateLimits
from gate.domain.request import Status
from tests.integration.bot.stage import AGENT, APPROVALS, POLICY, Stage, stage, texts
from tests.integration.bot.test_bursts import digests, note, shown

pytestmark = pytest.mark.soak

REQUESTS = 500
WATCHED_SEC = 70.0
PEOPLE = ("U0ANA", "U0BO", "U0CHI", "U0DEV", "U0OWN", "U0HAL")
_MENTION = re.compile(r"'type': 'user', 'user_id': '(U0[A-Z]+)'")


def calls_of(play: Stage, beside: Iterable[str] = ()) -> dict[str, list[tuple[float, str]]]:
    """When each person was called, and by what: by a mention in a new message of the channel, or by a direct message.
    Messages about the actions `beside` are left out."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for message in play.slack.messages(APPROVALS):
        if any(action in str(message) for action in beside):
            continue
        for user in set(_MENTION.findall(str(message["blocks"]))):
            found[user].append((float(message["ts"]), f"mentioned: {message['text'][:60]}"))
    for user in PEOPLE:
        for message in play.slack.messages(play.slack.dm(user)):
            for_all = "wait for you" in message["text"]
            if for_all or not any(action in str(message) for action in beside):
                found[user].append((float(message["ts"]), message["text"][:60]))
    return found


def most_in_a_minute(calls: list[tuple[float, str]]) -> int:
    """Of all windows of sixty seconds the fullest."""
    times = [at for at, _ in calls]
    return max((sum(1 for t in times if start <= t < start + 60) for start in times), default=0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("at_once", [False, True], ids=["as-fast-as-they-are-taken", "all-waiting-at-once"])
async def test_five_hundred_requests_in_a_second_call_nobody_twice_a_minute(
    tmp_path: Path, at_once: bool
) -> None:
    policy = POLICY.replace("version: v1\n", "version: v1\nfatigue_controls: {digest_above: 5}\n", 1)
    async with stage(tmp_path, rate_limits=RateLimits(), start=False, policy=policy) as play:
        play.deps = replace(play.deps, limits=replace(play.deps.limits, pending_per_agent=1_000))
        channel = play.slack.state.channels[APPROVALS]  # Bo is asked, and does not see the channel
        members = tuple(m for m in channel.members if m != "U0BO")
        play.slack.state.channels[APPROVALS] = replace(channel, members=members)
        await play.start_bot()
        if not at_once:
            await play.start_worker()
        begun = time.monotonic()
        half = REQUESTS // 2
        await _submitted(play, range(half))
        wire = await play.propose("pay.wire", payload={"amount": 7, "order": "w"}, summary="Wire it")
        wired = time.monotonic()
        await _submitted(play, range(half, REQUESTS))
        submitted = time.monotonic() - begun
        if at_once:
            begun = wired = time.monotonic()
            await play.start_worker()
        await play.card(wire, timeout=20)
        card_sec = time.monotonic() - wired
        await _placed(play)
        placed_sec = time.monotonic() - begun
        await play.slack.open_home("U0ANA")
        await play.slack.wait_for(lambda slack: slack.home("U0ANA"))
        home_sec = time.monotonic() - begun - placed_sec
        await play.idle(WATCHED_SEC + 30)
        left = WATCHED_SEC - (time.monotonic() - begun)
        async with play.deps.wakeups.subscription("nobody notifies this") as waiter:
            await waiter.wait(max(left, 0.1))
        refused = [call for call in play.slack.calls() if call.status == 429]
        calls = calls_of(play, beside=(wire.id,))
        updates = len(play.slack.calls("chat.update"))
        posts = len(play.slack.calls("chat.postMessage"))
        print(
            f"\n{REQUESTS} submitted in {submitted:.1f} s, all placed after {placed_sec:.1f} s in "
            f"{len(digests(play))} digests; critical card after {card_sec:.1f} s; home {home_sec:.2f} s; 429: "
            f"{len(refused)}; posts {posts}, updates {updates}; calls a minute "
            f"{ {user: most_in_a_minute(times) for user, times in calls.items()} }"
        )
        print(_listed(calls))
        assert refused == []
        assert await play.dead() == ()
        assert len(play.cards_of(wire)) == 1
        assert card_sec < 10
        assert {user: most_in_a_minute(times) for user, times in calls.items()} == dict.fromkeys(calls, 1)
        # Where the critical card came first it has called those in the channel, and the flood calls them no more.
        assert {"U0ANA", "U0BO"} <= set(calls_of(play))
        assert "U0BO" in calls
        assert updates <= 40
        await _decide_one_each(play)


def _listed(calls: dict[str, list[tuple[float, str]]]) -> str:
    start = min(at for found in calls.values() for at, _ in found)
    return "\n".join(
        f"  {at - start:6.2f} s {user} {what}" for user, found in calls.items() for at, what in found
    )


async def _submitted(play: Stage, numbers: Iterable[int]) -> None:
    """Forty at a time, as fast as the store takes them."""
    room = asyncio.Semaphore(40)

    async def one(number: int) -> None:
        async with room:
            await play.propose("note.write", **note(number))

    await asyncio.gather(*map(one, numbers))


async def _placed(play: Stage) -> None:
    """Until every request has a place, and no message of Slack is still to be posted."""

    async def left() -> int:
        async with play.store.reading() as tx:
            waiting = await tx.cards.unplaced(AGENT.id, limit=1)
        posted = sum(len(m["blocks"]) > 0 for m in digests(play))
        return len(waiting) + (0 if posted >= REQUESTS // 200 else 1)

    await play._polled(left, lambda count: count == 0, 60)


async def _decide_one_each(play: Stage) -> None:
    """Each digest can be worked through: its first request is approved, and the next one moves up."""
    for message in digests(play):
        action_id = shown(message)[0]
        await play.slack.click("U0ANA", APPROVALS, message["ts"], "approve", block_id=f"item:{action_id}")
        await play.modal("U0ANA", "confirm")
        await play.slack.submit("U0ANA", {})

        def moved_up(_: Any, ts: str = message["ts"], gone: str = action_id) -> bool:
            now = play.slack.message(APPROVALS, ts) or {}
            return "1 approved" in texts(now["blocks"]) and gone not in shown(now) and len(shown(now)) == 12

        await play.slack.wait_for(moved_up, 20)
        assert (await play.load(action_id)).status is Status.APPROVED
