"""No clock of a request stops or is moved but by what the record says: there is no pause that nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from gate.domain.care import Care
from gate.domain.editing import edit
from gate.domain.handing_on import reassign
from gate.domain.joining import join
from gate.domain.rebalancing import rebalance
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, DeadlineKind, Status
from gate.domain.risk import Risk
from gate.domain.routing import Load
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import OnTimeout
from gate.domain.voting import approve
from tests.fakes.records import REPAGE, directory, later, pending, plan, verdict

NOW = later(60)
TIRED = Load(cooling_until=NOW + timedelta(hours=1))
MOVES: dict[str, Callable[[ActionRecord], Change | Refused]] = {
    "vote": lambda r: approve(r, person="ana", version=1, comment=None, directory=directory(), now=NOW),
    "edit": lambda r: edit(
        r,
        person="ana",
        version=1,
        payload={"amount": 1},
        payload_sha256="b" * 64,
        verdict=verdict(risk=Risk.CRITICAL),
        comment=None,
        directory=directory(),
        now=NOW,
    ),
    "reassign": lambda r: reassign(r, person="ana", to=("dee",), reason="x", directory=directory(), now=NOW),
    "join": lambda r: join(r, now=NOW),
    "rebalance": lambda r: rebalance(
        r,
        person="ana",
        directory=directory(),
        care=Care(rebalance=True, cooldown_after=3),
        loads=dict.fromkeys(r.asked, TIRED),
        now=NOW,
    ),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_nothing_that_is_done_to_a_request_gives_it_more_time(
    move: Callable[[ActionRecord], Change | Refused],
):
    """INV-32: the SLA and the armed deadline stay what they were, whoever does what."""
    record = pending(verdict_=verdict(plan_=plan(quorum=2)))
    change = move(record)
    assert isinstance(change, Change), change
    assert change.record.status is Status.PENDING
    assert change.record.sla_at == record.sla_at
    assert change.record.deadline == record.deadline


def test_what_waits_past_its_time_says_so_on_the_record():
    """INV-32: only `hold` stops a clock, when the SLA has come; the breach says it, and pages go on meanwhile."""
    record = pending(
        verdict_=verdict(risk=Risk.CRITICAL, plan_=plan(quorum=2, ladder=(), on_timeout=OnTimeout.HOLD))
    )
    assert record.deadline is not None
    now = record.deadline.due_at + timedelta(seconds=5)
    change = fire(record, seq=record.deadline.seq, now=now, directory=directory(), repage_sec=REPAGE)
    assert isinstance(change, Change)
    assert change.record.held
    assert change.record.sla_at == record.sla_at
    assert (change.audit.kind, change.audit.detail["on_timeout"]) == ("approval.sla_breach", "hold")
    assert change.record.deadline is not None
    assert change.record.deadline.kind is DeadlineKind.REPAGE
    assert change.record.deadline.due_at == now + timedelta(seconds=REPAGE)
