"""Everything that can come instead of an answer, as exceptions a program can tell apart; no secret is ever in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gate.contract.action import ActionDocument, RemediationOut
from gate.contract.problem import FieldError


class GateError(Exception):
    """Base of all of them. `code` is stable; the sentence is for people."""

    code: str = "gate_error"


class Unreachable(GateError):
    """No answer came in the time there was. `maybe_arrived`: the request may have had its effect all the same."""

    code = "unreachable"

    def __init__(self, sentence: str, *, maybe_arrived: bool = True) -> None:
        super().__init__(sentence)
        self.maybe_arrived = maybe_arrived


class UnreadableAnswer(GateError):
    """Something answered that is no gate, or not one this client understands."""

    code = "unreadable_answer"


class GateRefused(GateError):
    """The gate refused the request, and asking the same again will not help."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        request_id: str = "",
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(_sentence(status, code, detail, errors))
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.errors = tuple(errors)


class GrantRefused(GateRefused):
    """The gate did not redeem the grant: `grant_redeemed`, `payload_mismatch`, `audience_mismatch`,
    `grant_expired`, `grant_revoked`, `invalid_grant`, … Nothing may be executed."""


class RedemptionUnclear(GateError):
    """The answer to a redemption was lost, so the grant may be used up. Nothing was executed, and nothing may be."""

    code = "redemption_unclear"

    def __init__(self, action: str) -> None:
        super().__init__(f"Whether the grant of {action} was redeemed is not known; nothing was executed.")
        self.action = action


class StillPending(GateError):
    """Nobody decided in the time there was. The action goes on waiting: `wait` for it again, or `cancel` it.

    `joined`: an equal request of this agent was pending before, so others may wait for the same action.
    """

    code = "still_pending"

    def __init__(self, document: ActionDocument, *, joined: bool = False) -> None:
        super().__init__(f"{document.id} waits for people: {document.reason}")
        self.document = document
        self.joined = joined


class AwaitingCheckpoint(StillPending):
    """It was released, and its grant comes once the gate has signed a checkpoint over the record of that: `wait` for
    it again. Where it does not come within seconds the gate's `/readyz` says why."""

    code = "awaiting_checkpoint"

    def __init__(self, document: ActionDocument, *, joined: bool = False) -> None:
        super().__init__(document, joined=joined)
        self.args = (f"{document.id} is {document.status}; its grant waits for a signed checkpoint",)


class NotReleased(GateError):
    """The decision is no. `reason` says why, `remediations` what to do instead."""

    def __init__(self, document: ActionDocument) -> None:
        super().__init__(self._told(document))
        self.document = document
        self.code = document.status

    @property
    def reason(self) -> str:
        """Why policy stopped the action."""
        return self.document.reason

    @property
    def remediations(self) -> Sequence[RemediationOut]:
        """Safer ways to the same end."""
        return self.document.remediations

    def _told(self, document: ActionDocument) -> str:
        told = f"{document.id} is {document.status}: {document.reason}"
        ways = "; ".join(item.title for item in document.remediations)
        return f"{told} Instead: {ways}." if ways else told


class Denied(NotReleased):
    """Policy refuses it."""


class Throttled(NotReleased):
    """Too many of these; try again after `retry_after_sec`."""

    @property
    def retry_after_sec(self) -> int:
        return self.document.retry_after_sec or 0


class Rejected(NotReleased):
    """A person said no."""

    @property
    def category(self) -> str | None:
        """What kind of no: one of the categories a reviewer picks from."""
        found = self.document.approval and self.document.approval.reject
        return found.category if found else None

    @property
    def comment(self) -> str | None:
        """What the reviewer wrote."""
        found = self.document.approval and self.document.approval.reject
        return found.comment if found else None

    def _told(self, document: ActionDocument) -> str:
        found = document.approval and document.approval.reject
        told = super()._told(document)
        return f"{told} The reviewer says ({found.category}): {found.comment}" if found else told


class Expired(NotReleased):
    """Nobody decided in time."""


class Cancelled(NotReleased):
    """The agent took it back."""


class NoGrant(GateError):
    """The action was released, but there is no grant to be had: used, taken back, or the approval is too old."""

    code = "no_grant"

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} was released, and its grant was used or taken back, or is too old.")
        self.action = action


class GrantInvalid(GateError):
    """A grant that does not stand up to verification here; the gate was not asked. `code` says what is wrong."""

    SENTENCES: ClassVar = {
        "malformed": "This is no grant.",
        "header": "The header is not the one a gate writes.",
        "unknown_key": "No pinned or published key of the gate signed this.",
        "signature": "The signature does not fit.",
        "claims": "The claims are not those of a grant.",
        "issuer": "Another gate issued it.",
        "audience": "It is for another executor.",
        "expired": "It has expired.",
        "not_yet": "It is not valid yet.",
        "payload": "What would be executed is not what was approved.",
        "action": "It is for another action or version.",
    }

    def __init__(self, code: str) -> None:
        super().__init__(self.SENTENCES[code])
        self.code = code


class PayloadUnfit(GateError):
    """The approved payload, which a reviewer may have edited, does not fit the guarded function. Nothing ran, and
    the grant is not used."""

    code = "payload_unfit"


class ConstraintsUnhandled(GateError):
    """The release carries constraints, and the guarded function takes no permit to read them from. Nothing ran."""

    code = "constraints_unhandled"


class ActionFailed(Exception):
    """Raise this inside a permit or a guarded function to say that nothing was done: the outcome is then `failed`,
    where any other exception means `unknown`. The text goes on record as the outcome's detail."""


def _sentence(status: int, code: str, detail: str, errors: Sequence[FieldError]) -> str:
    wrong = "; ".join(f"{error.pointer or '/'}: {error.detail}" for error in errors)
    return f"{code} ({status}): {detail}" + (f" [{wrong}]" if wrong else "")
