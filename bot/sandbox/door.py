"""Knows which browsers may talk to the page and its control interface; leaves tokens to the Web API."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OPEN_TO_APPS = ("/api/", "/hooks/", "/link/")  # guarded by tokens, unguessable addresses and tickets
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    if not host:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(authority: str) -> str | None:
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None


@web.middleware
async def let_go(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whoever leaves in the middle of a request is nobody's mistake: no answer, and no complaint in the log."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response(status=400)  # which nobody reads


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other names for this machine (DNS rebinding) and other origins (forged requests)."""
    if request.path.startswith(_OPEN_TO_APPS):
        return await handler(request)
    if not is_loopback(_host_of(request.host)):
        raise web.HTTPForbidden(text="The sandbox answers to loopback names only, such as 127.0.0.1.\n")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise web.HTTPForbidden(text="The sandbox takes no requests from other origins.\n")
    if request.method not in ("GET", "HEAD") and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send application/json.\n")
    response = await handler(request)
    if not response.prepared:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
