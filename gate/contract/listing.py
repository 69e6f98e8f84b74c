"""What lists are asked with: filters, cursors and page sizes; how they are looked up is not known here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gate.contract.fields import Name, Status, TimeIn

_Cursor = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9_-]+$")]
_Limit = Annotated[int, Field(ge=1, le=200)]


class Query(BaseModel):
    """Base of query parameters: they arrive as texts, and unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ActionsQuery(Query):
    """Which actions to list, newest first."""

    status: Status | None = None
    topic: Annotated[Name | None, Field(description="A topic, or a glob: `*` is one or more characters")] = (
        None
    )
    agent: Annotated[Name | None, Field(description="An agent's name or id")] = None
    since: Annotated[TimeIn | None, Field(description="Created at or after this time")] = None
    cursor: Annotated[_Cursor | None, Field(description="The `cursor` of the page before")] = None
    limit: _Limit = 50


class AuditQuery(Query):
    """Which audit records to list, in the order they were written."""

    action: Annotated[Name | None, Field(description="An action's id")] = None
    kind: Annotated[Name | None, Field(description="A kind, or a prefix and `*`: `approval.*`")] = None
    actor: Annotated[Name | None, Field(description="An actor, or a prefix and `*`: `person:*`")] = None
    since: Annotated[TimeIn | None, Field(description="Written at or after this time")] = None
    cursor: Annotated[_Cursor | None, Field(description="The `cursor` of the page before")] = None
    limit: _Limit = 100


_Size = Annotated[int, Field(ge=0, le=10**15)]


class InclusionQuery(Query):
    """Which record is asked about, and in a record of which length."""

    record: Annotated[
        str,
        StringConstraints(pattern=r"^([0-9a-f]{64}|[0-9]{1,15})$"),
        Field(description="A leaf's hash, as records and grants name it, or its index"),
    ]
    size: Annotated[_Size | None, Field(description="How many records; those of the last checkpoint")] = None


class ConsistencyQuery(Query):
    """Which two lengths of the record are compared."""

    first: Annotated[_Size, Field(alias="from", description="How many records the earlier checkpoint covers")]
    second: Annotated[
        _Size | None, Field(alias="to", description="How many the later one covers; those of the last")
    ] = None


class NoQuery(Query):
    """No parameters."""
