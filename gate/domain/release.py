"""What may happen after a release: a grant is minted, redeemed once, replaced or taken back, and an outcome told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, Json
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Grant, GrantState, Outcome, Result
from gate.domain.risk import Risk
from gate.domain.transitions import CARD, Change, Intent, move

DEFAULT_AUDIENCE = "executors"


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
    """Use the grant, once for its version over all grants ever minted for it (INV-18, INV-19, INV-20, INV-21)."""
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
    change = move(
        record,
        "grant.redeemed",
        actor=f"agent:{executor.id}",
        now=now,
        detail={"jti": grant.jti, "audience": grant.audience},
        redeemed_jti=grant.jti,
    )
    return replace(change, intents=_told_if_seen(record, "grant.redeemed", now))


def revoke(record: ActionRecord, *, operator: str, reason: str, now: datetime) -> Change | Refused:
    """Take back an unused release; nothing is issued for it any more. The reason is kept and shown."""
    if not reason.strip():
        return Refused(code="comment_required", sentence="Say in a few words why you take this back.")
    if not record.status.released:
        return Refused(
            code="not_approved", sentence=f"The action is {record.status.value}; nothing to take back."
        )
    if record.redeemed_jti is not None:
        return Refused(code="grant_redeemed", sentence="It is too late: the release was used already.")
    if record.grants_revoked:
        return Refused(code="grant_revoked", sentence="The release was taken back already.")
    change = move(
        record,
        "grant.revoked",
        actor=f"operator:{operator}",
        now=now,
        detail={},
        grants_revoked=True,
        decision_note=reason.strip(),
    )
    return replace(change, intents=_told_if_seen(record, "grant.revoked", now))


def report(
    record: ActionRecord,
    *,
    reporter: Agent,
    result: Result,
    detail: str | None,
    defect: bool,
    incident: bool,
    now: datetime,
) -> Change | Refused:
    """Note what came of it. The result stands once told, `unknown` excepted; defect and incident may follow."""
    if not record.status.released:
        return Refused(
            code="not_approved", sentence=f"The action is {record.status.value}; it has no outcome."
        )
    if record.redeemed_jti is None:
        return Refused(
            code="not_approved", sentence="No grant was redeemed, so nothing can have been executed."
        )
    before = record.outcome
    if before is not None:
        adds = (defect and not before.defect) or (incident and not before.incident)
        settles = before.result is Result.UNKNOWN and result is not Result.UNKNOWN
        if not settles and (result is not before.result or not adds):
            return Refused(
                code="outcome_reported", sentence=f"The outcome is already known: {before.result.value}."
            )
    outcome = Outcome(
        result=result,
        at=now,
        reporter=reporter.id,
        detail=detail if detail is not None or before is None else before.detail,
        defect=defect or (before is not None and before.defect),
        incident=incident or (before is not None and before.incident),
    )
    change = move(
        record,
        "outcome.reported",
        actor=f"agent:{reporter.id}",
        now=now,
        detail={"result": result.value, "defect": outcome.defect, "incident": outcome.incident},
        outcome=outcome,
    )
    intents = _told_if_seen(record, "outcome.reported", now)
    if record.plan is not None and (result is not Result.SUCCEEDED or defect or incident):
        intents = (
            *intents,
            Intent(channel="slack", kind="dm", body={"person": record.agent.owner, "why": "outcome"}),
        )
    return replace(change, intents=intents)


def _told_if_seen(record: ActionRecord, event: str, now: datetime) -> tuple[Intent, ...]:
    """Only actions that people were asked about have a card to bring up to date."""
    if record.plan is None:
        return ()
    at = int(now.timestamp() * 1_000_000)
    return (CARD, Intent(channel="slack", kind="thread", body={"event": event, "at": at, "person": None}))
