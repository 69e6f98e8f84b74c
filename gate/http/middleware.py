"""What surrounds every handler: ids, the access log, error documents and security headers.

A log line carries the route's pattern, never the path, the query, a header, a body or a key (INV-51).
"""

from __future__ import annotations

import time
import traceback
from typing import Any

import structlog
from aiohttp import web
from aiohttp.hdrs import SERVER
from aiohttp.typedefs import Handler, Middleware

from gate.contract.canonical import NotCanonical
from gate.http.call import Shared
from gate.http.headers import request_id, trace_id
from gate.http.problem import ProblemRaised, response
from gate.logs import about
from gate.usecases.ports import Crowded, StoreUnavailable

REQUEST_ID = web.RequestKey("signoff_request_id", str)
HOLDER = web.RequestKey("signoff_holder", str)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "signoff",
}
"""On every answer that does not say otherwise."""
_STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_field",
    429: "too_many_streams",
}
_RETRY_AFTER = "1"

_log: Any = structlog.get_logger("signoff.http")


def observed(shared: Shared) -> Middleware:
    """Outermost: names the request, times it, counts it, writes its one log line."""

    log = _log.bind()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        named = request[REQUEST_ID] = request_id(request, shared.deps.ids)
        if (trace := trace_id(request)) is None:
            about(request_id=named)
        else:
            about(request_id=named, trace_id=trace)
        status = 499  # the client left before there was an answer
        try:
            answer = await handler(request)
            status = answer.status
            return answer
        finally:
            seconds = time.perf_counter() - started
            route = _pattern(request)
            method = request.method if route != "unmatched" else "other"
            shared.metrics.answered(method, route, status, seconds)
            log.info(
                "request",
                method=method,
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                agent=request.get(HOLDER),
            )

    return middleware


def problems(shared: Shared) -> Middleware:
    """Turns everything that ends a request early into an error document."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProblemRaised as known:
            raised = known
        except NotCanonical as error:
            raised = ProblemRaised(error.code, error.detail)
        except StoreUnavailable:
            _log.warning("store_unavailable")
            raised = ProblemRaised("store_unavailable", headers={"Retry-After": _RETRY_AFTER})
        except Crowded as crowd:
            raised = ProblemRaised(
                "store_unavailable" if crowd.whole else "too_many_requests",
                headers={"Retry-After": _RETRY_AFTER},
            )
        except web.HTTPException as error:
            if error.status < 400:
                raise
            code = _STATUS_CODES.get(error.status, "bad_request" if error.status < 500 else "internal_error")
            allowed = error.headers.get("Allow")
            raised = ProblemRaised(code, headers={"Allow": allowed} if allowed else None)
        except ConnectionError:
            raise
        except Exception as error:
            _log.error("request_failed", error=type(error).__qualname__, frames=_frames(error))
            raised = ProblemRaised("internal_error")
        shared.metrics.problems.labels(raised.code).inc()
        return response(raised, request_id=request[REQUEST_ID])

    return middleware


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """On every answer, streams included; a handler's own value stays."""
    headers = answer.headers
    for name, value in HEADERS.items():
        if name not in headers:
            headers.add(name, value)
    headers[SERVER] = HEADERS["Server"]  # aiohttp has put its own name and version there
    named = request.get(REQUEST_ID)
    if named is not None:
        headers["X-Request-Id"] = named


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _frames(error: BaseException) -> list[str]:
    """Where it happened. Messages are left out: a database driver's may quote the values it was given."""
    return [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
