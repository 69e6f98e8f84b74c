"""Breaking the glass in Slack: the choice, the form, who is called, and the review that closes it."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.usecases.break_glass import break_glass
from gate.usecases.commands import BreakTheGlass, Done, EditPayload, FireDeadline
from gate.usecases.deadline import fire
from gate.usecases.edit import edit
from tests.integration.bot.stage import POLICY, Stage, buttons, texts
from tests.integration.bot.test_delegating import direct, home_with

GLASS = """
break_glass:
  who: [ana, bo, gia, own]
  supervisors: [chi, dev, ana]
  topics: ["pay.*"]
  max_valid: 30m
  review_sla: 1s
"""
WHY = "The bank closes in ten minutes"


@pytest.fixture
async def emergency(play: Stage) -> Stage:
    play.reload(POLICY + GLASS)
    return play


async def broken(play: Stage, record: ActionRecord, by: str = "ana") -> ActionRecord:
    command = BreakTheGlass(action_id=record.id, version=1, person=by, reason=WHY, valid_sec=600)
    done = await break_glass(play.deps, command)
    assert isinstance(done, Done), done
    play.deps.wakeups.notify("outbox")
    return done.record


def filled(reason: str = WHY, valid: str = "300") -> dict[str, Any]:
    return {"reason": {"reason": reason}, "valid": {"valid": valid}}


async def test_without_break_glass_in_the_set_the_command_says_so(play: Stage) -> None:
    await play.slack.command("U0ANA", "C0GENERAL", "/gate break-glass")
    await play.told("U0ANA", "Nobody can break the glass here")


async def test_the_whole_way_from_the_command_to_the_card(emergency: Stage) -> None:
    """INV-17: the choice, the whole payload, reason and expiry; supervisors are called with all there is to know."""
    play = emergency
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.command("U0ANA", "C0GENERAL", "/gate break-glass")
    modal = await play.modal("U0ANA", "break_glass")
    assert "Refund $1,400.00 to order 881" in str(modal)
    reply = await play.slack.submit("U0ANA", {"request": {"request": f"{record.id}:1"}})
    assert reply.ok, reply
    await play.slack.wait_for(lambda s: "double charge" in texts((s.modal("U0ANA") or {}).get("blocks")), 60)
    modal = await play.modal("U0ANA", "break_glass")
    assert "U0CHI" in str(modal["blocks"])
    assert "U0ANA" not in str(modal["blocks"])
    assert "30 min" in str(modal["blocks"])
    assert "1 h" not in str([b for b in modal["blocks"] if b["type"] == "input"])
    reply = await play.slack.submit("U0ANA", filled())
    assert reply.ok, reply
    notice = await play.modal("U0ANA", "notice")
    assert "Released to support-bot in an emergency" in texts(notice["blocks"])
    after = await play.load(record.id)
    assert after.status is Status.APPROVED
    assert after.emergency is not None
    assert (after.emergency.person, after.emergency.reason) == ("ana", WHY)
    assert (after.emergency.until - after.emergency.at).total_seconds() == 300
    for user in ("U0CHI", "U0DEV"):
        message = await direct(play, user, "Ana Ruiz broke the glass")
        said = texts(message["blocks"])
        for part in ("Refund $1,400.00", "double charge", WHY, "support-bot", "Large refund", "Good until"):
            assert part in said, part
        assert buttons(message) == {"review", "open_card", "details"}
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    shown = texts(card["blocks"])
    assert "RELEASED IN AN EMERGENCY" in shown
    assert "Ana Ruiz broke the glass: released without waiting for 1 person of finance" in shown
    assert WHY in shown
    assert "Review due by" in shown
    assert buttons(card) == set()
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "broke the glass: released after" in story


async def test_a_named_request_opens_at_once_and_short_reasons_come_back_on_the_field(
    emergency: Stage,
) -> None:
    play = emergency
    record = await play.propose()
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate break-glass {record.id}")
    modal = await play.modal("U0ANA", "break_glass")
    assert "double charge" in texts(modal["blocks"])
    reply = await play.slack.submit("U0ANA", filled(reason="hurry"))
    assert "10 to 1,000 characters" in (reply.errors or {})["reason"]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        pytest.param("U0DEV", "You may not break the glass", id="not-named"),
        pytest.param("U0OWN", "You own the agent", id="owner"),
        pytest.param("U0GIA", "Guests cannot decide", id="guest"),
    ],
)
async def test_who_may_not_is_told_why(emergency: Stage, user: str, words: str) -> None:
    """INV-05, threat 6, threat 34"""
    record = await emergency.propose()
    await emergency.slack.command(user, "C0GENERAL", f"/gate break-glass {record.id}")
    await emergency.told(user, words)
    assert (await emergency.load(record.id)).status is Status.PENDING


async def test_a_forged_form_opens_nothing(emergency: Stage) -> None:
    """Threat 5: the request in private_metadata is judged anew; a critical one of another rule stays closed."""
    play = emergency
    record, wire = await play.propose(), await play.propose("pay.wire")
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate break-glass {record.id}")
    await play.modal("U0ANA", "break_glass")
    state = play.slack.state
    view = state.views[state.stacks["U0ANA"][-1]]
    body = play.slack._acts._payloads.submission("U0ANA", view)
    body["view"]["private_metadata"] = body["view"]["private_metadata"].replace(record.id, wire.id)
    body["view"]["state"]["values"] |= {
        "reason": {"reason": {"type": "plain_text_input", "value": WHY}},
        "valid": {"valid": {"type": "radio_buttons", "selected_option": {"value": "999999"}}},
    }
    outcome = await play.slack._acts._courier.deliver("interactive", body)
    assert "up to high risk" in str(outcome.payload)
    assert (await play.load(wire.id)).status is Status.PENDING
    assert (await play.load(record.id)).status is Status.PENDING


async def test_a_version_that_changed_meanwhile_is_not_released(emergency: Stage) -> None:
    """INV-11: what was read is what is released."""
    play = emergency
    record = await play.propose()
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate break-glass {record.id}")
    await play.modal("U0ANA", "break_glass")
    changed = EditPayload(
        action_id=record.id,
        version=1,
        person="bo",
        payload={**record.version.payload, "amount": 9},
        approve=False,
    )
    assert isinstance(await edit(play.deps, changed), Done)
    await play.slack.submit("U0ANA", filled())
    notice = await play.modal("U0ANA", "notice")
    assert "changed while you were looking" in texts(notice["blocks"])
    assert (await play.load(record.id)).status is Status.PENDING


async def test_a_long_payload_is_read_to_its_end_before_it_can_be_released(emergency: Stage) -> None:
    """Threat 3"""
    play = emergency
    record = await play.propose(payload={"amount": 1400, "body": "line\n" * 30_000, "last": "the tail"})
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate break-glass {record.id}")
    modal = await play.modal("U0ANA", "break_glass")
    pages = 1
    while modal.get("submit") is None:
        before = modal["hash"]
        await play.slack.click_in_view("U0ANA", "page_next")
        await play.slack.wait_for(lambda slack, old=before: (slack.modal("U0ANA") or {}).get("hash") != old)
        modal = play.slack.modal("U0ANA") or {}
        pages += 1
    assert pages > 1
    assert "the tail" in texts(modal["blocks"])


async def test_a_supervisor_reviews_from_the_message(emergency: Stage) -> None:
    """INV-17"""
    play = emergency
    record = await broken(play, await play.propose())
    channel, ts = await play.posted(record)
    message = await direct(play, "U0CHI", "Ana Ruiz broke the glass")
    await play.slack.click("U0CHI", message["channel"], message["ts"], "review")
    modal = await play.modal("U0CHI", "review")
    said = texts(modal["blocks"])
    for part in (WHY, "double charge", "Ana Ruiz broke the glass"):
        assert part in said
    answers = {"finding": {"finding": "unjustified"}, "comment": {"comment": "Bo was at his desk"}}
    assert (await play.slack.submit("U0CHI", answers)).ok
    notice = await play.modal("U0CHI", "notice")
    assert "The release is taken back" in texts(notice["blocks"])
    after = await play.load(record.id)
    assert after.grants_revoked
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "✗ NOT justified, says Chi Okafor" in texts(card["blocks"])
    assert "taken back after its review" in texts(card["blocks"])
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "NOT justified. The release is taken back" in story
    await play.slack.click("U0DEV", *await _message(play, "U0DEV"), "review")
    await play.told("U0DEV", "already reviewed by Chi Okafor")


async def _message(play: Stage, user: str) -> tuple[str, str]:
    message = await direct(play, user, "Ana Ruiz broke the glass")
    return message["channel"], message["ts"]


async def test_home_shows_a_supervisor_what_waits_and_what_is_overdue(emergency: Stage) -> None:
    """INV-17: an overdue review calls again, and Home says it loudly; the breaker has nothing to review."""
    play = emergency
    record = await broken(play, await play.propose())
    assert record.deadline is not None
    await play.slack.open_home("U0CHI")
    await home_with(play, "U0CHI", "Emergency releases to review")
    await play.slack.open_home("U0ANA")
    home = await home_with(play, "U0ANA", "Waiting for you")
    assert "Emergency releases" not in texts(home["blocks"])
    async with play.deps.wakeups.subscription("nobody") as waiter:
        while play.deps.clock.now() < record.deadline.due_at:
            await waiter.wait(0.05)
    done = await fire(play.deps, FireDeadline(action_id=record.id, seq=record.deadline.seq))
    assert not isinstance(done, Refused), done
    play.deps.wakeups.notify("outbox")
    await direct(play, "U0CHI", "waits past its time for a review")
    home = await home_with(play, "U0CHI", "OVERDUE")
    assert "⏰ review overdue since" in texts(home["blocks"])
    await play.slack.click_in_view("U0CHI", "review")
    await play.modal("U0CHI", "review")
