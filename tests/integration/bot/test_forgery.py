"""Nothing on a card is trusted: place, app, workspace and values are checked, the rest is the store's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gate.domain.request import ActionRecord
from tests.integration.bot.stage import APPROVALS, Stage


async def send(
    play: Stage, record: ActionRecord, change: Callable[[dict[str, Any]], None], user: str = "U0ANA"
) -> Any:
    """Ana's approving click on the card, with something about it forged."""
    channel, ts = await play.posted(record)
    message = play.slack.state.messages[channel][ts]
    action = {
        "type": "button",
        "action_id": "approve",
        "block_id": "b",
        "value": f"{record.id}:1",
        "action_ts": "1.1",
    }
    body = play.slack._acts._payloads.message_action(user, message, action, {})
    change(body)
    return await play.slack._acts._courier.deliver("interactive", body)


def value(text: str | None) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["actions"][0].update({"value": text})


def elsewhere(body: dict[str, Any]) -> None:
    body["container"]["channel_id"] = body["channel"]["id"] = "C0GENERAL"


def older(body: dict[str, Any]) -> None:
    body["container"]["message_ts"] = "1500000000.000100"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(value("act_01zzzzzzzzzzzzzzzzzzzzzzzz:1"), id="unknown-action"),
        pytest.param(value("rm -rf /"), id="no-value-of-ours"),
        pytest.param(value(None), id="no-value"),
        pytest.param(elsewhere, id="another-channel"),
        pytest.param(older, id="another-message"),
    ],
)
async def test_a_forged_click_changes_nothing_and_is_answered(
    play: Stage, change: Callable[[dict[str, Any]], None]
) -> None:
    """Threat 5, INV-37."""
    record = await play.propose()
    await send(play, record, change)
    await play.told("U0ANA", "nothing was changed")
    assert (await play.load(record.id)).votes == ()


async def test_a_click_on_one_card_cannot_decide_another(play: Stage) -> None:
    """Threat 5: the value names the second action, the message is the first one's card."""
    first = await play.propose("pay.wire")
    second = await play.propose(payload={"amount": 1, "order": "2"})
    await play.posted(second)
    await send(play, first, value(f"{second.id}:1"))
    await play.told("U0ANA", "not the card of that request")
    assert (await play.load(second.id)).votes == ()


async def test_what_another_app_was_sent_is_not_taken(play: Stage) -> None:
    """Threat 5: the app is checked."""
    record = await play.propose()
    outcome = await send(play, record, lambda body: body.update({"api_app_id": "A0OTHER"}))
    assert not outcome.received
    assert (await play.load(record.id)).votes == ()


async def test_a_payload_of_another_workspace_is_nobodys_vote(play: Stage) -> None:
    """Threat 5: the workspace is checked, whoever the user id belongs to here."""
    record = await play.propose()

    def moved(body: dict[str, Any]) -> None:
        body["team"]["id"] = "T0FOREIGN"
        body["user"]["team_id"] = "T0FOREIGN"

    await send(play, record, moved)
    await play.told("U0ANA", "other workspaces")
    assert (await play.load(record.id)).votes == ()


async def test_the_card_that_was_replaced_does_nothing(play: Stage) -> None:
    """INV-37: a card that was deleted, posted anew and came back is not the card any more."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.idle()
    old = play.slack.state.messages[channel][ts]
    play.slack.state.drop_message(old)
    await play.vote(record, "bo")
    await play.idle()
    play.slack.state.keep_message(old)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "not the card of that request")
    assert [v.person for v in (await play.load(record.id)).votes] == ["bo"]


async def test_details_of_other_peoples_requests_are_not_shown_for_a_forged_value(play: Stage) -> None:
    """Threat 5: outside its card an action is shown to those it concerns only."""
    record = await play.propose("pay.quiet")
    await play.posted(record)
    await play.slack.command("U0DEV", "C0GENERAL", "/gate help")
    (message,) = await play.slack.wait_for(lambda s: s.ephemerals("U0DEV"))
    seen = play.slack.state.messages["C0GENERAL"][message["ts"]]
    action = {
        "type": "button",
        "action_id": "open_queue_item",
        "block_id": "b",
        "value": f"{record.id}:1",
        "action_ts": "1.1",
    }
    body = play.slack._acts._payloads.message_action("U0DEV", seen, action, {})
    await play.slack._acts._courier.deliver("interactive", body)
    await play.told("U0DEV", "nothing was changed")
    assert play.slack.modal("U0DEV") is None


async def test_a_button_nobody_knows_is_answered(play: Stage) -> None:
    """Nothing is swallowed."""
    record = await play.propose()

    def renamed(body: dict[str, Any]) -> None:
        body["actions"][0]["action_id"] = "launch"

    await send(play, record, renamed)
    await play.told("U0ANA", "nothing was changed")


async def test_an_error_of_ours_is_told_with_its_id_and_logged_without_the_payload(
    play: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """INV-51: the person gets an error id, the log gets where it happened and nothing of the action."""
    record = await play.propose(payload={"amount": 5, "order": "secret-order-77"})
    channel, ts = await play.posted(record)
    broken = replace(play.deps, rules=_Broken(play.deps.rules))
    assert play.bot is not None
    reception = play.bot._reception
    reception.desk = replace(reception.desk, deps=broken)
    await play.slack.click("U0ANA", channel, ts, "approve")
    told = await play.told("U0ANA", "Something went wrong")
    log = capsys.readouterr().out
    assert "err_" in told
    assert "slack_handler_failed" in log
    assert "secret-order-77" not in log


class _Broken:
    """A rules source that fails the way code fails: with the value in its message."""

    def __init__(self, real: Any) -> None:
        self._real = real

    @property
    def current(self) -> Any:
        raise KeyError("secret-order-77")


async def test_when_nothing_can_be_recorded_the_person_is_told(play: Stage) -> None:
    """INV-45: no record, no decision, and no silence."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop_worker()
    await play.store.close()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "cannot record decisions")
    assert channel == APPROVALS
    await play.store.start()
