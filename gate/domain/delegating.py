"""Lending one's authority and taking it back: what is refused, and the audit record of what is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from gate.domain.action import Json
from gate.domain.audit import AuditRecord, timestamp
from gate.domain.delegation import LONGEST, Delegation, loop
from gate.domain.people import Directory
from gate.domain.refusal import FieldProblem, Refused

MOST_OPEN = 20
"""Delegations of one grantor in force or to come."""
MOST_TOPICS = 20
_GLOB = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")
_LONGEST_GLOB = 200
_LONGEST_REASON = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Lent:
    """A delegation as it is to be stored, and its one audit record."""

    delegation: Delegation
    audit: AuditRecord


def grant(
    wanted: Delegation, *, directory: Directory, others: Iterable[Delegation], now: datetime
) -> Lent | Refused:
    """Lend as asked. `others` are all delegations in force or to come. Problems point at the fields `/to`,
    `/topics`, `/groups`, `/from`, `/until` and `/reason`. A start that has passed means now."""
    wanted = replace(wanted, start=max(wanted.start, now), created_at=now, reason=wanted.reason.strip())
    others = tuple(others)
    refused = (
        _people(wanted, directory, others)
        or _scope(wanted, directory)
        or _time(wanted, now)
        or _reason(wanted)
        or _circle(wanted, others)
    )
    if refused is not None:
        return refused
    detail: dict[str, Json] = {
        "delegation": wanted.id,
        "grantor": wanted.grantor,
        "delegate": wanted.delegate,
        "topics": list(wanted.topics),
        "groups": list(wanted.groups),
        "start": timestamp(wanted.start),
        "end": timestamp(wanted.end),
    }
    audit = AuditRecord(kind="delegation.granted", actor=f"person:{wanted.grantor}", at=now, detail=detail)
    return Lent(delegation=wanted, audit=audit)


def revoke(delegation: Delegation, *, person: str, now: datetime) -> Lent | Refused:
    """Take it back (the grantor) or give it back (the delegate); nobody else can, and it happens once."""
    if person not in (delegation.grantor, delegation.delegate):
        return Refused(
            code="not_yours", sentence="Only the two people of a delegation can end it before its time."
        )
    if not delegation.open(now):
        return Refused(code="delegation_ended", sentence="This delegation has ended already.")
    ended = replace(delegation, revoked_at=now, revoked_by=person)
    audit = AuditRecord(
        kind="delegation.revoked",
        actor=f"person:{person}",
        at=now,
        detail={
            "delegation": ended.id,
            "grantor": ended.grantor,
            "delegate": ended.delegate,
            "given_back": person == ended.delegate,
        },
    )
    return Lent(delegation=ended, audit=audit)


def refused_at(pointer: str, code: str, sentence: str) -> Refused:
    """A refusal that is about one field."""
    return Refused(
        code=code,
        sentence=sentence,
        problems=(FieldProblem(pointer=pointer, code=code, detail=sentence),),
    )


def _people(wanted: Delegation, directory: Directory, others: tuple[Delegation, ...]) -> Refused | None:
    grantor = directory.people.get(wanted.grantor)
    if grantor is None or not grantor.active:
        return Refused(code="inactive_person", sentence="You are not an active reviewer in this workspace.")
    delegate = directory.people.get(wanted.delegate)
    if delegate is None or not delegate.active:
        return refused_at("/to", "unknown_person", "That person is not an active reviewer; choose another.")
    if wanted.delegate == wanted.grantor:
        return refused_at("/to", "self_delegation", "You decide in your own right; choose somebody else.")
    if sum(d.grantor == wanted.grantor and d.revoked_at is None for d in others) >= MOST_OPEN:
        return refused_at(
            "/to", "too_many", f"You have {MOST_OPEN} delegations already; end one of them in Home first."
        )
    return None


def _scope(wanted: Delegation, directory: Directory) -> Refused | None:
    if len(wanted.topics) > MOST_TOPICS:
        return refused_at("/topics", "bad_scope", f"At most {MOST_TOPICS} topics.")
    for glob in wanted.topics:
        if len(glob) > _LONGEST_GLOB or not _GLOB.fullmatch(glob):
            shown = glob[:40] if glob.isascii() and glob.isprintable() else "that"
            return refused_at(
                "/topics", "bad_scope", f"“{shown}” is no topic; write topics like job.deploy.* one a line."
            )
    for name in wanted.groups:
        group = directory.groups.get(name)
        if group is None or wanted.grantor not in group.members:
            return refused_at(
                "/groups", "bad_scope", "You can lend only what you may do: choose groups of yours."
            )
    return None


def _time(wanted: Delegation, now: datetime) -> Refused | None:
    if wanted.end <= now:
        return refused_at("/until", "bad_time", "That is over already; choose a time to come.")
    if wanted.end <= wanted.start:
        return refused_at("/until", "bad_time", "The end has to come after the start.")
    if wanted.end - wanted.start > LONGEST:
        return refused_at(
            "/until", "bad_time", f"At most {LONGEST.days} days; grant another one when this one ends."
        )
    return None


def _reason(wanted: Delegation) -> Refused | None:
    if not wanted.reason:
        return refused_at("/reason", "comment_required", "Say in a few words why.")
    if len(wanted.reason) > _LONGEST_REASON:
        return refused_at("/reason", "comment_required", f"At most {_LONGEST_REASON:,} characters.")
    return None


def _circle(wanted: Delegation, others: tuple[Delegation, ...]) -> Refused | None:
    circle = loop(
        others, grantor=wanted.grantor, delegate=wanted.delegate, start=wanted.start, end=wanted.end
    )
    if not circle:
        return None
    return refused_at(
        "/to",
        "delegation_loop",
        "That person's own authority is lent, directly or through others, to you in that time; "
        "two people who stand in for each other would be nobody.",
    )
