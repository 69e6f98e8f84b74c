"""`gate report`: how the queue and its reviewers do, as `/gate report` tells it, with nobody left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

import typer

from gate.cli.output import say, show, table
from gate.cli.session import at_desk, explained, settings
from gate.domain.audit import timestamp
from gate.domain.backlog import Span
from gate.domain.completeness import Completeness
from gate.policy.durations import say_duration
from gate.usecases.ports import Rules
from gate.usecases.report import report as read_report
from gate.usecases.reports import ReportView, ReviewerLine
from gate.wiring.desk import Desk
from gate.workers.reload import PolicyFiles


@dataclass(frozen=True, slots=True)
class _FromFiles:
    """The rules as the files say them now: targets, breaks and names."""

    current: Rules


def report(
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """What waits, how the last day, week and month went, and how people review."""
    chosen = settings(as_json=as_json)
    with explained(as_json=as_json):
        loaded = PolicyFiles(chosen.policies, chosen.people).load()
    rules = _FromFiles(Rules(policy=loaded.policy, directory=loaded.directory))

    async def read(desk: Desk) -> ReportView:
        return await read_report(replace(desk.deps, rules=rules), None)

    found = at_desk(read, as_json=as_json)
    if as_json:
        show(_document(found))
    else:
        _print(found)


def _document(found: ReportView) -> dict[str, Any]:
    return {
        "at": timestamp(found.now),
        "waiting": [
            {
                "risk": each.risk.value,
                "count": each.count,
                "oldest_at": timestamp(each.oldest_at),
                "overdue": each.overdue,
                "held": each.held,
            }
            for each in found.waiting
        ],
        "spans": [_span(each) for each in found.spans],
        "targets": {
            "median_wait_sec": found.care.target_median_wait_sec,
            "p95_wait_sec": found.care.target_p95_wait_sec,
        },
        "reviewers": [_reviewer(each) for each in found.others],
        "complete": found.complete,
        "record": {
            "decided": found.record.decided,
            "complete": found.record.complete,
            "share": found.record.share,
            "missing": dict(found.record.lacking),
        },
    }


def _span(each: Span) -> dict[str, Any]:
    figures = {key: value for key, value in asdict(each).items() if key != "length"}
    return {"last_sec": int(each.length.total_seconds()), **figures, "decided": each.decided}


def _reviewer(line: ReviewerLine) -> dict[str, Any]:
    figures = asdict(line.figures)
    person = figures.pop("person")
    signals = ["rubber_stamp"] if line.figures.rubber_stamp else []
    until = None if line.resting_until is None else timestamp(line.resting_until)
    return {"person": person, "name": line.person.name, **figures, "resting_until": until, "signals": signals}


def _print(found: ReportView) -> None:
    rows: list[dict[str, Any]] = [
        {
            "waiting now": each.risk.value,
            "requests": each.count,
            "oldest": _long(int((found.now - each.oldest_at).total_seconds())),
            "overdue": each.overdue or None,
            "held": each.held or None,
        }
        for each in found.waiting
    ]
    table(("waiting now", "requests", "oldest", "overdue", "held"), rows, empty="Nothing waits for anybody.")
    say("")
    columns = [_column(each, found) for each in found.spans]
    heads = [column["requests of the last"] for column in columns]
    lines = [
        {
            "requests of the last": name,
            **{head: column[name] for head, column in zip(heads, columns, strict=True)},
        }
        for name in _FIGURES
    ]
    table(("requests of the last", *heads), lines, empty="")
    if not all(each.complete for each in found.spans):
        say("* the newest only: there were too many to read them all")
    say("")
    table(
        (
            "reviewer, 30 days",
            "votes",
            "approved",
            "edited",
            "comments",
            "median",
            "p90",
            "blind",
            "signal",
        ),
        [_person(each) for each in found.others],
        empty="Nobody has decided anything in the last 30 days.",
    )
    say("")
    say(_completeness(found.record))
    if not found.complete:
        say("There were too many votes to read them all; the newest stand for the rest.")


def _completeness(record: Completeness) -> str:
    if record.share is None:
        return "Nothing was decided in the last 30 days, so no record is complete or incomplete."
    words = f"Record: {record.complete} of the last {record.decided} decisions complete ({record.share:.0%})"
    most = ", ".join(f"{name} {count} times" for name, count in record.lacking[:5])
    return words + (f"; missing: {most}" if most else "")


_FIGURES = (
    "asked",
    "approved",
    "rejected",
    "waiting",
    "expired",
    "by timer",
    "emergency",
    "cancelled",
    "joined",
    "breached",
    "escalations",
    "median",
    "p95",
)


def _column(each: Span, found: ReportView) -> dict[str, Any]:
    care = found.care
    return {
        "requests of the last": _length(each.length) + ("" if each.complete else " *"),
        "by timer": each.timeout_allowed,
        "median": _wait(each.median_wait_sec, care.target_median_wait_sec),
        "p95": _wait(each.p95_wait_sec, care.target_p95_wait_sec),
        **{name: getattr(each, name) for name in _FIGURES if hasattr(each, name)},
    }


def _person(line: ReviewerLine) -> dict[str, Any]:
    figures = line.figures
    return {
        "reviewer, 30 days": f"{line.person.name} ({line.person.id})",
        "votes": figures.decisions,
        "approved": figures.approved,
        "edited": figures.corrected or None,
        "comments": figures.commented or None,
        "median": _long(figures.median_sec),
        "p90": _long(figures.p90_sec),
        "blind": f"{figures.disagreed} of {figures.second_reviews} differ"
        if figures.second_reviews
        else None,
        "signal": "faster than a card is read" if figures.rubber_stamp else None,
    }


def _length(length: timedelta) -> str:
    return "24 hours" if length == timedelta(days=1) else f"{length.days} days"


def _wait(seconds: int | None, target: int | None) -> str | None:
    if seconds is None or target is None:
        return _long(seconds)
    return f"{_long(seconds)} ({'over' if seconds > target else 'within'} {_long(target)})"


def _long(seconds: int | None) -> str | None:
    return None if seconds is None else say_duration(seconds)
