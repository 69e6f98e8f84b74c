"""The error document (RFC 9457) and every code it may carry; when each is raised is the server's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gate.contract.action import Answer

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One code: its HTTP status, its unchanging title, and what it means to whoever reads the reference."""

    status: int
    title: str
    meaning: str


class FieldError(Answer):
    """What is wrong with one field; `pointer` is a JSON pointer into the body (or a parameter)."""

    pointer: str
    code: str
    detail: str


class Problem(Answer):
    """RFC 9457. `code` is stable and decides `type`, `title` and `status`; `detail` is for people."""

    type: Annotated[str, Field(examples=["urn:signoff:problem:unknown_action"])]
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError]


def _kind(status: int, title: str, meaning: str) -> Kind:
    return Kind(status=status, title=title, meaning=meaning)


CODES: Mapping[str, Kind] = {
    # The door: what was sent cannot be read one way only.
    "invalid_json": _kind(400, "Not JSON", "The body is not JSON as RFC 8259 defines it."),
    "not_utf8": _kind(400, "Not UTF-8", "The body is not valid UTF-8."),
    "byte_order_mark": _kind(400, "Byte order mark", "The body starts with a byte order mark."),
    "duplicate_key": _kind(400, "Duplicate key", "An object names a key twice; two readers could differ."),
    "not_finite": _kind(400, "Not a number", "NaN or Infinity stands where a number should."),
    "number_too_large": _kind(400, "Number too large", "A number is beyond the range of a double."),
    "unsafe_integer": _kind(
        400, "Unsafe integer", "An integer is outside ±(2^53-1) and would lose digits; send a string."
    ),
    "lone_surrogate": _kind(400, "Lone surrogate", "A string holds half of a surrogate pair."),
    "too_deep": _kind(400, "Too deep", "Arrays and objects are nested more than 64 levels."),
    "not_json": _kind(400, "Not a JSON value", "A value has no JSON form."),
    "invalid_header": _kind(400, "Invalid header", "A header, such as Idempotency-Key, is malformed."),
    "bad_request": _kind(400, "Bad request", "The request is not well-formed HTTP."),
    # Who asks.
    "unauthenticated": _kind(
        401, "No valid key", "The bearer key is missing, unknown, rotated out or revoked."
    ),
    "missing_scope": _kind(403, "Missing scope", "The key is valid, but not for this."),
    # What is asked for.
    "not_found": _kind(404, "Not found", "There is nothing at this address."),
    "unknown_action": _kind(404, "Unknown action", "There is no such action, or it is another agent's."),
    "unknown_snapshot": _kind(
        404, "Unknown snapshot", "No policy set with this digest ever decided anything."
    ),
    "unknown_record": _kind(
        404,
        "Unknown record",
        "There is no such audit record, or it has no number yet; ask again in a second.",
    ),
    "no_checkpoint": _kind(404, "No checkpoint", "Nothing was signed yet; ask again in a second."),
    "method_not_allowed": _kind(405, "Method not allowed", "The address exists; `Allow` lists its methods."),
    "body_timeout": _kind(408, "Body too slow", "The body did not arrive in time."),
    "body_too_large": _kind(413, "Body too large", "The body is over the limit (256 KiB)."),
    "unsupported_media_type": _kind(
        415, "Unsupported media type", "Send `application/json` in UTF-8 without a content encoding."
    ),
    "invalid_field": _kind(422, "Invalid field", "`errors` says which fields and why."),
    "invalid_query": _kind(422, "Invalid query", "`errors` says which query parameters and why."),
    "idempotency_key_reused": _kind(
        422, "Idempotency key reused", "The key was used before with another body; make a new key."
    ),
    "callback_refused": _kind(
        422,
        "Callback refused",
        "The host of `callback_url` is not one this gate may call (`GATE_CALLBACK_HOSTS`).",
    ),
    # What the state of things does not allow.
    "already_decided": _kind(409, "Already decided", "Somebody or something decided before."),
    "stale_version": _kind(409, "Stale version", "The payload was edited since it was read."),
    "awaiting_checkpoint": _kind(
        409,
        "Awaiting checkpoint",
        "The grant is minted once a signed checkpoint covers the release; ask again.",
    ),
    "not_on_record": _kind(
        409, "Not on record", "The record of the release cannot be found, so nothing is granted."
    ),
    "already_voted": _kind(409, "Already voted", "This person's vote on this version stands."),
    "not_offered": _kind(409, "Not offered", "The request does not offer this way to answer."),
    "too_soon": _kind(409, "Too soon", "The policy asks for a minimum time of review."),
    "cooldown": _kind(
        409, "Cooldown", "This person approved many requests without a break and should take one first."
    ),
    "incomplete_record": _kind(
        409, "Incomplete record", "Policy asks for something on the record that is not there."
    ),
    "policy_changed": _kind(409, "Policy changed", "The policy is stricter now than when this was asked."),
    "not_pending": _kind(409, "Not pending", "The action waits for nobody any more."),
    "not_approved": _kind(
        409,
        "Not approved",
        "The action was not released, or nothing was redeemed, so there is nothing to execute or report.",
    ),
    "outcome_reported": _kind(409, "Outcome reported", "Another outcome was reported before."),
    "not_due": _kind(409, "Not due", "The deadline has not come, or is not the armed one."),
    "conflict": _kind(409, "Conflict", "The action kept changing meanwhile; read it and try again."),
    # People (these answers are given in Slack; no key can vote).
    "not_a_reviewer": _kind(403, "Not a reviewer", "This person was not asked and is no approver."),
    "own_agent": _kind(403, "Own agent", "An agent's owner never decides for it."),
    "owner_unknown": _kind(
        403, "Owner unknown", "The agent's owner is not in people.yaml, so nobody can approve for it."
    ),
    "requester": _kind(403, "Requester", "Who asked for the action never decides it."),
    "inactive_person": _kind(
        403, "Inactive person", "Deactivated people, guests and strangers do not decide."
    ),
    "unknown_person": _kind(422, "Unknown person", "No such person in people.yaml."),
    "delegated": _kind(403, "Delegated", "Authority that was lent is not handed on."),
    "not_yours": _kind(403, "Not yours", "Only the two people of a delegation end it before its time."),
    "unknown_delegation": _kind(404, "Unknown delegation", "There is no such delegation."),
    "delegation_ended": _kind(409, "Delegation ended", "The delegation has ended already."),
    "self_delegation": _kind(422, "Self delegation", "Nobody lends authority to themselves."),
    "delegation_loop": _kind(422, "Delegation loop", "Authority is not lent in a circle."),
    "too_many": _kind(422, "Too many", "A person has as many delegations as there may be."),
    "bad_scope": _kind(
        422, "Bad scope", "Only one's own authority is lent, for topics and groups there are."
    ),
    "bad_time": _kind(
        422, "Bad time", "A delegation ends after it starts, in time to come, and within 90 days."
    ),
    "comment_required": _kind(
        422, "Comment required", "A rejection, an emergency release and its review say why."
    ),
    "break_glass_off": _kind(403, "Break-glass off", "The policy set lets nobody release in an emergency."),
    "not_for_you": _kind(
        403, "Not for you", "Policy names others who may release this request in an emergency."
    ),
    "not_breakable": _kind(
        403,
        "Not breakable",
        "Policy keeps actions of this topic or risk from being released in an emergency.",
    ),
    "review_owed": _kind(
        409,
        "Review owed",
        "Earlier emergency releases of this person wait for a review: one past its time, or as many as policy bears.",
    ),
    "no_supervisor": _kind(
        409, "No supervisor", "Nobody could review the emergency release, so it is not made."
    ),
    "nothing_to_review": _kind(409, "Nothing to review", "The action was not released in an emergency."),
    "already_reviewed": _kind(409, "Already reviewed", "A supervisor has looked at the release before."),
    "own_release": _kind(403, "Own release", "Nobody reviews their own emergency release."),
    "not_a_supervisor": _kind(403, "Not a supervisor", "Policy names others who review emergency releases."),
    "edit_refused": _kind(
        422, "Edit refused", "The new payload breaks its schema, the editable paths or policy."
    ),
    "no_change": _kind(422, "No change", "The edit changes nothing."),
    "not_finished": _kind(
        409, "Not finished", "The content of the action is still needed, so it is not shredded."
    ),
    "month_kept": _kind(
        409, "Month kept", "The record of the month is still to be kept, so it is not let go."
    ),
    "already_shredded": _kind(409, "Already shredded", "The content of the action was destroyed before."),
    # Grants.
    "grant_redeemed": _kind(409, "Grant redeemed", "This version was executed before; a grant works once."),
    "payload_mismatch": _kind(403, "Payload mismatch", "What would be executed is not what was approved."),
    "audience_mismatch": _kind(403, "Audience mismatch", "The grant is for another executor."),
    "invalid_grant": _kind(403, "Invalid grant", "The token was not signed by this gate."),
    "grant_expired": _kind(
        410, "Grant expired", "The grant ran out; the proposing agent collects a fresh one."
    ),
    "grant_revoked": _kind(410, "Grant revoked", "A person or an operator took the release back."),
    # The gate itself.
    "too_many_requests": _kind(
        429, "Too many requests", "Too many requests of this key wait to be stored; send fewer at once."
    ),
    "too_many_streams": _kind(
        429, "Too many streams", "Too many event streams are open; poll, or try later."
    ),
    "internal_error": _kind(
        500, "Internal error", "The gate failed; nothing was released. Quote `request_id`."
    ),
    "store_unavailable": _kind(
        503, "Store unavailable", "A decision could not be made durable, so none was made; try again."
    ),
}
"""Every code an error document may carry. The order is that of the reference page."""


def problem(
    code: str, detail: str | None = None, *, request_id: str = "", errors: tuple[FieldError, ...] = ()
) -> Problem:
    """The document for a code of `CODES`; its meaning stands in where there is no better sentence."""
    kind = CODES[code]
    return Problem(
        type=f"urn:signoff:problem:{code}",
        title=kind.title,
        status=kind.status,
        detail=detail or kind.meaning,
        code=code,
        request_id=request_id,
        errors=list(errors),
    )
