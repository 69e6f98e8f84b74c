"""Names that travel through Slack: what was encoded is read back, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import ids
from tests.fakes.views import ACTION

STATE = ids.ModalState(
    action_id=ACTION, version=3, channel="C0APPROVALS", message_ts="1762955040.000100", page=2
)
_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_a_buttons_value_reads_back() -> None:
    assert ids.card_value(ACTION, 2) == f"{ACTION}:2"
    assert ids.parse_card_value(ids.card_value(ACTION, 2)) == (ACTION, 2)


@pytest.mark.parametrize(
    "forged",
    [
        None,
        7,
        "",
        ":",
        "act_:1",
        f"{ACTION}",
        f"{ACTION}:",
        f"{ACTION}:0",
        f"{ACTION}:-1",
        f"{ACTION}:01",
        f"{ACTION}:1.0",
        f"{ACTION}:²",
        f"{ACTION}:١",
        f"{ACTION}:9999999999",
        f"{ACTION}:1\n",
        f" {ACTION}:1",
        f"{ACTION}:1:2",
        "act_../../x:1",
        "grt_01jcg:1",
        ["a"],
    ],
    ids=repr,
)
def test_threat_5_a_forged_value_is_none(forged: object) -> None:
    assert ids.parse_card_value(forged) is None


@given(_junk)
def test_threat_5_junk_is_none_everywhere(junk: object) -> None:
    assert ids.parse_card_value(junk) is None
    assert ids.parse_card_metadata(junk) is None
    assert ids.ModalState.decode(junk) is None
    assert ids.ModalState.decode(json.dumps(junk)) is None


def test_a_modals_state_reads_back() -> None:
    assert ids.ModalState.decode(STATE.encode()) == STATE
    from_home = ids.ModalState(action_id=ACTION, version=1)
    assert ids.ModalState.decode(from_home.encode()) == from_home
    assert len(STATE.encode()) <= ids.MAX_PRIVATE_METADATA


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action_id", "act_<!channel>"),
        ("action_id", None),
        ("version", 0),
        ("version", True),
        ("version", "1"),
        ("version", 1.0),
        ("page", -1),
        ("page", 10_000),
        ("channel", "general"),
        ("channel", 7),
        ("message_ts", "now"),
        ("extra", 1),
    ],
    ids=repr,
)
def test_threat_5_a_state_with_one_wrong_part_is_none(name: str, value: object) -> None:
    raw = {**json.loads(STATE.encode()), name: value}
    assert ids.ModalState.decode(json.dumps(raw)) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 5_000, "x" * 3_001, '{"action_id": "a"}'], ids=lambda t: t[:10]
)
def test_threat_5_a_text_that_is_no_state_is_none(text: str) -> None:
    assert ids.ModalState.decode(text) is None


@pytest.mark.parametrize(
    ("value", "page"), [("0", 0), ("41", 41), ("-1", None), ("1e3", None), ("٣", None), (3, None)]
)
def test_a_paging_button_leads_to_a_page_or_nowhere(value: object, page: int | None) -> None:
    assert ids.parse_page(value) == page


def test_a_card_is_found_again_by_its_metadata() -> None:
    assert ids.parse_card_metadata(ids.card_metadata(ACTION)) == ACTION
    other = {"event_type": "something_else", "event_payload": {"action_id": ACTION}}
    assert ids.parse_card_metadata(other) is None
