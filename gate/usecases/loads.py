"""Read what reviewers have to do and whether they need a break; only as far as the policy in force looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gate.domain import fatigue
from gate.domain.care import Care
from gate.domain.eligibility import risk_of
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.routing import NO_LOADS, Load, candidates
from gate.domain.verdict import Verdict
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import First

CAP = 200
"""Open requests of one person counted; whoever has more is taken for as busy as anybody with so many."""


def looked_at(care: Care) -> bool:
    """Whether who is asked depends on what waits for people already."""
    return care.rebalance or care.max_open is not None


async def loads_of(tx: Transaction, people: Sequence[str], care: Care) -> Mapping[str, Load]:
    """The loads of these people; nothing is read, and nothing known, where `care` does not look at it."""
    if not people:
        return NO_LOADS
    found: dict[str, Load] = {}
    if looked_at(care):
        cap = max(care.max_open or 0, CAP) if care.rebalance else care.max_open or CAP
        found |= await tx.asks.loads(people, cap=cap)
    if care.cooldown_after is not None:
        approvals = await tx.asks.approvals_of(people, limit=care.cooldown_after)
        for person, times in approvals.items():
            until = fatigue.cooling_until(times, care)
            if until is not None:
                found[person] = replace(found.get(person, Load()), cooling_until=until)
    return found


async def loads_for(
    tx: Transaction, verdict: Verdict, directory: Directory, care: Care
) -> Mapping[str, Load]:
    """The loads of everybody whom the plan of a verdict may ask first."""
    if verdict.plan is None:
        return NO_LOADS
    return await loads_of(tx, candidates(verdict.plan, directory, verdict.effective.risk), care)


async def loads_around(
    tx: Transaction, record: ActionRecord, directory: Directory, care: Care
) -> Mapping[str, Load]:
    """The loads of everybody who was or may be asked for a pending request."""
    if record.plan is None:
        return NO_LOADS
    people = (*candidates(record.plan, directory, risk_of(record)), *record.asked)
    return await loads_of(tx, tuple(dict.fromkeys(people)), care)


def one_at_a_time(deps: Deps, person: str) -> First | None:
    """What an approval locks: of two at once by one person, the second counts the first (`resting`). None where
    nothing is counted."""
    if deps.rules.current.policy.care.cooldown_after is None:
        return None

    async def first(tx: Transaction) -> None:
        await tx.asks.alone(person)

    return first


async def resting(tx: Transaction, person: str, care: Care, now: datetime) -> Refused | None:
    """Why this person should take a break instead of approving one more; None where they need none."""
    if care.cooldown_after is None:
        return None
    approvals = await tx.asks.approvals_of((person,), limit=care.cooldown_after)
    return fatigue.resting(approvals[person], care, now)
