"""What has to be on record for a decision to be complete, and what of it is missing; reading policy is elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from gate.domain.action import Proposal
from gate.domain.request import ActionRecord, Status
from gate.domain.verdict import Effective


class Owed(Enum):
    """When a field has to be there, at the latest."""

    ALWAYS = "always"
    """The gate itself puts it on every record."""
    SUBMIT = "submit"
    """The agent says it when it proposes; nothing can add it later."""
    DECISION = "decision"
    """It comes with the decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One thing an evidence contract can ask for; `words` name it in a sentence."""

    owed: Owed
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceContract:
    """The fields, by their canonical names, that a complete record has; `reject`: nothing is released without them."""

    required: tuple[str, ...]
    reject: bool = True

    def owed(self, when: Owed) -> tuple[str, ...]:
        """The required fields that are owed then."""
        return tuple(name for name in self.required if FIELDS[name].owed is when)


FIELDS: Mapping[str, Field] = {
    "policy_snapshot": Field(owed=Owed.ALWAYS, words="the policy snapshot"),
    "job_hash": Field(owed=Owed.ALWAYS, words="the digest of what would run"),
    "rule": Field(owed=Owed.ALWAYS, words="the rule"),
    "reason": Field(owed=Owed.ALWAYS, words="the reason of the rule"),
    "risk": Field(owed=Owed.ALWAYS, words="the risk"),
    "agent_id": Field(owed=Owed.ALWAYS, words="the agent"),
    "request_ts": Field(owed=Owed.ALWAYS, words="the time of the proposal"),
    "policy_flags": Field(owed=Owed.ALWAYS, words="the policy flags"),
    "model": Field(owed=Owed.SUBMIT, words="the model"),
    "model_version": Field(owed=Owed.SUBMIT, words="the model's version"),
    "prompt_version": Field(owed=Owed.SUBMIT, words="the prompt version"),
    "sources": Field(owed=Owed.SUBMIT, words="the retrieval sources"),
    "confidence": Field(owed=Owed.SUBMIT, words="the confidence"),
    "rationale": Field(owed=Owed.SUBMIT, words="the rationale"),
    "evidence": Field(owed=Owed.SUBMIT, words="evidence"),
    "original_request": Field(owed=Owed.SUBMIT, words="the original request"),
    "workflow": Field(owed=Owed.SUBMIT, words="the workflow"),
    "run_id": Field(owed=Owed.SUBMIT, words="the run"),
    "tool": Field(owed=Owed.SUBMIT, words="the tool"),
    "environment": Field(owed=Owed.SUBMIT, words="the environment"),
    "approver_id": Field(owed=Owed.DECISION, words="who decided"),
    "decision_ts": Field(owed=Owed.DECISION, words="when it was decided"),
    "comment": Field(owed=Owed.DECISION, words="the decider's comment"),
}
"""Everything a contract can ask for, by canonical name."""

DECIDING = frozenset(
    {
        "action.allowed",
        "action.denied",
        "approval.granted",
        "approval.rejected",
        "approval.timeout_allowed",
        "approval.break_glass",
    }
)
"""The kinds of record of which completeness is measured: policy or people, or a timer for them, said yes or no."""

ALIASES: Mapping[str, str] = {
    "input_hash": "job_hash",
    "payload_sha256": "job_hash",
    "policy_digest": "policy_snapshot",
    "retrieval_sources": "sources",
    "model_name": "model",
    "confidence_score": "confidence",
    "reviewer_id": "approver_id",
    "decided_at": "decision_ts",
    "override_reason": "comment",
}
"""Other names that guides and teams use for the same."""

DEFAULT = EvidenceContract(
    required=(
        "policy_snapshot",
        "job_hash",
        "approver_id",
        "decision_ts",
        "model",
        "prompt_version",
        "sources",
        "confidence",
    ),
    reject=False,
)
"""What completeness is measured by where a policy set has no contract; it holds nothing back."""

_SAID: Mapping[str, Callable[[Proposal, Effective], object]] = {
    "model": lambda p, e: p.context.model_name,
    "model_version": lambda p, e: p.context.model_version,
    "prompt_version": lambda p, e: p.context.prompt_version,
    "sources": lambda p, e: p.context.sources,
    "confidence": lambda p, e: e.confidence is not None,
    "rationale": lambda p, e: (p.rationale or "").strip(),
    "evidence": lambda p, e: p.evidence,
    "original_request": lambda p, e: p.context.original_request,
    "workflow": lambda p, e: p.context.workflow,
    "run_id": lambda p, e: p.context.run_id,
    "tool": lambda p, e: p.tool,
    "environment": lambda p, e: p.environment,
}
"""What an agent has to say, and whether it did."""


def unsaid(contract: EvidenceContract, proposal: Proposal, effective: Effective) -> tuple[str, ...]:
    """The required fields that the agent had to send and did not."""
    return tuple(name for name in contract.owed(Owed.SUBMIT) if not _SAID[name](proposal, effective))


def missing(contract: EvidenceContract, record: ActionRecord) -> tuple[str, ...]:
    """The required fields that a decided record lacks.

    `approver_id` is whoever decided: the policy where nobody was asked, and else a person; a timer is nobody.
    `comment` is asked of people only.
    """
    lacking = set(unsaid(contract, record.proposal, record.verdict.effective))
    by_person = record.plan is not None and record.status in (Status.APPROVED, Status.REJECTED)
    if by_person and record.decided_by in (None, "timer"):
        lacking.add("approver_id")
    if record.decided_at is None:
        lacking |= {"approver_id", "decision_ts"}
    if by_person and record.emergency is None and not _commented(record):
        lacking.add("comment")
    return tuple(name for name in contract.required if name in lacking)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completeness:
    """Of so many decisions so many have all that is asked for; `lacking` tells how often each field is missing, the
    most frequent first."""

    decided: int = 0
    complete: int = 0
    lacking: tuple[tuple[str, int], ...] = ()

    @property
    def share(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.complete / self.decided if self.decided else None


NOTHING_DECIDED = Completeness()


def completeness(contract: EvidenceContract, records: Iterable[ActionRecord]) -> Completeness:
    """Of those that policy or people, or a timer for them, said yes or no to, and whose content is still there."""
    kept = (record for record in records if record.shredded is None)
    found = [missing(contract, record) for record in kept if record.status in _SAID_YES_OR_NO]
    counts = Counter(name for each in found for name in each)
    return Completeness(
        decided=len(found),
        complete=sum(not each for each in found),
        lacking=tuple(sorted(counts.items(), key=lambda count: (-count[1], count[0]))),
    )


_SAID_YES_OR_NO = frozenset({Status.ALLOWED, Status.DENIED, Status.APPROVED, Status.REJECTED})


def _commented(record: ActionRecord) -> bool:
    mine = [vote for vote in record.votes if vote.version == record.version.number]
    return bool(mine) and all((vote.comment or "").strip() for vote in mine)


def named(fields: Iterable[str]) -> str:
    """The fields in words, for a sentence."""
    words = [f"{FIELDS[name].words} ({name})" for name in fields]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
