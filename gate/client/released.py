"""What a decision means to whoever asked: a release that can be executed once, or a typed no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gate.client.errors import (
    Cancelled,
    Denied,
    Expired,
    NoGrant,
    NotReleased,
    Rejected,
    StillPending,
    Throttled,
)
from gate.contract.action import ActionDocument
from gate.contract.canonical import Json

_NO: Mapping[str, type[NotReleased]] = {
    "denied": Denied,
    "throttled": Throttled,
    "rejected": Rejected,
    "expired": Expired,
    "cancelled": Cancelled,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """An action that may be executed, once. Execute `payload`, never your own copy of what was proposed: a reviewer
    may have corrected it. Hand `token` to the executor, and to nobody else; it is in no text of this value."""

    document: ActionDocument
    _token: str | None = field(repr=False)

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def version(self) -> int:
        return self.document.version

    @property
    def payload(self) -> dict[str, Json]:
        """What was approved. Raises NoGrant where it was destroyed since, and can be executed no more."""
        if self.document.payload is None:
            raise NoGrant(self.id)
        return self.document.payload

    @property
    def edited(self) -> bool:
        """Whether it differs from what was proposed."""
        return self.document.edited

    @property
    def constraints(self) -> dict[str, Json]:
        """What policy demands of the execution, such as `max_runtime_sec`."""
        return self.document.constraints or {}

    @property
    def token(self) -> str:
        """The grant. Raises NoGrant where there is none any more."""
        if self._token is None:
            raise NoGrant(self.id)
        return self._token


def settled(document: ActionDocument, *, joined: bool = False) -> Released:
    """The release, or the exception for what it is instead; StillPending, with `joined`, where nobody has decided."""
    grant = document.grant
    bare = without_grant(document)
    if document.status in ("allowed", "approved"):
        return Released(document=bare, _token=None if grant is None else grant.token)
    if document.status == "pending":
        raise StillPending(bare, joined=joined)
    raise _NO[document.status](bare)


def without_grant(document: ActionDocument) -> ActionDocument:
    """The document as it may be printed and kept."""
    return document if document.grant is None else document.model_copy(update={"grant": None})
