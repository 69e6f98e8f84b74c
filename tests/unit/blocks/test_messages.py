"""Thread lines, direct messages, Home and /gate: each says what happened, to whom, in a whole sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import ids
from bot.blocks import parts
from bot.blocks.card import card
from bot.blocks.direct import direct_message
from bot.blocks.gate_command import oncall_message, queue_message, refusal_message
from bot.blocks.home import home, in_order
from bot.blocks.thread import thread_line
from bot.blocks.words import span
from gate.domain.audit import KINDS as AUDIT_KINDS
from gate.usecases.views import ActionView, ReassignmentView
from tests.fakes.views import (
    ANA,
    APPROVED,
    CANCELLED,
    CRITICAL,
    EDITED,
    EMPTY_QUEUE,
    EXPIRED,
    FAILED,
    HELD,
    LINK,
    NOW,
    ONCALL,
    QUEUE,
    REFUND,
    REJECTED,
)
from tests.unit.blocks.limits import objects
from tests.unit.blocks.surfaces import KINDS, event


@pytest.mark.parametrize(
    ("kind", "view", "said"),
    [
        ("approval.vote", CRITICAL, "Ana Ruiz approved; 1 of 2 so far."),
        ("approval.granted", APPROVED, "Ana Ruiz approved: released after 2 min, version 2."),
        ("approval.rejected", REJECTED, "Ana Ruiz rejected it: Wrong recipient, account or system."),
        (
            "approval.edited",
            EDITED,
            "changed the payload in 1 place: version 2. 1 vote on the version before",
        ),
        ("approval.reassigned", REFUND, "Ana Ruiz asked Ana Ruiz and Bo Lindqvist to decide."),
        ("approval.escalated", REFUND, "Escalated, step 2 to Ana Ruiz and Bo Lindqvist. 28 min left."),
        ("approval.sla_breach", HELD, "Nobody decided in time (1 h). It stays open until a person decides."),
        ("approval.repaged", HELD, "Still waiting, asked again after 1 h."),
        ("approval.expired", EXPIRED, "Expired: nobody decided within 2 min. Nothing was released."),
        ("approval.timeout_allowed", APPROVED, "Released without a person: low risk, and nobody objected"),
        ("action.cancelled", CANCELLED, "support-bot took the request back."),
        ("grant.redeemed", APPROVED, "Handed to the executor: version 2 as approved."),
        ("grant.revoked", APPROVED, "Ana Ruiz took the release back"),
        ("outcome.reported", FAILED, "Outcome: execution failed. Defect reported. Incident reported."),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[:20] else "",
)
def test_the_thread_tells_what_happened(kind: str, view: ActionView, said: str) -> None:
    line = thread_line(event(kind, view), view)
    assert said in line.text
    assert view.summary in line.text


def test_the_thread_tells_why_others_were_asked() -> None:
    why = ReassignmentView(by=ANA, at=NOW, reason="She knows the <!here> contract")
    line = thread_line(event("approval.reassigned", REFUND), replace(REFUND, reassignments=(why,)))
    words = [item["text"] for item in objects(line.blocks) if item.get("type") == "text"]
    assert "“She knows the <!here> contract”" in words


def test_every_kind_the_story_has_is_an_audit_kind_but_the_unknown_one() -> None:
    assert set(KINDS) - set(AUDIT_KINDS) == {"something.new"}


def test_an_unknown_kind_is_told_by_its_name() -> None:
    assert thread_line(event("something.new", REFUND), REFUND).text.startswith("something.new.")


def test_an_edit_shows_old_and_new_field_by_field() -> None:
    line = thread_line(event("approval.edited", EDITED), EDITED)
    assert "amount: 1400 → 1200" in [o.get("text") for o in objects(line.blocks)]


@pytest.mark.parametrize("kind", ["approval.escalated", "approval.reassigned", "approval.repaged"])
def test_people_are_pinged_once_by_a_line_that_calls_them(kind: str) -> None:
    line = thread_line(event(kind, REFUND), REFUND)
    assert [o["user_id"] for o in objects(line.blocks) if o.get("type") == "user"] == ["U0ANA", "U0BO"]


def test_others_are_asked_without_blaming_anybody() -> None:
    asked = replace(event("approval.rebalanced", REFUND), mention=REFUND.asked, who=None)
    line = thread_line(asked, REFUND)
    assert line.text.startswith("Asked Ana Ruiz and Bo Lindqvist as well.")
    assert [o["user_id"] for o in objects(line.blocks) if o.get("type") == "user"] == ["U0ANA", "U0BO"]


@pytest.mark.parametrize(
    ("view", "kind", "found", "said"),
    [
        (APPROVED, "approval.granted", "agreed", "two people looked at it independently, and they agreed."),
        (REJECTED, "approval.rejected", "disagreed", "they disagreed; Ana Ruiz had approved it"),
        (EXPIRED, "approval.expired", "unfinished", "it ended before two people had looked at it."),
    ],
    ids=["agreed", "disagreed", "unfinished"],
)
def test_a_blind_second_review_is_told_once_it_is_decided(
    view: ActionView, kind: str, found: str, said: str
) -> None:
    votes = (*APPROVED.votes, *view.votes) if view is REJECTED else view.votes
    looked_at = replace(view, second_review=found, votes=votes)
    assert f"Blind second review: {said}" in str(card(looked_at).blocks)
    assert "Blind second review" not in str(card(view).blocks)
    if kind != "approval.expired":
        assert said in str(thread_line(event(kind, looked_at), looked_at).blocks)


def test_an_escalation_by_other_ways_says_which_and_is_no_hole() -> None:
    quiet = event("approval.escalated", REFUND)
    quiet = replace(quiet, mention=(), detail=dict(quiet.detail) | {"via": ["email", "pagerduty"]})
    line = thread_line(quiet, REFUND)
    assert "Escalated, step 2, by e-mail and PagerDuty." in line.text
    assert "Nobody" not in line.text
    hole = thread_line(replace(quiet, detail=dict(quiet.detail) | {"nobody": True}), REFUND)
    assert "Nobody could be reached on this step." in hole.text


def test_an_escalation_that_reached_nobody_says_so() -> None:
    line = thread_line(replace(event("approval.escalated", REFUND), mention=()), REFUND)
    assert "Nobody could be reached on this step." in line.text


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("asked", "You are asked to decide"),
        ("also", "You are asked to decide"),
        ("escalated", "Escalated to you"),
        ("new", "About a request"),
    ],
)
def test_a_direct_message_says_why_and_leads_to_the_card(why: str, said: str) -> None:
    line = direct_message(REFUND, why, LINK)
    assert said in line.text
    assert "HIGH risk" in line.text
    buttons = {o["action_id"]: o for o in objects(line.blocks) if o.get("type") == "button"}
    assert buttons[ids.OPEN_CARD]["url"] == LINK
    assert buttons[ids.DETAILS]["value"] == ids.card_value(REFUND.action_id, 1)
    assert ids.APPROVE not in buttons


def test_a_direct_message_without_a_link_still_opens_the_details() -> None:
    line = direct_message(FAILED, "outcome", None)
    assert [o["action_id"] for o in objects(line.blocks) if o.get("type") == "button"] == [ids.DETAILS]
    assert "✗ execution failed" in str(line.blocks)


def test_home_shows_the_overdue_first_then_the_soonest() -> None:
    assert [line.summary for line in in_order(QUEUE)][:2] == [HELD.summary, REFUND.summary]
    assert in_order(QUEUE)[-1].sla_at is None


def test_home_says_risk_in_words_and_time_left() -> None:
    shown = home(QUEUE, {QUEUE.mine[0].action_id: LINK})
    text = str(shown)
    for part in (
        "🛑 CRITICAL",
        "⏰ overdue since ",
        "⏳ decide by ",
        "7 requests, 1 overdue",
        "Decided lately",
    ):
        assert part in text
    counted = [o["format"] for o in objects(shown) if o.get("type") == "date"]
    assert sum("{ago}" in form for form in counted) == 4  # Slack counts down, however long the tab stays open
    values = [o["value"] for o in objects(shown) if o.get("action_id") == ids.OPEN_QUEUE_ITEM]
    assert len(values) == 5
    assert all(ids.parse_card_value(value) for value in values)


def test_an_empty_home_is_friendly() -> None:
    assert "Nothing waits for you. " in str(home(EMPTY_QUEUE))
    assert queue_message(EMPTY_QUEUE).text == "Nothing waits for you."


def test_oncall_names_who_has_it_and_where_nobody_does() -> None:
    assert (
        oncall_message(ONCALL, NOW).text
        == "On call. primary: Ana Ruiz until 16 Nov 14:04 UTC; security: nobody."
    )
    assert "No on-call rota" in oncall_message((), NOW).text


def test_a_refusal_says_why() -> None:
    line = refusal_message("Ana already approved this.")
    assert line.text == "Not done. Ana already approved this."
    assert "Ana already approved this." in str(line.blocks)


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=41), "41 s"),
        (timedelta(minutes=28, seconds=59), "28 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
    ids=str,
)
def test_spans_are_said_in_two_units(length: timedelta, said: str) -> None:
    assert span(length.total_seconds()) == said


@pytest.mark.parametrize(
    ("link", "shown_as"),
    [
        pytest.param("https://x.slack.com/archives/C1/p2", "https://x.slack.com/archives/C1/p2", id="Slack"),
        pytest.param(
            "http://127.0.0.1:8090/archives/C1/p2", "http://127.0.0.1:8090/archives/C1/p2", id="here"
        ),
        pytest.param("http://127.0.0.1.evil.example/", None, id="a name that begins like this machine"),
        pytest.param("http://evil.example/", None, id="plain http elsewhere"),
        pytest.param("javascript:alert(1)", None, id="a script"),
        pytest.param(None, None, id="no link"),
    ],
)
def test_only_links_to_slack_or_this_machine_are_shown(link: str | None, shown_as: str | None):
    assert parts.web_address(link) == shown_as
