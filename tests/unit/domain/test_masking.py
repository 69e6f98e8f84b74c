"""What policy masks: its places in a payload, and its values wherever else they stand; nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gate.domain.action import Context, Evidence
from gate.domain.editing import edit
from gate.domain.masking import MARK, Masked, is_masked, masked, masked_text, places, spelled, unmasked
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from tests.fakes.records import directory, later, proposal, submitted, verdict

IBAN = "DE89370400440532013000"


def record(
    payload: dict[str, Any], mask: tuple[str, ...] | None, /, *, trigger: str = "", **said: Any
) -> ActionRecord:
    return submitted(
        proposal_=proposal(payload=payload, **said), verdict_=verdict(mask=mask, trigger=trigger)
    ).record


def shown(payload: dict[str, Any], *mask: str, **said: Any) -> Any:
    return spelled(masked(record(payload, mask, **said)).version.payload)


@pytest.mark.parametrize(
    ("payload", "mask", "expected"),
    [
        pytest.param({"iban": IBAN, "n": 1}, ("/iban",), {"iban": MARK, "n": 1}, id="a member"),
        pytest.param({"a": {"b": {"c": "x"}}}, ("/a/b",), {"a": {"b": MARK}}, id="all below it"),
        pytest.param({"a": ["x", "y"]}, ("/a/1",), {"a": ["x", MARK]}, id="an item"),
        pytest.param(
            {"to": [{"mail": "q", "n": 1}, {"n": 2}]},
            ("/to/*/mail",),
            {"to": [{"mail": MARK, "n": 1}, {"n": 2}]},
            id="every item",
        ),
        pytest.param({"a": {"k": 1, "l": 2}}, ("/a/*",), {"a": {"k": MARK, "l": MARK}}, id="every member"),
        pytest.param({"a/b": 1, "m~n": 2}, ("/a~1b", "/m~0n"), {"a/b": MARK, "m~n": MARK}, id="escaped"),
        pytest.param({"a": 1, "b": [1]}, ("",), {"a": MARK, "b": MARK}, id="the whole payload"),
        pytest.param({"a": None, "b": True}, ("/a", "/b"), {"a": MARK, "b": MARK}, id="null and true"),
        pytest.param({"a": 1}, ("/b", "/a/c", "/a/0"), {"a": 1}, id="nothing is there"),
        pytest.param(
            {"iban": IBAN, "note": f"pay {IBAN} now"},
            ("/iban",),
            {"iban": MARK, "note": MARK},
            id="repeated in another text, which is not shown then, for half of it would not be exact",
        ),
        pytest.param(
            {"iban": IBAN, IBAN: 5, "x": {IBAN.lower(): 6}},
            ("/iban",),
            {"iban": MARK, MARK: MARK, "x": {MARK: MARK}},
            id="repeated in a key",
        ),
        pytest.param(
            {"pin": 998877, "id": 998877}, ("/pin",), {"pin": MARK, "id": MARK}, id="a number again"
        ),
        pytest.param({"pin": "1234", "id": "1234"}, ("/pin",), {"pin": MARK, "id": "1234"}, id="too short"),
    ],
)
def test_places_are_masked_with_all_below_them(
    payload: dict[str, Any], mask: tuple[str, ...], expected: dict[str, Any]
) -> None:
    of = record(payload, mask)
    found = masked(of)
    assert spelled(found.version.payload) == expected
    assert unmasked(found.version.payload) == payload, "nothing may be lost by it"
    assert list(unmasked(found.version.payload)) == list(payload)
    assert of.version.payload == payload, "the record itself stays as it is"


def test_without_a_mask_a_record_is_itself() -> None:
    of = record({"iban": IBAN}, None, summary=f"Pay {IBAN}")
    assert masked(of) is of
    assert masked_text(of, IBAN) == IBAN


def test_texts_lose_the_values_that_are_masked() -> None:
    of = record(
        {"iban": IBAN, "card": {"number": 4111111111111111, "pin": 42}},
        ("/iban", "/card"),
        summary=f"Pay to {IBAN.lower()} of card 4,111,111,111,111,111",
        rationale=f"They wrote {IBAN}, {IBAN} and 42",
        evidence=(Evidence(label=f"Bank {IBAN}", value=IBAN, url=f"https://bank.example/{IBAN}"),),
        labels={IBAN: IBAN},
        context=Context(original_request=IBAN, policy_flags=(IBAN,), workflow=f"w-{IBAN}"),
        trigger=f"payload.iban is {IBAN}",
        payload_schema={"properties": {"iban": {"enum": [IBAN]}}},
    )
    found = masked(of)
    assert found.proposal.summary == f"Pay to {MARK} of card {MARK}"
    assert found.proposal.rationale == f"They wrote {MARK}, {MARK} and 42"
    assert IBAN.casefold() not in repr(replace(found, id="")).casefold()
    assert "4111111111111111" not in repr(found)


def test_a_reason_that_quotes_is_shown_only_so_far() -> None:
    """The host of a masked address is no value that could be found word by word."""
    of = submitted(
        proposal_=proposal(payload={"url": "https://kim.example/x"}),
        verdict_=verdict(
            mask=("/url",),
            reason="Outside the constraints of rule 'r': the host kim.example is not on the list",
            trigger="the host kim.example is not on the list",
        ),
    ).record
    found = masked(of).verdict
    assert found.reason == f"Outside the constraints of rule 'r': {MARK}"
    assert found.trigger == MARK
    assert masked_text(of, of.verdict.reason) == found.reason


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [("/a", True), ("/a/b", True), ("/to/3/mail", True), ("/to/3", False), ("/b", False), ("", False)],
)
def test_places_are_known_by_their_pointer(pointer: str, expected: bool) -> None:
    assert is_masked(record({}, ("/a", "/to/*/mail")), pointer) is expected


def test_letters_that_fold_into_others_hide_nothing() -> None:
    of = record({"name": "Straße 17 Süd"}, ("/name",), summary="Send it to STRASSE 17 SÜD please")
    assert masked(of).proposal.summary == MARK


def test_an_edit_unmasks_nothing_and_what_it_changes_is_masked_too() -> None:
    """The changed payload may be of no kind that policy masks, and the old one is still shown beside it."""
    of = record({"iban": IBAN, "amount": 5}, ("/iban",))
    changed = edit(
        of,
        person="ana",
        version=1,
        payload={"iban": "FR7630006000011234567890189", "amount": 5, "old": f"was {IBAN}"},
        payload_sha256="b" * 64,
        verdict=verdict(mask=("/amount",)),
        comment=f"not {IBAN}",
        directory=directory(),
        now=later(60),
    )
    assert isinstance(changed, Change)
    assert changed.record.verdict.mask == ("/iban", "/amount")
    found = masked(changed.record)
    assert IBAN not in repr(found)
    assert "FR76" not in repr(found)
    assert found.versions[0].payload["iban"] != found.versions[1].payload["iban"], "that it changed is seen"
    assert found.versions[0].payload["amount"] == found.versions[1].payload["amount"]


def test_a_masked_value_says_nothing_about_itself() -> None:
    one = Masked(IBAN)
    assert (str(one), repr(one), f"{one}") == (MARK, MARK, MARK)
    assert one == Masked(IBAN) != Masked(IBAN[:-1])
    assert Masked(1) != Masked(True) != Masked(1.0)
    assert places({"a": [one, {"b": one}], "c": 1}) == 2
