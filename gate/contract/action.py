"""The action document, the same from every endpoint; how it is filled from a record is a use-case's work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.contract.fields import Decision, JsonObject, OutcomeResult, Risk, Sha256, Status, Time


class Answer(BaseModel):
    """Base of everything the gate sends; readers ignore fields they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PolicyRef(Answer):
    """The policy snapshot that decided."""

    version: str
    digest: str


class RemediationOut(Answer):
    """A safer way to the same end."""

    id: str
    title: str
    replacement_topic: str | None


class VoteOut(Answer):
    """One vote. Votes on earlier versions stay listed; only those on the current version count."""

    person: str
    vote: Literal["approve", "reject"]
    version: int
    at: Time
    on_behalf_of: str | None
    comment: str | None


class RejectOut(Answer):
    """Why a person said no."""

    category: str
    comment: str


class BreakGlassOut(Answer):
    """A release in an emergency, without the people policy asks for. No grant is to be had from `until` on.

    `review` is where a supervisor's review of it stands; what is unjustified is taken back as far as it was not used.
    """

    person: str
    reason: str
    until: Time
    review: Literal["open", "overdue", "justified", "unjustified"]


class ApprovalOut(Answer):
    """How far the people are. `deadline` is when the time to decide ends (or ended)."""

    required: int
    deadline: Time | None
    escalation_step: int
    held: bool
    votes: list[VoteOut]
    reject: RejectOut | None
    break_glass: BreakGlassOut | None = None


class GrantOut(Answer):
    """Signed permission to execute this version once (a JWS)."""

    token: str
    expires_at: Time


class OutcomeOut(Answer):
    """What the executor reported."""

    result: OutcomeResult
    detail: str | None
    defect: bool
    incident: bool
    at: Time
    reporter: str


class ShreddedOut(Answer):
    """When the content of the action was destroyed, and by which operator. Texts that were there read `[shredded]`."""

    at: Time
    by: str


class LinksOut(Answer):
    """Where to read on."""

    self: str
    audit: str


class ActionDocument(Answer):
    """Where an action stands. Run `payload`, never your own copy of what was proposed.

    `risk` and `risk_tags` are effective: claims merged with what the gate derived. `grant` is shown to the
    proposing agent while it is live.
    """

    id: str
    status: Status
    decision: Decision
    reason: str
    rule: str
    policy: PolicyRef
    topic: str
    agent: str
    created_at: Time
    decided_at: Time | None
    risk: Risk
    risk_tags: list[str]
    constraints: JsonObject | None
    remediations: list[RemediationOut]
    retry_after_sec: Annotated[int | None, Field(description="Set exactly for a throttled action")]
    version: int
    payload: Annotated[
        JsonObject | None, Field(description="None exactly where `shredded` says when it was destroyed")
    ]
    payload_sha256: Sha256
    proposed_payload_sha256: Sha256
    edited: bool
    approval: ApprovalOut | None
    grant: GrantOut | None
    outcome: OutcomeOut | None
    shredded: ShreddedOut | None = None
    links: LinksOut


class ActionEvent(Answer):
    """One event of an action's stream."""

    event: Literal["action"]
    id: Annotated[str, Field(description="The action's revision, for `Last-Event-ID`")]
    data: Annotated[str, Field(description="The action document, as JSON")]


class ActionPage(Answer):
    """One page of actions, newest first, without grants; `cursor` is None at the end."""

    items: list[ActionDocument]
    cursor: str | None
