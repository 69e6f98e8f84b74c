"""What may happen to a release: a grant is minted, redeemed once, replaced or taken back. What follows is another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, Json
from gate.domain.eligibility import could_decide
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.reporting import next_duty, report_within, told_if_seen
from gate.domain.request import ActionRecord, Grant, GrantState
from gate.domain.risk import Risk
from gate.domain.transitions import Change, move

DEFAULT_AUDIENCE = "executors"
LONGEST_REASON = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Minting:
    """A grant to be signed: `claims` are the JWS claims, times in whole seconds since the epoch."""

    jti: str
    claims: Mapping[str, Json]
    audience: str
    issued_at: datetime
    expires_at: datetime


def collectable(record: ActionRecord, now: datetime) -> Refused | None:
    """None where the proposing agent may be given a grant for the released version now."""
    if not record.status.released:
        return Refused(code="not_approved", sentence=f"The action is {record.status.value}.")
    if record.grants_revoked:
        return Refused(code="grant_revoked", sentence="The release of this action was taken back.")
    if record.redeemed_jti is not None:
        return Refused(code="grant_redeemed", sentence="A grant for this version was redeemed already.")
    decided = record.decided_at or record.created_at
    emergency = record.emergency
    if emergency is not None and now >= emergency.until:
        return Refused(
            code="grant_expired",
            sentence=f"The emergency release was good until {emergency.until:%H:%M} UTC; propose again.",
        )
    if now >= decided + timedelta(seconds=record.verdict.grant.valid_for_sec):
        return Refused(code="grant_expired", sentence="The approval is no longer valid; propose again.")
    return None


def waits_for_checkpoint(record: ActionRecord) -> bool:
    """Whether its grant is minted only once a signed checkpoint covers the record that released it."""
    return record.verdict.effective.risk is Risk.CRITICAL


def minting(record: ActionRecord, *, jti: str, issuer: str, leaf: bytes, now: datetime) -> Minting:
    """What to sign for the released version (INV-11): it binds action, version, payload, policy, and by its `leaf`
    hash the record of its release.

    Times are cut to whole seconds, and the grant never outlives the approval itself, nor an emergency release its
    expiry (INV-17).
    """
    terms = record.verdict.grant
    issued = now.replace(microsecond=0)
    decided = record.decided_at or record.created_at
    ends = [issued + timedelta(seconds=terms.ttl_sec), decided + timedelta(seconds=terms.valid_for_sec)]
    ends += [record.emergency.until] if record.emergency is not None else []
    expires = min(ends).replace(microsecond=0)
    audience = record.proposal.audience or terms.audience or DEFAULT_AUDIENCE
    version = record.version
    claims: dict[str, Json] = {
        "iss": issuer,
        "aud": audience,
        "jti": jti,
        "iat": int(issued.timestamp()),
        "nbf": int(issued.timestamp()),
        "exp": int(expires.timestamp()),
        "act": record.id,
        "ver": version.number,
        "payload_sha256": version.payload_sha256,
        "policy_digest": version.policy_digest,
        "rule": version.rule,
        "constraints": dict(record.verdict.constraints),
        "leaf": leaf.hex(),
    }
    return Minting(jti=jti, claims=claims, audience=audience, issued_at=issued, expires_at=expires)


def issue(record: ActionRecord, grant: Grant, *, now: datetime) -> Change:
    """Put a freshly signed grant on the record."""
    return move(
        record,
        "grant.issued",
        actor=f"agent:{record.agent.id}",
        now=now,
        detail={
            "jti": grant.jti,
            "audience": grant.audience,
            "expires_at": int(grant.expires_at.timestamp()),
        },
    )


def lapse(record: ActionRecord, grant: Grant, *, now: datetime) -> Change:
    """Note that a grant ran out unredeemed, so that a fresh one may follow it."""
    return move(record, "grant.expired", actor="timer", now=now, detail={"jti": grant.jti})


def redeem(
    record: ActionRecord, grant: Grant, *, executor: Agent, payload_sha256: str, now: datetime
) -> Change | Refused:
    """Use the grant, once for its version over all grants ever minted for it (INV-18, INV-19, INV-20, INV-21).
    From here on an outcome is owed, and its deadline armed (INV-22)."""
    if grant.audience not in executor.audiences:
        return Refused(code="audience_mismatch", sentence=f"This grant is for the audience {grant.audience}.")
    if payload_sha256 != grant.payload_sha256:
        return Refused(
            code="payload_mismatch",
            sentence="The payload is not the one that was approved; run the approved one.",
        )
    if record.redeemed_jti is not None or grant.state is GrantState.REDEEMED:
        return Refused(code="grant_redeemed", sentence="This release was used already.")
    if record.grants_revoked or grant.state is GrantState.REVOKED:
        return Refused(code="grant_revoked", sentence="The release of this action was taken back.")
    if grant.state is GrantState.EXPIRED or now >= grant.expires_at:
        return Refused(
            code="grant_expired", sentence="The grant has expired; the agent can collect a fresh one."
        )
    if not record.status.released or grant.version != record.version.number:
        return Refused(code="not_approved", sentence=f"The action is {record.status.value}.")
    due = now + report_within(record)
    change = move(
        record,
        "grant.redeemed",
        actor=f"agent:{executor.id}",
        now=now,
        detail={"jti": grant.jti, "audience": grant.audience, "report_by": int(due.timestamp())},
        redeemed_jti=grant.jti,
        report_by=due,
        deadline=next_duty(replace(record, report_by=due)),
    )
    return replace(change, intents=told_if_seen(record, "grant.redeemed", now))


def may_revoke(record: ActionRecord, person_id: str, directory: Directory) -> Refused | None:
    """None where this person may take the release back: the agent's owner, whoever may decide such a request or was
    asked to, the group `approvers`, and who supervises an emergency. Taking back only tightens, so the owner's stake is
    no hindrance."""
    person = directory.people.get(person_id)
    if person is None or not person.active:
        return Refused(code="inactive_person", sentence="You are not active in people.yaml.")
    owner = directory.find(record.agent.owner)
    supervisors = record.emergency.supervisors if record.emergency is not None else ()
    if (owner is not None and owner.id == person_id) or person_id in (
        *could_decide(record, directory),
        *record.asked,
        *supervisors,
    ):
        return None
    return Refused(
        code="not_for_you",
        sentence=f"Only the owner of {record.agent.name} and its reviewers may take this back.",
    )


def revocable(record: ActionRecord) -> Refused | None:
    """None where there is a release that nobody used yet."""
    if not record.status.released:
        return Refused(
            code="not_approved", sentence=f"The action is {record.status.value}; nothing to take back."
        )
    if record.redeemed_jti is not None:
        return Refused(code="grant_redeemed", sentence="It is too late: the release was used already.")
    if record.grants_revoked:
        return Refused(code="grant_revoked", sentence="The release was taken back already.")
    return None


def revoke(
    record: ActionRecord,
    *,
    reason: str,
    now: datetime,
    operator: str | None = None,
    person: str | None = None,
) -> Change | Refused:
    """Take back an unused release, by an operator or a person in Slack; nothing is issued for it any more (INV-20).
    The reason is kept and shown."""
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        return Refused(
            code="comment_required",
            sentence=f"Say why you take this back, in at most {LONGEST_REASON:,} characters.",
        )
    problem = revocable(record)
    if problem is not None:
        return problem
    change = move(
        record,
        "grant.revoked",
        actor=f"person:{person}" if person is not None else f"operator:{operator}",
        now=now,
        detail={"reason": True},
        grants_revoked=True,
        revoked_by=person,
        decision_note=reason,
    )
    return replace(change, intents=told_if_seen(record, "grant.revoked", now, person=person))
