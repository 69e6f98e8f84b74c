"""Answers under load and bad weather: Slack's three seconds are kept, and slow work is told afterwards."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from bot.reception import FORM_SEC
from gate.domain.request import Status
from gate.usecases.read import wait_decided
from tests.integration.bot.stage import Stage
from tests.integration.bot.test_forgery import send


async def test_a_form_that_takes_too_long_is_closed_in_time_and_answered_afterwards(play: Stage) -> None:
    """Slack would show an error after three seconds; the decision goes on and is told when it is made."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.slack.click("U0ANA", channel, ts, "reject")
    await play.modal("U0ANA", "reject")
    async with play.store.writing():  # somebody else holds the writer
        values = {"category": {"category": "unsafe"}, "comment": {"comment": "no"}}
        reply = await play.slack.submit("U0ANA", values)
        assert reply.ok, reply
        assert (await play.load(record.id)).status is Status.PENDING
    await play.told("U0ANA", "Rejected.")
    assert (await play.load(record.id)).status is Status.REJECTED


async def test_a_click_is_acknowledged_whatever_the_store_does(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    async with play.store.writing():
        assert (await play.slack.click("U0ANA", channel, ts, "approve")).ok
    await play.told("U0ANA", "Approved.")


async def test_a_direct_message_is_the_last_way_to_answer(play: Stage) -> None:
    """Ephemeral refused and response_url gone: the person is told all the same."""
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    play.slack.error("chat.postEphemeral", "user_not_in_channel")

    def spent(body: dict[str, Any]) -> None:
        body["response_url"] = body["response_url"] + "-used-up"

    await send(play, record, spent, user="U0DEV")
    dm = play.slack.dm("U0DEV")
    found = await play.slack.wait_for(lambda s: s.messages(dm))
    assert "not a reviewer" in found[-1]["text"]


async def test_from_click_to_the_waiting_agent_takes_milliseconds(play: Stage) -> None:
    """The figure of the plan is a median under 50 ms; here with room for a busy machine."""
    taken: list[float] = []
    for number in range(5):
        record = await play.propose(payload={"amount": number + 1, "order": str(number)})
        channel, ts = await play.posted(record)
        await play.idle()
        waiting = asyncio.create_task(wait_decided(play.deps, record.id, 60))
        started = time.perf_counter()
        click = asyncio.create_task(play.slack.click("U0ANA", channel, ts, "approve"))
        decided = await waiting
        taken.append(time.perf_counter() - started)
        await click
        assert decided is not None
        assert decided.status is Status.APPROVED
    print(f"click to agent: median {statistics.median(taken) * 1000:.1f} ms, most {max(taken) * 1000:.1f} ms")
    assert statistics.median(taken) < 2


def test_the_form_limit_leaves_time_to_acknowledge() -> None:
    assert FORM_SEC < 2.5
