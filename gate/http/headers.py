"""The request headers with a meaning of their own: request id, trace, waiting, idempotency."""

from __future__ import annotations

import re

from aiohttp import web

from gate.http.problem import ProblemRaised
from gate.usecases.ports import Ids

MAX_WAIT = 60
"""Seconds; a longer wish is honoured as far as this."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(;.*)?", re.IGNORECASE)


def request_id(request: web.Request, ids: Ids) -> str:
    """The caller's `X-Request-Id` where it is short and harmless, else a new one."""
    sent = request.headers.get("X-Request-Id")
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else ids.new("req")


def trace_id(request: web.Request) -> str | None:
    """The trace id of a valid `traceparent` (W3C Trace Context)."""
    sent = request.headers.get("traceparent")
    found = None if sent is None else _TRACEPARENT.fullmatch(sent)
    if found is None or set(found.group(1)) == {"0"}:
        return None
    return found.group(1)


def preferred_wait(request: web.Request) -> int | None:
    """The seconds of `Prefer: wait=N`, at most `MAX_WAIT`. None where there is no such preference; one that
    cannot be understood is ignored (RFC 7240)."""
    for header in request.headers.getall("Prefer", []):
        for preference in header.split(","):
            found = _WAIT.fullmatch(preference)
            if found is not None:
                return min(int(found.group(1)), MAX_WAIT)
    return None


def idempotency_key(request: web.Request) -> str | None:
    """The `Idempotency-Key`, 1 to 255 printable ASCII characters; 400 for anything else."""
    sent = request.headers.getall("Idempotency-Key", [])
    if not sent:
        return None
    if len(sent) > 1 or _KEY.fullmatch(sent[0]) is None:
        raise ProblemRaised(
            "invalid_header", "Idempotency-Key is 1 to 255 printable ASCII characters, sent once."
        )
    return sent[0]


def last_event_id(request: web.Request) -> int:
    """The revision in `Last-Event-ID`, 0 where there is none."""
    sent = request.headers.get("Last-Event-ID", "")
    return int(sent) if re.fullmatch(r"[0-9]{1,12}", sent) else 0
