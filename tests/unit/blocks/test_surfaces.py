"""Everything the bot shows, held to its goldens and to every limit of Slack's, also for hostile views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bot.blocks.card import card, needs_full_view, text_units
from bot.blocks.digest import digest
from bot.blocks.direct import summary_message
from bot.blocks.gate_command import help_message, oncall_message, queue_message, refusal_message
from bot.blocks.home import home
from bot.blocks.policy_in_force import policy_message
from bot.blocks.report import report_message
from gate.domain.request import Status
from gate.usecases.views import ActionView
from tests.fakes.digests import DIGESTS, FLOODED, item_of
from tests.fakes.reports import POLICIES, REPORTS
from tests.fakes.views import ACTION, APPROVED, EMPTY_QUEUE, LINK, NOW, ONCALL, QUEUES, REFUND, SAMPLES
from tests.unit.blocks.hostile import LARGE, NASTY, texts, views
from tests.unit.blocks.limits import message_faults, objects, view_faults
from tests.unit.blocks.regenerate import FOLDER, as_text
from tests.unit.blocks.surfaces import goldens, messages, modals, people_of

_GOLDENS = dict(goldens())
_SLOW = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("name", sorted(_GOLDENS))
def test_a_surface_is_as_its_golden_shows_it(name: str) -> None:
    golden = FOLDER / f"{name}.json"
    assert golden.read_text() == as_text(_GOLDENS[name]), "python -m tests.unit.blocks.regenerate, and look"


def test_there_is_no_golden_of_nothing() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(_GOLDENS)


def assert_within_limits(view: ActionView) -> None:
    people = people_of(view)
    links = frozenset({LINK})
    for name, text, blocks in messages(view):
        assert message_faults(text, blocks, people=people, links=links) == [], name
    for name, shown in modals(view):
        assert view_faults(shown, people=people, links=links) == [], name


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in SAMPLES.items()])
def test_every_surface_of_a_sample_is_within_limits(view: ActionView) -> None:
    assert_within_limits(view)


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in LARGE.items()])
def test_every_surface_of_a_large_view_is_within_limits(view: ActionView) -> None:
    assert_within_limits(view)


@_SLOW
@given(views())
def test_threat_22_hostile_text_breaks_no_limit_pings_nobody_and_links_nowhere(view: ActionView) -> None:
    assert_within_limits(view)


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_threat_22_a_refusal_and_a_summary_hold_any_text(text: str) -> None:
    line = refusal_message(text)
    assert message_faults(line.text, line.blocks) == []


@pytest.mark.parametrize("queue", [pytest.param(queue, id=name) for name, queue in QUEUES.items()])
def test_home_and_the_queue_are_within_limits(queue: Any) -> None:
    links: Mapping[str, str] = {line.action_id: LINK for line in (*queue.mine, *queue.reviews)}
    assert view_faults(home(queue, links), links=frozenset({LINK})) == []
    line = queue_message(queue, links)
    assert message_faults(line.text, line.blocks, links=frozenset({LINK})) == []


@pytest.mark.parametrize("name", DIGESTS)
def test_a_digest_is_within_limits(name: str) -> None:
    """Also with twelve requests whose agents wrote what they could to break it (threat 22)."""
    view = DIGESTS[name]
    message = digest(view)
    people = frozenset(person.slack for person in view.mentioned if person.slack)
    assert message_faults(message.text, message.blocks, people=people) == []
    assert text_units(message.blocks) <= 8_000
    assert len(message.text.encode()) <= 3_800


@_SLOW
@given(views())
def test_threat_22_a_digest_holds_any_text(view: ActionView) -> None:
    item = item_of(view)
    items = tuple(replace(item, action_id=f"{ACTION[:-2]}{n:02d}") for n in range(12))
    message = digest(
        replace(DIGESTS["burst"], items=items, agent_name=view.agent_name, agent_team=view.agent_team)
    )
    people = frozenset({"U0ANA", "U0BO"})
    assert message_faults(message.text, message.blocks, people=people) == []


def test_a_digest_offers_what_policy_allows_and_says_what_is_left() -> None:
    message = digest(DIGESTS["burst"])
    buttons = [o["action_id"] for o in objects(message.blocks) if o.get("type") == "button"]
    assert buttons.count("approve") == 12
    assert buttons.count("reject") == 11  # policy does not let anybody reject one of them
    assert buttons.count("details") == 12
    assert "25 more: they move up here" in str(message.blocks)
    assert "12 approved, 1 rejected, 3 expired" in str(message.blocks)
    assert "37 requests of support-bot wait · 1 critical · 2 high · 1 overdue" in str(message.blocks)


def test_a_digest_of_nothing_that_waits_has_no_buttons() -> None:
    message = digest(DIGESTS["done"])
    assert [o for o in objects(message.blocks) if o.get("type") == "button"] == []
    assert "Nothing waits any more: 40 requests of support-bot" in message.text


@pytest.mark.parametrize("queue", [pytest.param(queue, id=name) for name, queue in QUEUES.items()])
def test_one_message_for_many_is_within_limits(queue: Any) -> None:
    line = summary_message(queue, {line.action_id: LINK for line in queue.mine}, outcomes=2)
    assert line is not None
    assert message_faults(line.text, line.blocks, links=frozenset({LINK})) == []


def test_one_message_for_many_names_the_most_pressing_first_and_says_nothing_of_nothing() -> None:
    line = summary_message(FLOODED, {})
    assert line is not None
    assert line.text.startswith("42 requests wait for you, 1 critical, 4 high. The most pressing: ")
    assert "CRITICAL" in line.text
    assert summary_message(EMPTY_QUEUE, {}) is None


def test_a_home_that_cuts_keeps_the_higher_risks() -> None:
    shown = str(home(FLOODED))
    assert "CRITICAL" in shown
    assert "19 more" in shown


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_within_limits(name: str) -> None:
    line = report_message(REPORTS[name])
    assert message_faults(line.text, line.blocks) == []
    mine = REPORTS[name].mine
    assert view_faults(home(QUEUES["full"], {}, mine), links=frozenset({LINK})) == []


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_in_force_is_within_limits(name: str) -> None:
    line = policy_message(POLICIES[name])
    assert message_faults(line.text, line.blocks) == []


def test_other_answers_are_within_limits() -> None:
    for line in (help_message(), oncall_message(ONCALL, NOW), oncall_message((), NOW)):
        assert message_faults(line.text, line.blocks) == []


# -- the card ------------------------------------------------------------------------------------


def _buttons(view: ActionView) -> dict[str, str]:
    return {
        o["action_id"]: o["text"]["text"] for o in objects(card(view).blocks) if o.get("type") == "button"
    }


def test_a_card_offers_what_policy_allows_and_the_details() -> None:
    assert list(_buttons(REFUND)) == ["approve", "edit", "reject", "details", "reassign"]
    assert list(_buttons(SAMPLES["low"])) == ["approve", "details"]


@pytest.mark.parametrize("name", ["approved", "rejected", "expired", "cancelled", "failed", "broken"])
def test_a_decided_card_has_no_buttons(name: str) -> None:
    assert SAMPLES[name].status is not Status.PENDING
    assert _buttons(SAMPLES[name]) == {}


def test_a_decided_card_says_who_when_and_what_was_changed_in_one_line() -> None:
    lines = "".join(o["text"] for o in objects(card(APPROVED).blocks) if o.get("type") == "text")
    assert "✓ Approved by Ana Ruiz after 41 s, amount: 1400 → 1200 · ✓ executed" in lines


def test_the_buttons_carry_the_action_and_the_version_seen() -> None:
    values = {o["value"] for o in objects(card(SAMPLES["edited"]).blocks) if o.get("type") == "button"}
    assert values == {f"{REFUND.action_id}:2"}


def test_the_fallback_names_action_risk_and_asker() -> None:
    text = card(REFUND).text
    for part in (
        "HIGH risk",
        "support-bot",
        "Refund $1,400.00 to order 881",
        "stripe.refund",
        "finance-approvers",
    ):
        assert part in text


def test_the_card_mentions_the_people_asked_and_nobody_else() -> None:
    mentioned = [o["user_id"] for o in objects(card(SAMPLES["mentioning"]).blocks) if o.get("type") == "user"]
    assert mentioned == ["U0ANA", "U0BO"]


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in LARGE.items()])
def test_threat_3_a_card_that_misses_anything_says_so_and_opens_all_of_it(view: ActionView) -> None:
    shown = "\n".join(o["text"] for o in objects(card(view).blocks) if o.get("type") == "text")
    whole = '"tail"' in shown
    assert needs_full_view(view) is not whole
    assert ("Not all of it is shown" in shown) is not whole
    assert _buttons(view)["approve"].startswith("Approve" if whole else "Review all & approve")


@_SLOW
@given(views(), texts)
def test_threat_3_the_payloads_part_of_a_card_is_never_squeezed_by_the_rest(
    view: ActionView, words: str
) -> None:
    assert text_units(card(view).blocks) <= 8_000
    if not needs_full_view(view) and view.status is Status.PENDING:
        assert "Review all" not in _buttons(view).get("approve", "")
