"""Forms: editing, rejecting, asking others, reading everything, and what is said when they come too late."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.request import Status
from tests.integration.bot.stage import Stage, texts

LONG = {
    "amount": 10,
    "order": "881",
    "rows": [f"row {n}: to account {n * 7919}, {'x' * 40}" for n in range(2_500)],
}


async def opened(play: Stage, user: str, button: str, **proposal: Any) -> tuple[Any, dict[str, Any]]:
    record = await play.propose(**proposal)
    channel, ts = await play.posted(record)
    await play.slack.click(user, channel, ts, button)
    return record, await play.modal(user, button)


def then(choice: str, **values: dict[str, Any]) -> dict[str, Any]:
    return {"then": {"then": choice}} | values


def field(pointer: str, value: Any) -> dict[str, Any]:
    return {f"field:{pointer}": {"value": value}}


async def test_an_edit_makes_a_version_and_approves_it(play: Stage) -> None:
    """INV-10, INV-11: what is approved is the edited payload, as version 2."""
    record, _ = await opened(play, "U0ANA", "edit")
    reply = await play.slack.submit("U0ANA", then("approve") | field("/amount", "1200"))
    assert reply.ok, reply
    await play.told("U0ANA", "Saved as version 2 and approved. Released to support-bot.")
    after = await play.load(record.id)
    assert after.status is Status.APPROVED
    assert after.version.payload == {"amount": 1200, "order": "881", "note": "double charge"}
    assert after.proposed.payload["amount"] == 1400
    assert play.slack.modal("U0ANA") is None


async def test_saving_only_leaves_the_vote_open(play: Stage) -> None:
    record, _ = await opened(play, "U0ANA", "edit")
    await play.slack.submit("U0ANA", then("save") | field("/note", "twice"))
    await play.told("U0ANA", "Saved as version 2. Earlier approvals no longer count")
    after = await play.load(record.id)
    assert (after.status, after.version.number, after.votes) == (Status.PENDING, 2, ())


async def test_approving_without_a_change_is_a_vote_for_what_was_shown(play: Stage) -> None:
    record, _ = await opened(play, "U0ANA", "edit")
    await play.slack.submit("U0ANA", then("approve"))
    await play.told("U0ANA", "Approved. Released to support-bot.")
    after = await play.load(record.id)
    assert (after.status, after.version.number) == (Status.APPROVED, 1)


async def test_saving_nothing_says_that_nothing_was_changed(play: Stage) -> None:
    await opened(play, "U0ANA", "edit")
    reply = await play.slack.submit("U0ANA", then("save"))
    assert "Nothing was changed" in " ".join(reply.errors.values())


@pytest.mark.parametrize(
    ("typed", "block"),
    [
        pytest.param("0", "field:/amount", id="outside-the-schema"),
        pytest.param("60000", None, id="against-policy"),
    ],
)
async def test_what_is_not_accepted_is_said_on_the_field(play: Stage, typed: str, block: str | None) -> None:
    record, modal = await opened(play, "U0ANA", "edit")
    reply = await play.slack.submit("U0ANA", then("approve") | field("/amount", typed))
    assert reply.response_action == "errors"
    inputs = {b["block_id"] for b in modal["blocks"] if b["type"] == "input"}
    assert reply.errors
    assert set(reply.errors) <= inputs
    if block is not None:
        assert set(reply.errors) == {block}
    after = await play.load(record.id)
    assert (after.status, after.version.number) == (Status.PENDING, 1)


async def test_places_policy_does_not_offer_have_no_input_and_forged_ones_are_ignored(play: Stage) -> None:
    """Threat 5: a submission that carries a field the form does not have changes nothing there."""
    record, modal = await opened(play, "U0ANA", "edit")
    inputs = {b["block_id"] for b in modal["blocks"] if b["type"] == "input"}
    assert "field:/order" not in inputs
    state = play.slack.state
    view = state.views[state.stacks["U0ANA"][-1]]
    body = play.slack._acts._payloads.submission("U0ANA", view)
    body["view"]["state"]["values"]["field:/order"] = {"value": {"type": "plain_text_input", "value": "999"}}
    body["view"]["state"]["values"]["then"] = {
        "then": {"type": "radio_buttons", "selected_option": {"value": "save"}}
    }
    body["view"]["state"]["values"]["field:/amount"] = {"value": {"type": "number_input", "value": "7"}}
    await play.slack._acts._courier.deliver("interactive", body)
    await play.told("U0ANA", "Saved as version 2")
    assert (await play.load(record.id)).version.payload["order"] == "881"


async def test_a_rejection_for_another_reason_needs_a_comment(play: Stage) -> None:
    record, _ = await opened(play, "U0ANA", "reject")
    reply = await play.slack.submit(
        "U0ANA", {"category": {"category": "other"}, "comment": {"comment": "  "}}
    )
    assert set(reply.errors) == {"comment"}
    assert (await play.load(record.id)).status is Status.PENDING


async def test_asking_others_lets_them_decide_and_tells_them(play: Stage) -> None:
    record, _ = await opened(play, "U0ANA", "reassign")
    reply = await play.slack.submit(
        "U0ANA", {"people": {"people": ["dev"]}, "reason": {"reason": "He knows the customer."}}
    )
    assert reply.ok, reply
    await play.told("U0ANA", "Asked Dev Patel.")
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "Approved.")
    await play.idle()
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "Dev Patel" in story or "U0DEV" in str(play.slack.messages(channel, thread_ts=ts))


async def test_the_owner_is_not_offered_when_asking_others(play: Stage) -> None:
    _, modal = await opened(play, "U0ANA", "reassign")
    assert "Own Ferrari" not in texts(modal["blocks"])
    assert "Dev Patel" in texts(modal["blocks"])


@pytest.mark.parametrize("button", ["edit", "reject", "reassign"])
async def test_a_form_is_not_opened_for_who_cannot_use_it(play: Stage, button: str) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0OWN", channel, ts, button)
    await play.told("U0OWN", "You own the agent")
    assert play.slack.modal("U0OWN") is None


@pytest.mark.parametrize("form", ["edit", "reject"])
async def test_a_form_that_comes_after_the_decision_shows_the_decision(play: Stage, form: str) -> None:
    """INV-12, INV-37: edit against approve, reject against approve: what was decided stays."""
    record, _ = await opened(play, "U0ANA", form)
    channel, ts = await play.posted(record)
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "Approved.")
    values = (
        then("save") | field("/amount", "3")
        if form == "edit"
        else {"category": {"category": "unsafe"}, "comment": {"comment": "no"}}
    )
    reply = await play.slack.submit("U0ANA", values)
    assert reply.response_action == "update"
    modal = await play.modal("U0ANA", "notice")
    assert "Bo Lindqvist" in texts(modal["blocks"])
    after = await play.load(record.id)
    assert (after.status, after.version.number) == (Status.APPROVED, 1)


async def test_a_form_for_a_version_that_was_edited_away_is_refused(play: Stage) -> None:
    """INV-10, INV-37: a rejection of the old version and an approve on the old card hit nothing."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop_worker()  # the card goes on showing version 1
    await play.slack.click("U0BO", channel, ts, "reject")
    await play.modal("U0BO", "reject")
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    await play.slack.submit("U0ANA", then("save") | field("/amount", "1300"))
    await play.told("U0ANA", "Saved as version 2")
    await play.slack.submit("U0BO", {"category": {"category": "unsafe"}, "comment": {"comment": "no"}})
    assert "version 2" in texts((await play.modal("U0BO", "notice"))["blocks"])
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "changed the payload in the meantime")
    after = await play.load(record.id)
    assert (after.status, after.votes, after.rejection) == (Status.PENDING, (), None)


