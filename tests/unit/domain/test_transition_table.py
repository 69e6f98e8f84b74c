"""The table of transitions, the audit kinds and docs/state_machine.md say the same."""

from __future__ import annotations

import re
from pathlib import Path

from gate.domain.audit import KINDS
from gate.domain.request import GrantState, Status
from gate.domain.transitions import GRANT_TABLE, TABLE

PAGE = Path(__file__).parents[3] / "docs" / "state_machine.md"


def test_the_page_lists_every_legal_move_and_no_other():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (\S+) \| `(\w+)` \| (\w+) \|$", PAGE.read_text(), re.M)
    told = {(kind, source.strip("`").replace("–", ""), target, by) for kind, source, target, by in rows}
    real = {(t.kind, t.source.value if t.source else "", t.target.value, t.by) for t in TABLE}
    assert told == real


def test_the_page_explains_every_status():
    told = set(re.findall(r"^\| `(\w+)` \| [a-z]", PAGE.read_text(), re.M))
    assert {s.value for s in Status} <= told


def test_nothing_leaves_a_terminal_state():
    """INV-01"""
    assert all(t.source is t.target for t in TABLE if t.source is not None and t.source.terminal)


def test_every_transition_has_its_audit_kind():
    """INV-44"""
    assert {t.kind for t in TABLE} <= set(KINDS)


def test_a_used_grant_never_moves_again():
    """INV-19"""
    assert all(GRANT_TABLE[s] == frozenset() for s in GrantState if s is not GrantState.ISSUED)
