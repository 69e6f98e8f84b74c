"""What executors and proposing agents send about an action they have: redeem, report, take back."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gate.contract.action import Answer
from gate.contract.fields import Json, JsonObject, Line, OutcomeResult, Paragraph, Sha256, Time
from gate.contract.proposal import Request


def _one(name: str, kind: str, *, other: str) -> dict[str, Json]:
    """What the description says of a body that has this field and not the other."""
    return {"required": [name], "properties": {name: {"type": kind}, other: {"type": "null"}}}


class RedeemIn(Request):
    """A grant about to be used, with what would be executed: whole, or as its digest; exactly one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"token": "eyJhbGciOiJFZDI1NTE5In0.e30.c2ln", "payload": {"order_id": "881"}}],
            "oneOf": [
                _one("payload", "object", other="payload_sha256"),
                _one("payload_sha256", "string", other="payload"),
            ],
        }
    )

    token: Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
    payload: JsonObject | None = None
    payload_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> RedeemIn:
        if (self.payload is None) == (self.payload_sha256 is None):
            raise PydanticCustomError("one_of", "Send either payload or payload_sha256")
        return self


class RedeemOut(Answer):
    """The one time this grant works."""

    action: str
    version: int
    constraints: JsonObject | None
    redeemed_at: Time


class OutcomeIn(Request):
    """What came of the execution. `defect` and `incident` may be reported later, with the same result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"result": "succeeded", "detail": "re_3Nf"}]})

    result: OutcomeResult
    detail: Paragraph | None = None
    defect: bool = False
    incident: bool = False


class CancelIn(Request):
    """Why the agent takes its request back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The customer withdrew"}]})

    reason: Annotated[Line | None, Field(description="Shown to the people who were asked")] = None
