"""How the queue and its reviewers do: read in one transaction, bounded, and shown to whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gate.domain.backlog import SPANS, span
from gate.domain.completeness import DEFAULT, completeness
from gate.domain.fatigue import cooling_until
from gate.domain.reviewing import LOOK_BACK, Reviewer, reviewers, sees_everybody
from gate.usecases.ports import ActionFilter, Deps, Rules, Transaction
from gate.usecases.reports import ReportView, ReviewerLine
from gate.usecases.slack_ids import slack_ids_of
from gate.usecases.viewing import person_ref

MOST_ROWS = 20_000
"""Requests and votes read at most, the newest first; up to there every figure is exact."""


COMPLETENESS_OF = 500
"""Actions whose record is looked at for what is missing, the newest of the last 30 days."""


async def report(deps: Deps, person_id: str | None) -> ReportView:
    """The report as this person may see it. None is an operator at the command line, who sees all of it."""
    rules, now = deps.rules.current, deps.clock.now()
    glass = rules.policy.break_glass
    async with deps.store.reading() as tx:
        waiting = await tx.figures.waiting(now)
        asked = await tx.figures.asked(now - SPANS[-1], limit=MOST_ROWS)
        sees_all = person_id is None or sees_everybody(
            person_id, glass.supervisors if glass is not None else (), rules.directory, now
        )
        given = await tx.figures.given(
            now - LOOK_BACK, person=None if sees_all else person_id, limit=MOST_ROWS
        )
        found = reviewers(given)
        own = next((each for each in found if each.person == person_id), None)
        shown = [own or Reviewer(person=person_id)] if person_id is not None else []
        shown += [each for each in found if sees_all and each.person != person_id]
        lines = await _lines(tx, shown, rules, now)
        newest = await tx.actions.page(
            ActionFilter(since=now - LOOK_BACK), cursor=None, limit=COMPLETENESS_OF
        )
    oldest = min((each.at for each in asked), default=now) if len(asked) >= MOST_ROWS else None
    return ReportView(
        now=now,
        waiting=waiting,
        spans=tuple(
            span(length, asked, now, complete=oldest is None or oldest <= now - length) for length in SPANS
        ),
        care=rules.policy.care,
        mine=lines[0] if person_id is not None else None,
        others=lines if person_id is None else lines[1:],
        all_shown=sees_all,
        complete=len(given) < MOST_ROWS,
        record=completeness(rules.policy.contract or DEFAULT, newest.items),
    )


async def own_line(deps: Deps, person_id: str) -> ReviewerLine:
    """One person's own figures, for their Home."""
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        given = await tx.figures.given(now - LOOK_BACK, person=person_id, limit=MOST_ROWS)
        found = reviewers(given) or (Reviewer(person=person_id),)
        return (await _lines(tx, found, deps.rules.current, now))[0]


async def _lines(
    tx: Transaction, found: Sequence[Reviewer], rules: Rules, now: datetime
) -> tuple[ReviewerLine, ...]:
    people = [each.person for each in found]
    slack_ids = await slack_ids_of(tx, rules.directory, people)
    care, rests = rules.policy.care, dict[str, datetime]()
    if care.cooldown_after is not None:
        for person, times in (await tx.asks.approvals_of(people, limit=care.cooldown_after)).items():
            until = cooling_until(times, care)
            if until is not None and until > now:
                rests[person] = until
    return tuple(
        ReviewerLine(
            person=person_ref(each.person, rules.directory, slack_ids),
            figures=each,
            resting_until=rests.get(each.person),
        )
        for each in found
    )