async def test_details_show_everything_also_to_colleagues_who_cannot_decide(play: Stage) -> None:
    _, modal = await opened(play, "U0ANA", "details", rationale="The ticket says so.")
    assert "The ticket says so." in texts(modal["blocks"])
    record = await play.propose(payload={"amount": 5, "order": "883"})
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "details")
    await play.modal("U0DEV", "details")
    await play.slack.click("U0GIA", channel, ts, "details")
    await play.told("U0GIA", "Guests cannot")
    assert play.slack.modal("U0GIA") is None


async def test_a_long_payload_is_opened_whole_before_it_is_approved(play: Stage) -> None:
    """Threat 3: approving a payload the card cannot show leads through all of its pages."""
    record = await play.propose("note.long", payload=LONG)
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "approve")
    modal = await play.modal("U0ANA", "confirm")
    assert (await play.load(record.id)).status is Status.PENDING
    read = ""
    pages = 0
    while modal.get("submit") is None:
        read += texts(modal["blocks"])
        pages += 1
        before = modal["hash"]
        await play.slack.click_in_view("U0ANA", "page_next")
        await play.slack.wait_for(lambda slack, old=before: (slack.modal("U0ANA") or {}).get("hash") != old)
        modal = play.slack.modal("U0ANA") or {}
    read += texts(modal["blocks"])
    assert pages >= 1
    for row in LONG["rows"]:
        assert row in read
    await play.slack.submit("U0ANA", {"comment": {"comment": "read it all"}})
    await play.told("U0ANA", "Approved.")
    after = await play.load(record.id)
    assert after.status is Status.APPROVED
    assert after.votes[-1].comment == "read it all"


async def test_pages_cannot_be_skipped(play: Stage) -> None:
    """Threat 3, threat 5: a forged page button does not lead to the approving page."""
    record = await play.propose("note.long", payload=LONG)
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.modal("U0ANA", "confirm")
    state = play.slack.state
    view = state.views[state.stacks["U0ANA"][-1]]
    action = {"type": "button", "action_id": "page_next", "block_id": "b", "value": "999", "action_ts": "1.1"}
    body = play.slack._acts._payloads.view_action("U0ANA", view, action)
    await play.slack._acts._courier.deliver("interactive", body)
    await play.told("U0ANA", "nothing was changed")
    assert (play.slack.modal("U0ANA") or {}).get("submit") is None


async def test_an_edited_long_payload_is_read_whole_before_it_is_approved(play: Stage) -> None:
    """Threat 3: saving with approval opens the new version first."""
    record = await play.propose("note.long", payload=LONG)
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    reply = await play.slack.submit("U0ANA", then("approve") | field("/amount", "11"))
    assert reply.ok, reply
    await play.modal("U0ANA", "confirm")
    after = await play.load(record.id)
    assert (after.status, after.version.number, after.votes) == (Status.PENDING, 2, ())


async def test_details_turn_their_pages(play: Stage) -> None:
    record = await play.propose("note.long", payload=LONG)
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "details")
    before = (await play.modal("U0ANA", "details"))["hash"]
    await play.slack.click_in_view("U0ANA", "page_next")
    await play.slack.wait_for(lambda slack: (slack.modal("U0ANA") or {}).get("hash") != before)
