"""Serving the application: requests that are not even HTTP get error documents too, and nothing sent is repeated."""

from __future__ import annotations

import logging
import secrets

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gate.http.middleware import HEADERS
from gate.http.problem import ProblemRaised, response

LINGER_SEC = 1.0
"""How long a refused upload is read on, so that its sender gets to see the answer."""


def runner(app: web.Application, *, shutdown_timeout: float = 10.0) -> web.AppRunner:
    """Runs an application of `build_app`. Bodies are not unpacked, and the server writes no log of its own: its
    messages quote what was sent."""
    return _Runner(
        app,
        access_log=None,
        logger=_silent(),
        auto_decompress=False,
        lingering_time=LINGER_SEC,
        shutdown_timeout=shutdown_timeout,
    )


class _Handler(RequestHandler):
    """One connection. aiohttp answers what it cannot parse with plain text that repeats the offending line."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already; another one cannot follow on this connection")
        code = "internal_error" if status >= 500 else "bad_request"
        request_id = f"req_{secrets.token_hex(13)}"
        answer = response(ProblemRaised(code), request_id=request_id)
        answer.headers.update(HEADERS)
        answer.headers["X-Request-Id"] = request_id
        answer.force_close()
        return answer


class _Server(web.Server):
    """Makes handlers of the kind above."""

    def __call__(self) -> RequestHandler:
        handler = super().__call__()
        handler.__class__ = _Handler
        return handler


class _Runner(web.AppRunner):
    """aiohttp has no way to name the handler of a connection, so both classes are set after it made the objects;
    they add methods only."""

    async def setup(self) -> None:
        await super().setup()
        if self.server is not None:
            self.server.__class__ = _Server


def _silent() -> logging.Logger:
    log = logging.getLogger("signoff.http.protocol")
    log.setLevel(logging.CRITICAL + 1)
    return log
