"""The kinds of values the wire knows: bounded texts, names, times and addresses; models use them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

Json = Any
"""A parsed JSON value."""

Risk = Literal["low", "medium", "high", "critical"]
Tone = Literal["slate", "amber", "red", "emerald", "blue"]
Status = Literal["allowed", "denied", "throttled", "pending", "approved", "rejected", "expired", "cancelled"]
Decision = Literal["allow", "allow_with_constraints", "deny", "throttle", "require_approval"]
OutcomeResult = Literal["succeeded", "failed", "unknown"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def _printable(text: str) -> str:
    if _CONTROL.search(text) is not None:
        raise PydanticCustomError(
            "control_character", "Control characters other than tab and newline are refused"
        )
    return text


def _readable(text: str) -> str:
    _printable(text)
    if not text.strip():
        raise PydanticCustomError("blank", "Must not be blank")
    return text


def _web_address(text: str) -> str:
    _split(text, schemes=("http", "https"))
    return text


def _callback_address(text: str) -> str:
    scheme, host = _split(text, schemes=("http", "https"))
    if scheme == "http" and host not in _LOOPBACK:
        raise PydanticCustomError(
            "https_required", "Must be https; http is taken for loopback addresses only"
        )
    return text


def _split(text: str, *, schemes: tuple[str, ...]) -> tuple[str, str]:
    """(scheme, host) of an absolute URL without credentials or white space."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if not host or parts.scheme not in schemes or re.search(r"\s|[\x00-\x1f\x7f\\]", text) is not None:
        raise PydanticCustomError("url", "Must be an absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("url_credentials", "Must not carry a user name or password")
    return parts.scheme, host


def _instant(text: str) -> str:
    if _RFC3339.fullmatch(text) is None:
        raise PydanticCustomError(
            "date_time", "Must be an RFC 3339 time with an offset, like 2026-01-31T09:30:00Z"
        )
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        raise PydanticCustomError("date_time", "No such date or time") from None
    return text


_PLAIN = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_BLACK = r"[^\x00-\x20\x7f\s]"
_text = AfterValidator(_readable)
TEXT = f"^{_PLAIN}*{_BLACK}{_PLAIN}*$"
"""What `_readable` takes, as the description says it: some character that is not blank, and none of control."""
ANY_TEXT = f"^{_PLAIN}*$"
"""What `_printable` takes."""
_says_text = Field(json_schema_extra={"pattern": TEXT})
_says_address = Field(json_schema_extra={"format": "uri", "pattern": r"^https?://[^\s\\/?#@]"})

Name = Annotated[str, StringConstraints(max_length=200), _text, _says_text]
"""A short name or identifier."""

LabelText = Annotated[
    str,
    StringConstraints(max_length=300),
    AfterValidator(_printable),
    Field(json_schema_extra={"pattern": ANY_TEXT}),
]
"""The value of a label; it may be empty."""

Line = Annotated[str, StringConstraints(max_length=300), _text, _says_text]
"""A sentence."""

Paragraph = Annotated[str, StringConstraints(max_length=4_000), _text, _says_text]
"""A few sentences."""

Page = Annotated[str, StringConstraints(max_length=16_000), _text, _says_text]
"""Longer text, such as the request a person once wrote."""

Topic = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$"),
    Field(examples=["job.deploy.prod"]),
]
"""Two or more segments of letters, digits, `_` and `-`, joined by dots."""

Tag = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}$")]
"""A label's key, a risk tag or a policy flag."""

Audience = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$")]

WebUrl = Annotated[
    str,
    StringConstraints(max_length=2_000),
    AfterValidator(_web_address),
    _says_address,
]

CallbackUrl = Annotated[
    str,
    StringConstraints(max_length=2_000),
    AfterValidator(_callback_address),
    _says_address,
]
"""https; http only for a loopback host. Whether the host may be called is decided when it is called."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""0 to 1."""

Count = Annotated[int, Field(ge=0, le=2**53 - 1)]

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Lower-case hex."""

TimeIn = Annotated[str, AfterValidator(_instant), Field(json_schema_extra={"format": "date-time"})]

Time = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T09:30:00.000000Z"])
]
"""RFC 3339 in UTC with microseconds."""

JsonObject = Annotated[dict[str, Json], WithJsonSchema({"type": "object", "additionalProperties": True})]
"""Any JSON object."""
