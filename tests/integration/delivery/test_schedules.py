"""PagerDuty's schedules, read over HTTP from a stand-in that speaks its REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from gate.delivery.schedules import PagerDutySchedules
from gate.usecases.ports import Listed, ListUnavailable, Turn
from tests.fakes import pagerduty_rest
from tests.fakes.pagerduty_rest import TOKEN, PagerDuty, pagerduty
from tests.fakes.world import SetClock

CLOCK = SetClock()
NOW = CLOCK.now()


@pytest.fixture
async def account() -> AsyncIterator[PagerDuty]:
    async with pagerduty() as made:
        yield made


def reader(account: PagerDuty, *, token: str | None = TOKEN) -> PagerDutySchedules:
    return PagerDutySchedules(token=token, api_url=f"{account.url}/", clock=CLOCK)


async def test_the_turns_of_two_weeks_are_read_in_order_each_once(account: PagerDuty) -> None:
    week = timedelta(days=7)
    account.turns = [
        pagerduty_rest.Turn("PABC", "bo@example.com", NOW + week, NOW + 2 * week, ("PONE", "PTWO")),
        pagerduty_rest.Turn("PABC", "ana@example.com", NOW - week, NOW + week, ("PONE", "PTWO")),
        pagerduty_rest.Turn("PABC", "late@example.com", NOW + 3 * week, None),
        pagerduty_rest.Turn("POTHER", "cho@example.com", NOW - week, NOW + week),
    ]
    assert await reader(account).read("PABC") == Listed(
        turns=(
            Turn(email="ana@example.com", start=NOW - week, end=NOW + week),
            Turn(email="bo@example.com", start=NOW + week, end=NOW + 2 * week),
        )
    )
    assert account.asked[0]["schedule_ids[]"] == ["PABC"]


async def test_a_long_schedule_comes_page_by_page(account: PagerDuty) -> None:
    hour = timedelta(hours=1)
    account.turns = [
        pagerduty_rest.Turn("PABC", "ana@example.com", NOW + n * hour, NOW + (n + 1) * hour)
        for n in range(230)
    ]
    assert len((await reader(account).read("PABC")).turns) == 230
    assert [asked["offset"] for asked in account.asked] == [["0"], ["100"], ["200"]]


async def test_somebody_always_on_call_and_a_deleted_user_are_told_apart(account: PagerDuty) -> None:
    account.turns = [
        pagerduty_rest.Turn("PABC", "ana@example.com", None, None),
        pagerduty_rest.Turn("PABC", None, NOW, None),
    ]
    turns = (await reader(account).read("PABC")).turns
    assert turns == (
        Turn(email="ana@example.com", start=None, end=None),
        Turn(email="", start=NOW, end=None),
    )


@pytest.mark.parametrize(
    ("answer", "says", "after"),
    [
        (web.Response(status=429, headers={"ratelimit-reset": "37"}), "fewer calls", 37),
        (web.Response(status=500), "answered 500", None),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "answered 302", None),
    ],
)
async def test_trouble_is_said_in_words(
    account: PagerDuty, answer: web.Response, says: str, after: float | None
) -> None:
    account.fail = answer
    with pytest.raises(ListUnavailable, match=says) as caught:
        await reader(account).read("PABC")
    assert caught.value.after_sec == after


async def test_a_token_that_is_wrong_or_missing_is_named_and_never_shown(account: PagerDuty) -> None:
    """INV-51"""
    with pytest.raises(ListUnavailable, match="PAGERDUTY_API_TOKEN") as caught:
        await reader(account, token="wrong-token").read("PABC")
    assert "wrong-token" not in str(caught.value)
    with pytest.raises(ListUnavailable, match="PAGERDUTY_API_TOKEN is not set"):
        await reader(account, token=None).read("PABC")


async def test_nobody_listening_is_unavailable(account: PagerDuty) -> None:
    away = PagerDutySchedules(token=TOKEN, api_url="http://127.0.0.1:1", clock=CLOCK)
    with pytest.raises(ListUnavailable, match="cannot be reached"):
        await away.read("PABC")
