"""THREAT-35: what policy masks stands on nothing that people are shown, and an edit neither loses nor tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import ids
from bot.blocks.card import card, needs_full_view
from bot.blocks.fields import Edited, read_fields
from bot.blocks.form import form
from bot.blocks.history import history_modal
from bot.blocks.modals import edit_modal
from bot.blocks.unmasking import unmasked_modal
from gate.delivery.brief import brief
from gate.domain.action import Context, Evidence, Json, Source, Upstream
from gate.domain.masking import MARK
from gate.domain.request import ActionRecord, Choice, Outcome, Reassignment, Rejection, Result, Status, Vote
from gate.usecases.ports import LikeIt
from gate.usecases.story import story
from gate.usecases.telling import chapters
from gate.usecases.viewing import action_view
from gate.usecases.views import ActionView
from tests.fakes.records import NOW, directory, later, plan, proposal, submitted, verdict
from tests.fakes.views import LINK
from tests.unit.blocks.limits import message_faults, view_faults
from tests.unit.blocks.surfaces import messages, modals, people_of, state_of

NOBODY_LIKE_IT = LikeIt(total=0, allowed=0, approved=0, rejected=0, amount_low=None, amount_high=None)
PEOPLE = directory()

secrets = st.one_of(
    st.text("QZXJ789", min_size=6, max_size=30),
    st.text("QZXJ.@-789", min_size=7, max_size=30).map(lambda text: f"Q{text.strip()}Z"),
    st.integers(10**8, 10**15).map(lambda number: number * 10 + 7),
)
"""Values of a kind that nothing of ours says."""
payloads = st.fixed_dictionaries(
    {
        "iban": secrets,
        "order": st.sampled_from(["881", 881, None]),
        "people": st.lists(st.fixed_dictionaries({"mail": secrets, "n": st.integers(0, 9)}), max_size=4),
        "account": st.dictionaries(st.sampled_from(["name", "pin", "q"]), secrets, max_size=3),
    }
)
MASK = ("/iban", "/people/*/mail", "/account")


def words_of(payload: dict[str, Json]) -> list[str]:
    held = [payload["iban"], *(each["mail"] for each in payload["people"]), *payload["account"].values()]
    return [str(value) for value in held]


def decided(record: ActionRecord, said: str) -> ActionRecord:
    return replace(
        record,
        status=Status.REJECTED,
        decided_at=later(60),
        decided_by="ana",
        decision_note=said,
        rejection=Rejection(category="other", comment=said),
        outcome=Outcome(result=Result.UNKNOWN, at=later(90), reporter="agt_1", detail=said),
    )


def records(payload: dict[str, Json]) -> Iterator[ActionRecord]:
    """The same request waiting, edited and decided, with every masked value in every text there is."""
    said = f"see {', '.join(words_of(payload))}"
    first = submitted(
        proposal_=proposal(
            payload=payload,
            summary=f"Pay {said}",
            rationale=said,
            labels={"x": said},
            evidence=(Evidence(label=said, value=said, url=f"https://e.example/{payload['iban']}"),),
            context=Context(
                workflow=said,
                run_id=said,
                step=said,
                trigger=said,
                original_request=said,
                model_name=said,
                prompt_version=said,
                sources=(Source(id=said, title=said, url=said, fetched_at=said),),
                policy_flags=(said,),
                upstream=(Upstream(agent=said, step=said, summary=said),),
            ),
            payload_schema={"properties": {"iban": {"enum": [payload["iban"]]}}},
        ),
        verdict_=verdict(
            mask=MASK, trigger=said, reason=said, plan_=plan(evidence=(Evidence(label="Of", value=said),))
        ),
    ).record
    yield first
    again = replace(
        first.version,
        number=2,
        payload={**payload, "iban": "QQQQQQ", "order": said},
        editor="bo",
        comment=said,
    )
    vote = Vote(person="ana", choice=Choice.APPROVE, version=2, at=later(30), comment=said)
    edited = replace(
        first,
        versions=(first.version, again),
        votes=(vote,),
        reassignments=(Reassignment(by="ana", to=("cho",), reason=said, at=later(20)),),
    )
    yield edited
    yield decided(edited, said)


def view_of(record: ActionRecord, *, whole: bool = False) -> ActionView:
    return action_view(
        record, directory=PEOPLE, slack_ids={}, like_it=NOBODY_LIKE_IT, redeemed=None, now=NOW, whole=whole
    )


def surfaces(record: ActionRecord) -> Iterator[tuple[str, Any]]:
    """Everything that is made of a record for people."""
    view = view_of(record)
    for name, text, blocks in messages(view):
        yield name, [text, blocks]
    yield from modals(view)
    found = story(record, trail=(), grants=(), numbers={})
    for page in range(3):
        state = replace(state_of(view), page=page)
        yield f"history {page}", history_modal(chapters(found), state, hides=True)
    told = brief(view, record, PEOPLE, payload_limit=20_000)
    yield "e-mail and pager", [told.headline, *((part.title, part.lines) for part in told.parts)]


def as_read(shown: Any) -> str:
    """All of it as one text, with what keeps addresses from being links taken out again."""
    return re.sub(r"\[([.@:])\]", r"\1", json.dumps(shown, ensure_ascii=False))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(payloads)
def test_no_masked_value_is_on_any_surface(payload: dict[str, Json]) -> None:
    for record in records(payload):
        for name, shown in surfaces(record):
            text = as_read(shown).casefold()
            for word in words_of(payload):
                assert word.casefold() not in text, (name, word)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(payloads)
def test_the_same_surfaces_tell_all_of_it_where_nothing_is_masked(payload: dict[str, Json]) -> None:
    """Or the test above would see nothing either."""
    record = next(records(payload))
    bare = replace(record, verdict=replace(record.verdict, mask=None))
    shown = {name: as_read(found) for name, found in surfaces(bare)}
    for name in ("card", "direct-asked", "details-0", "edit", "history 0", "e-mail and pager"):
        assert words_of(payload)[0] in shown[name], name


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(payloads)
def test_an_untouched_masked_place_keeps_its_value(payload: dict[str, Json]) -> None:
    view = view_of(next(records(payload)))
    untouched = {
        block["block_id"]: {"value": block["element"]} for block in inputs(edit_modal(view, state_of(view)))
    }
    asked = {
        key: {ids.FIELD_VALUE: {"value": held["value"].get("initial_value")}}
        for key, held in untouched.items()
    }
    assert read_fields(view, asked) == Edited(payload=payload, changed=())
    asked["field:/order"] = {ids.FIELD_VALUE: {"value": "882"}}
    read = read_fields(view, asked)
    assert isinstance(read, Edited)
    assert read.payload["iban"] == payload["iban"]
    assert read.payload["people"] == payload["people"]


def inputs(modal: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        block
        for block in modal["blocks"]
        if block["type"] == "input" and block["block_id"].startswith("field:")
    ]


SECRET = "DE89370400440532013000"
ORDINARY = submitted(
    proposal_=proposal(payload={"iban": SECRET, "order": "881"}, summary=f"Refund to {SECRET}"),
    verdict_=verdict(mask=("/iban",)),
).record


def test_what_is_typed_takes_the_place_of_a_masked_value() -> None:
    view = view_of(ORDINARY)
    field = next(each for each in form(view).fields if each.pointer == "/iban")
    assert (field.initial, field.block_id) == (None, "field:/iban")
    read = read_fields(view, {"field:/iban": {ids.FIELD_VALUE: {"value": "FR76"}}})
    assert read == Edited(payload={"iban": "FR76", "order": "881"}, changed=("/iban",))


def test_the_card_says_what_is_masked_and_offers_it() -> None:
    made = json.dumps(card(view_of(ORDINARY)).blocks, ensure_ascii=False)
    assert f"iban   {MARK}" in made
    assert "Policy masks 1 value here" in made
    assert "exactly this, but for 1 masked value:" in made
    assert '"action_id": "unmask"' in made
    assert '"unmask"' not in json.dumps(card(view_of(decided(ORDINARY, ""))).blocks), "it has no buttons"


def test_a_value_that_is_masked_does_not_count_for_the_length_of_a_card() -> None:
    long = {"text": "secret line\n" * 2_000, "order": "881"}
    record = submitted(proposal_=proposal(payload=long), verdict_=verdict(mask=("/text",))).record
    assert not needs_full_view(view_of(record))
    assert needs_full_view(view_of(record, whole=True))


def test_a_reviewer_who_asked_for_it_sees_all_of_it() -> None:
    view = view_of(ORDINARY, whole=True)
    shown = json.dumps(unmasked_modal(view, state_of(view)), ensure_ascii=False)
    assert SECRET in shown
    assert "It is on the record" in shown
    assert MARK not in shown
    assert '"unmask"' not in shown, "there is nothing more to show"


def test_masked_surfaces_are_within_the_limits() -> None:
    for record in records({"iban": SECRET, "order": None, "people": [], "account": {}}):
        view = view_of(record)
        people, links = people_of(view), frozenset({LINK})
        for name, text, blocks in messages(view):
            assert message_faults(text, blocks, people=people, links=links) == [], name
        for name, shown in modals(view):
            assert view_faults(shown, people=people, links=links) == [], name
        assert view_faults(unmasked_modal(view_of(record, whole=True), state_of(view)), people=people) == []
