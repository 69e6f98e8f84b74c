"""The whole story of one decision, as an auditor asks for it a year later; read from the record, judging nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gate.domain.action import Json
from gate.domain.audit import AuditRecord, canonical_bytes
from gate.domain.masking import masked
from gate.domain.merkle import leaf_hash
from gate.domain.request import ActionRecord, Grant
from gate.domain.transitions import RELEASING
from gate.policy.edits import ABSENT, diff
from gate.usecases.ports import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing the decision was made on: what the agent claimed, what it was decided on, and whether the gate derived
    that itself."""

    name: str
    claimed: Json
    decided_on: Json
    verified: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Altered:
    """One field of the payload that a person changed; `added` had no value before, `removed` has none after."""

    pointer: str
    old: Json
    new: Json
    added: bool
    removed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PayloadVersion:
    """A payload under review: version 1 is what the agent proposed, each further one is a person's."""

    number: int
    payload_sha256: str
    at: datetime
    rule: str
    policy_digest: str
    editor: str | None
    comment: str | None
    changes: tuple[Altered, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """A person's word. `after` is the time from when this version came to be; `shown` are the SHA-256 of what Slack
    showed the person of this version, by surface."""

    person: str
    on_behalf_of: str | None
    choice: str
    version: int
    at: datetime
    after: timedelta
    comment: str | None
    shown: Mapping[str, str]
    counts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """A grant as it stands now. `leaf` is the leaf hash of the record of the release, which the grant names."""

    jti: str
    version: int
    audience: str
    issued_at: datetime
    expires_at: datetime
    state: str
    redeemed_at: datetime | None
    redeemed_by: str | None
    leaf: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """One record of the audit trail. `number` is its place in the Merkle tree, None while it has none."""

    at: datetime
    kind: str
    actor: str
    detail: Mapping[str, Json]
    leaf: str
    number: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """Everything on record about one action. `input_sha256` is the digest of the whole body the agent sent."""

    record: ActionRecord
    input_sha256: str | None
    facts: tuple[Fact, ...]
    versions: tuple[PayloadVersion, ...]
    ballots: tuple[Ballot, ...]
    permits: tuple[Permit, ...]
    trail: tuple[Happening, ...]

    @property
    def took(self) -> timedelta | None:
        """From the proposal to the decision; None while it waits."""
        decided = self.record.decided_at
        return None if decided is None else decided - self.record.created_at


def story(
    record: ActionRecord,
    *,
    trail: Sequence[AuditRecord],
    grants: Sequence[Grant],
    numbers: Mapping[bytes, int],
) -> Story:
    """`trail` in the order it was written; `numbers` are places in the tree by leaf hash, as far as there are any.
    What policy masks is not in the story."""
    record = masked(record)
    happenings = tuple(_happening(each, numbers) for each in trail)
    released = next((each.leaf for each in happenings if each.kind in RELEASING), None)
    return Story(
        record=record,
        input_sha256=next(
            (str(each.detail["input_sha256"]) for each in trail if "input_sha256" in each.detail), None
        ),
        facts=tuple(_facts(record)),
        versions=_versions(record),
        ballots=tuple(_ballots(record, trail)),
        permits=tuple(_permit(grant, released) for grant in grants),
        trail=happenings,
    )


async def read_story(store: Store, action_id: str) -> Story | None:
    """The story of one moment; None where there is no such action."""
    async with store.reading() as tx:
        record = await tx.actions.get(action_id)
        if record is None:
            return None
        trail = await tx.audit.of_action(action_id)
        jtis = dict.fromkeys(str(each.detail["jti"]) for each in trail if each.kind == "grant.issued")
        found = [await tx.grants.get(jti) for jti in jtis]
        numbers = await tx.tree.positions([leaf_hash(canonical_bytes(each)) for each in trail])
    return story(record, trail=trail, grants=[each for each in found if each is not None], numbers=numbers)


def _facts(record: ActionRecord) -> list[Fact]:
    claims, effective = record.proposal.claims, record.verdict.effective
    pairs: list[tuple[str, Json, Json]] = [
        ("risk", claims.risk.value if claims.risk else None, effective.risk.value),
        ("risk_tags", sorted(claims.risk_tags) or None, sorted(effective.risk_tags) or None),
        ("confidence", claims.confidence, effective.confidence),
        ("anomaly_score", claims.anomaly_score, effective.anomaly_score),
        ("amount_usd", claims.amount_usd, effective.amount_usd),
        ("affected_users", claims.affected_users, effective.affected_users),
        ("retry_count", claims.retry_count, effective.retry_count),
        ("first_time_action", None, effective.first_time),
    ]
    return [
        Fact(
            name=name,
            claimed=claimed,
            decided_on=used,
            verified=_FIELDS.get(name, name) in effective.verified,
        )
        for name, claimed, used in pairs
        if claimed is not None or used is not None
    ]


_VOTES = frozenset({"approval.vote", "approval.granted", "approval.rejected"})

_FIELDS = {"first_time_action": "first_time"}
"""Facts whose name in a policy is not that of the field."""


def _versions(record: ActionRecord) -> tuple[PayloadVersion, ...]:
    before = (None, *record.versions)
    return tuple(
        PayloadVersion(
            number=after.number,
            payload_sha256=after.payload_sha256,
            at=after.created_at,
            rule=after.rule,
            policy_digest=after.policy_digest,
            editor=after.editor,
            comment=after.comment,
            changes=_altered(old.payload, after.payload) if old is not None else (),
        )
        for old, after in zip(before, record.versions, strict=False)
    )


def _altered(old: Mapping[str, Json], new: Mapping[str, Json]) -> tuple[Altered, ...]:
    return tuple(
        Altered(
            pointer=change.pointer,
            old=None if change.old is ABSENT else change.old,
            new=None if change.new is ABSENT else change.new,
            added=change.old is ABSENT,
            removed=change.new is ABSENT,
        )
        for change in diff(dict(old), dict(new))
    )


def _ballots(record: ActionRecord, trail: Sequence[AuditRecord]) -> list[Ballot]:
    shown: dict[tuple[str, datetime], Mapping[str, str]] = {
        (each.actor, each.at): each.detail["shown"]
        for each in trail
        if each.kind in _VOTES and "shown" in each.detail
    }
    begun = {version.number: version.created_at for version in record.versions}
    return [
        Ballot(
            person=vote.person,
            on_behalf_of=vote.on_behalf_of,
            choice=vote.choice.value,
            version=vote.version,
            at=vote.at,
            after=vote.at - begun.get(vote.version, record.created_at),
            comment=vote.comment,
            shown=shown.get((f"person:{vote.person}", vote.at), {}),
            counts=vote.version == record.version.number,
        )
        for vote in record.votes
    ]


def _permit(grant: Grant, released: str | None) -> Permit:
    return Permit(
        jti=grant.jti,
        version=grant.version,
        audience=grant.audience,
        issued_at=grant.issued_at,
        expires_at=grant.expires_at,
        state=grant.state.value,
        redeemed_at=grant.redeemed_at,
        redeemed_by=grant.redeemed_by,
        leaf=released,
    )


def _happening(record: AuditRecord, numbers: Mapping[bytes, int]) -> Happening:
    leaf = leaf_hash(canonical_bytes(record))
    return Happening(
        at=record.at,
        kind=record.kind,
        actor=record.actor,
        detail=record.detail,
        leaf=leaf.hex(),
        number=numbers.get(leaf),
    )
