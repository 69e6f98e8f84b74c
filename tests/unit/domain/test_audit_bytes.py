"""The canonical bytes of a record: what the standard encoder and RFC 8785 make of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.audit import AuditRecord, canonical_bytes, timestamp

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
_SAFE = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
_KEYS = st.text(st.characters(max_codepoint=127, exclude_categories=("Cs",)), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | _SAFE | st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=6), st.text(st.characters(exclude_categories=("Cs",))))
def test_they_are_the_one_form_of_the_record(detail: dict[str, object], actor: str):
    record = AuditRecord(kind="approval.vote", actor=actor, at=AT, action=None, detail=detail)
    body = {
        "action": None,
        "actor": actor,
        "at": timestamp(AT),
        "detail": detail,
        "kind": "approval.vote",
        "v": 1,
    }
    assert canonical_bytes(record) == rfc8785.dumps(body)
    assert json.loads(canonical_bytes(record)) == body


@pytest.mark.parametrize("value", [1.5, float("nan"), {1, 2}, b"x"])
def test_what_has_no_one_form_is_refused(value: object):
    record = AuditRecord(kind="k", actor="policy", at=AT, action="act_1", detail={"value": value})
    with pytest.raises((TypeError, ValueError)):
        canonical_bytes(record)
