"""Make the read model of one action from its record; pure, so that every card can be tested without a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from gate.domain.action import Json
from gate.domain.eligibility import could_stay_open, risk_of, slots, stand_ins, voices
from gate.domain.masking import masked, places
from gate.domain.people import Directory
from gate.domain.quiet import waits_for
from gate.domain.request import REJECT_CATEGORIES, ActionRecord, Grant, Status
from gate.domain.second_review import UNFINISHED, veiled
from gate.domain.second_review import result as second_opinion
from gate.domain.verdict import ApprovalPlan
from gate.policy.edits import ABSENT, Change, diff
from gate.usecases.ports import LikeIt
from gate.usecases.views import (
    ActionView,
    ChangeView,
    DecisionView,
    EditView,
    EmergencyView,
    EvidenceView,
    ExecutionView,
    HistoryView,
    PersonRef,
    ReassignmentView,
    ShreddedView,
    SlotView,
    StandInView,
    VoteView,
)

CLAIMABLE = (
    "risk",
    "risk_tags",
    "confidence",
    "anomaly_score",
    "amount_usd",
    "affected_users",
    "retry_count",
)


def person_ref(person_id: str, directory: Directory, slack_ids: Mapping[str, str]) -> PersonRef:
    """A person as shown; people who left the directory keep their id for a name."""
    person = directory.people.get(person_id)
    if person is None:
        return PersonRef(id=person_id, name=person_id, slack=slack_ids.get(person_id))
    return PersonRef(id=person.id, name=person.name, slack=slack_ids.get(person.id) or person.slack)


def left_in_peace(
    person: PersonRef, record: ActionRecord, directory: Directory, *, since: datetime, now: datetime
) -> PersonRef:
    """The person as told of a request at `since`: not mentioned while they are left in peace about it, by the very
    rule that held their own message back then."""
    until = waits_for(record, person.id, directory, since)
    return replace(person, quiet=until is not None and now < until)


def action_view(
    record: ActionRecord,
    *,
    directory: Directory,
    slack_ids: Mapping[str, str],
    like_it: LikeIt,
    redeemed: Grant | None,
    now: datetime,
    whole: bool = False,
) -> ActionView:
    """Everything about `record` that is shown; `slack_ids` are pinned Slack user ids by person id. Under a blind
    second review it is shown as if nobody had voted, until it is decided. What policy masks is not in it, unless
    `whole`: that is for who may see it, once it is on record that they do."""
    record = veiled(record)

    def ref(person_id: str) -> PersonRef:
        return person_ref(person_id, directory, slack_ids)

    def asked(person_id: str) -> PersonRef:
        return left_in_peace(ref(person_id), record, directory, since=record.created_at, now=now)

    size = len(json.dumps(record.version.payload, ensure_ascii=False).encode())
    plan = record.plan or ApprovalPlan()
    waiting = record.status is Status.PENDING
    counted = voices(record, directory) if waiting else ()
    voters = {voice.person for voice in counted}
    filled = slots(plan, counted, directory, risk_of(record)) if waiting else _filled(record, plan, directory)
    last = could_stay_open(plan, counted, directory, risk_of(record)) if None in filled.values() else ()
    owner = directory.find(record.agent.owner)
    # Who may decide was asked of what was sent; what is shown is taken from here on.
    hidden = masked(record)
    record, hides = (record, False) if whole else (hidden, hidden is not record)
    proposal, verdict, version = record.proposal, record.verdict, record.version
    context, effective = proposal.context, verdict.effective
    plan = record.plan or ApprovalPlan()
    return ActionView(
        action_id=record.id,
        now=now,
        status=record.status,
        held=record.held,
        version=version.number,
        summary=proposal.summary,
        topic=proposal.topic,
        tool=proposal.tool,
        environment=proposal.environment,
        labels=proposal.labels,
        agent_name=record.agent.name,
        agent_team=record.agent.team,
        owner=ref(owner.id if owner else record.agent.owner),
        workflow=context.workflow,
        workflow_step=context.step,
        run_id=context.run_id,
        trigger_of_run=context.trigger,
        original_request=context.original_request,
        model=" ".join(p for p in (context.model_name, context.model_version) if p) or None,
        prompt_version=context.prompt_version,
        sources=context.sources,
        upstream=context.upstream,
        policy_flags=context.policy_flags,
        created_at=record.created_at,
        sla_at=record.sla_at,
        risk=effective.risk,
        risk_tags=tuple(sorted(effective.risk_tags)),
        rule=verdict.rule,
        reason=verdict.reason,
        trigger=verdict.trigger,
        policy_version=verdict.policy_version,
        policy_digest=version.policy_digest,
        payload=version.payload,
        payload_sha256=version.payload_sha256,
        payload_bytes=size,
        payload_schema=proposal.payload_schema,
        proposed_payload=record.proposed.payload,
        changes=_changes(record.proposed.payload, version.payload) if record.edited else (),
        edits=tuple(
            EditView(
                version=after.number,
                editor=ref(after.editor or ""),
                at=after.created_at,
                comment=after.comment,
                changes=_changes(before.payload, after.payload),
            )
            for before, after in zip(record.versions, record.versions[1:], strict=False)
        ),
        reassignments=tuple(
            ReassignmentView(by=ref(r.by), at=r.at, reason=r.reason) for r in record.reassignments
        ),
        evidence=(
            *(
                EvidenceView(label=e.label, value=e.value, tone=e.tone, url=e.url, by_gate=True)
                for e in plan.evidence
            ),
            *(
                EvidenceView(label=e.label, value=e.value, tone=e.tone, url=e.url, by_gate=False)
                for e in proposal.evidence
            ),
        ),
        rationale=proposal.rationale,
        confidence=effective.confidence,
        amount_usd=effective.amount_usd,
        affected_users=effective.affected_users,
        anomaly_score=effective.anomaly_score,
        retry_count=effective.retry_count,
        claimed=frozenset(CLAIMABLE) - effective.verified,
        history=HistoryView(
            first_time=effective.first_time,
            total=like_it.total,
            allowed=like_it.allowed,
            approved=like_it.approved,
            rejected=like_it.rejected,
            amount_low=like_it.amount_low,
            amount_high=like_it.amount_high,
        ),
        constraints=verdict.constraints,
        remediations=verdict.remediations,
        quorum=max(plan.quorum, len(plan.distinct_groups)),
        groups=plan.groups or plan.distinct_groups,
        slots=tuple(
            SlotView(
                group=group, filled_by=ref(holder) if holder else None, movable=bool(holder) and group in last
            )
            for group, holder in filled.items()
        ),
        votes=tuple(
            VoteView(
                person=ref(vote.person),
                on_behalf_of=ref(vote.on_behalf_of) if vote.on_behalf_of else None,
                choice=vote.choice,
                version=vote.version,
                at=vote.at,
                comment=vote.comment,
                current=vote.version == version.number and (vote.person in voters or record.status.terminal),
            )
            for vote in record.votes
        ),
        asked=tuple(asked(p) for p in record.asked),
        allow=plan.allow,
        editable_paths=plan.editable.paths,
        editable_schema=plan.editable.schema,
        escalation_step=record.escalation_step,
        joined=record.joined,
        stand_ins=tuple(
            StandInView(person=asked(person), grantor=ref(grantor))
            for person, grantor in (stand_ins(record, record.asked, directory) if waiting else ())
        ),
        decision=_decision(record, ref),
        execution=_execution(record, redeemed),
        second_review=_second_review(record),
        lists_read=_lists_read(record, directory),
        emergency=_emergency(record, ref),
        masks=places(hidden.version.payload),
        hides=hides,
        shredded=None
        if record.shredded is None
        else ShreddedView(at=record.shredded.at, by=record.shredded.by),
    )


def _second_review(record: ActionRecord) -> str | None:
    """What came of a blind second review, once it can be told; None where there was none, or nobody approved."""
    drawn = record.plan is not None and record.plan.second_review
    if not drawn or not record.status.terminal or not record.votes:
        return None
    return second_opinion(record) or UNFINISHED


def _lists_read(record: ActionRecord, directory: Directory) -> dict[str, datetime | None]:
    """Which groups of a waiting request Slack keeps, and when their members were read last."""
    if record.plan is None or record.status is not Status.PENDING:
        return {}
    groups = (directory.groups.get(g) for g in (*record.plan.groups, *record.plan.distinct_groups))
    return {
        group.name: group.read_at for group in groups if group is not None and group.usergroup is not None
    }


def _filled(record: ActionRecord, plan: ApprovalPlan, directory: Directory) -> Mapping[str, str | None]:
    """Who filled which slot of a decided request; whose delegations have ended since does not matter any more."""
    cast = [v for v in record.votes if v.version == record.version.number]
    by = {v.on_behalf_of or v.person: v.person for v in cast}
    held = slots(plan, by, directory, risk_of(record))
    return {group: by[holder] if holder is not None else None for group, holder in held.items()}


def _changes(old: Mapping[str, Json], new: Mapping[str, Json]) -> tuple[ChangeView, ...]:
    return tuple(_change(c) for c in diff(old, new))


_WORDS = {
    Status.ALLOWED: "Released by policy",
    Status.DENIED: "Refused by policy",
    Status.THROTTLED: "Refused by policy for now",
    Status.APPROVED: "Approved",
    Status.REJECTED: "Rejected",
    Status.EXPIRED: "Expired: nobody decided in time",
    Status.CANCELLED: "Taken back by the agent",
}


def _change(change: Change) -> ChangeView:
    return ChangeView(
        pointer=change.pointer,
        old=None if change.old is ABSENT else change.old,
        new=None if change.new is ABSENT else change.new,
        absent_old=change.old is ABSENT,
        absent_new=change.new is ABSENT,
    )


def _decision(record: ActionRecord, ref: Callable[[str], PersonRef]) -> DecisionView | None:
    if not record.status.terminal:
        return None
    by_person = record.status in (Status.APPROVED, Status.REJECTED) and record.decided_by != "timer"
    rejection = record.rejection
    last = record.votes[-1] if record.votes else None
    grantor = last.on_behalf_of if last is not None and last.person == record.decided_by else None
    words = _WORDS[record.status]
    if record.status is Status.APPROVED and not by_person:
        words = "Released: low risk, and nobody objected in time"
    if record.emergency is not None:
        words = "Released in an emergency"
    return DecisionView(
        status=record.status,
        at=record.decided_at or record.created_at,
        by=ref(record.decided_by) if by_person and record.decided_by else None,
        words=words,
        category=REJECT_CATEGORIES.get(rejection.category) if rejection else None,
        comment=(rejection.comment or None) if rejection else record.decision_note,
        taken_back=record.grants_revoked,
        taken_back_by=ref(record.revoked_by) if record.revoked_by else None,
        on_behalf_of=ref(grantor) if by_person and grantor is not None else None,
    )


def _emergency(record: ActionRecord, ref: Callable[[str], PersonRef]) -> EmergencyView | None:
    emergency = record.emergency
    if emergency is None:
        return None
    review = emergency.review
    return EmergencyView(
        person=ref(emergency.person),
        reason=emergency.reason,
        at=emergency.at,
        until=emergency.until,
        supervisors=tuple(ref(p) for p in emergency.supervisors),
        review_due_at=emergency.review_due_at,
        state=emergency.state,
        reviewer=ref(review.person) if review else None,
        comment=review.comment if review else None,
        reviewed_at=review.at if review else None,
    )


def _execution(record: ActionRecord, redeemed: Grant | None) -> ExecutionView | None:
    outcome = record.outcome
    if redeemed is None and outcome is None:
        return None
    return ExecutionView(
        redeemed_at=redeemed.redeemed_at if redeemed else None,
        result=outcome.result if outcome else None,
        detail=outcome.detail if outcome else None,
        at=outcome.at if outcome else None,
        defect=outcome.defect if outcome else False,
        incident=outcome.incident if outcome else False,
    )
