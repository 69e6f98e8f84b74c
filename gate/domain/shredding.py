"""Destroying the content of an action that is over: when it may be done, and what is left. Where it lies is the store's
business."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gate.domain.action import Claims, Context, Proposal
from gate.domain.audit import AuditRecord
from gate.domain.refusal import Refused
from gate.domain.release import collectable
from gate.domain.request import ActionRecord, Status
from gate.domain.verdict import QUOTING, Verdict

SHREDDED = "[shredded]"
"""What stands in place of a text that was there."""


def still_needed(record: ActionRecord, now: datetime) -> Refused | None:
    """None where nobody needs the content any more to decide, execute or review the action; otherwise why it stays."""
    if record.shredded is not None:
        return Refused(code="already_shredded", sentence="Its content is shredded already.")
    if record.status is Status.PENDING:
        return Refused(
            code="not_finished", sentence="It waits for a decision; have it rejected or cancelled first."
        )
    if record.in_review:
        return Refused(code="not_finished", sentence="Its emergency release waits for a supervisor's review.")
    if record.unreported:
        return Refused(code="not_finished", sentence="It was begun, and nobody has said yet what came of it.")
    if collectable(record, now) is None:
        return Refused(
            code="not_finished",
            sentence="It is released and can still be executed; take the release back (gate grants revoke) or wait "
            "until it ends.",
        )
    return None


def emptied(record: ActionRecord) -> ActionRecord:
    """The record without anything an agent or a person said: payloads, proposal, evidence, comments, reasons. Who did
    what when, how it was decided, and the digests stay."""
    rejection, outcome, emergency = record.rejection, record.outcome, record.emergency
    proposal = record.proposal
    if emergency is not None:
        review = emergency.review and replace(emergency.review, comment=SHREDDED)
        emergency = replace(emergency, reason=SHREDDED, review=review)
    return replace(
        record,
        proposal=Proposal(
            topic=proposal.topic,
            tool=proposal.tool,
            environment=proposal.environment,
            audience=proposal.audience,
            payload={},
            summary=SHREDDED,
            claims=Claims(),
            context=Context(),
        ),
        versions=tuple(replace(each, payload={}, comment=_gone(each.comment)) for each in record.versions),
        verdict=_without_words(record.verdict),
        plan=None if record.plan is None else replace(record.plan, evidence=()),
        votes=tuple(replace(each, comment=_gone(each.comment)) for each in record.votes),
        reassignments=tuple(replace(each, reason=SHREDDED) for each in record.reassignments),
        decision_note=_gone(record.decision_note),
        rejection=None if rejection is None else replace(rejection, comment=_gone(rejection.comment) or ""),
        outcome=None if outcome is None else replace(outcome, detail=_gone(outcome.detail)),
        emergency=emergency,
    )


def _gone(text: str | None) -> str | None:
    return SHREDDED if text else text


def _without_words(verdict: Verdict) -> Verdict:
    plan, effective = verdict.plan, verdict.effective
    claimed = "risk_tags" not in effective.verified
    return replace(
        verdict,
        effective=replace(effective, risk_tags=frozenset[str]()) if claimed else effective,
        reason=SHREDDED if verdict.reason.startswith(QUOTING) else verdict.reason,
        trigger="",
        plan=None if plan is None else replace(plan, evidence=()),
        mask=None,
        subjects=None,
    )


def noted(record: ActionRecord, *, operator: str, found_by: str, now: datetime) -> AuditRecord:
    """What goes on record: who did it and how the action was found, and nothing of what is gone."""
    return AuditRecord(
        kind="action.shredded",
        actor=f"operator:{operator}",
        at=now,
        action=record.id,
        detail={"found_by": found_by, "versions": len(record.versions)},
    )
