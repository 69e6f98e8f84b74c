"""A refusal is an answer, not an accident: a stable code and a sentence a person can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldProblem:
    """What is wrong with one field; `pointer` is a JSON pointer into the payload or body."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A command that changes nothing, and why.

    Codes are stable: `unknown_action`, `already_decided`, `stale_version`, `not_a_reviewer`, `own_agent`,
    `requester`, `inactive_person`, `already_voted`, `not_offered`, `too_soon`, `cooldown`, `policy_changed`,
    `incomplete_record`, `edit_refused`, `no_change`, `comment_required`, `unknown_person`, `not_pending`,
    `not_approved`,
    `grant_redeemed`, `grant_expired`, `grant_revoked`, `payload_mismatch`, `audience_mismatch`,
    `invalid_grant`, `outcome_reported`, `not_due`, `key_reused`, `conflict`,
    `callback_refused`, `owner_unknown`, `not_yours`, `delegation_ended`, `self_delegation`, `delegation_loop`,
    `too_many`, `bad_scope`, `bad_time`, `delegated`, `break_glass_off`, `not_for_you`, `not_breakable`,
    `review_owed`, `no_supervisor`, `nothing_to_review`, `already_reviewed`, `own_release`, `not_a_supervisor`,
    `not_finished`, `month_kept`, `already_shredded`.
    """

    code: str
    sentence: str
    problems: tuple[FieldProblem, ...] = ()
