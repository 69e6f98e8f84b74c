"""Knows how the browser page's files are served and how permalinks lead into it; leaves what the page
shows to its own scripts."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"


async def index(request: web.Request) -> web.Response:
    return _file("index.html")


async def asset(request: web.Request) -> web.Response:
    """GET /static/<file>: only files that ship with the package, by plain name."""
    name = request.match_info["name"]
    if not re.fullmatch(r"[a-z_]+\.(js|css|svg)", name) or not (STATIC / name).is_file():
        raise web.HTTPNotFound
    return _file(name)


async def permalink(request: web.Request) -> web.Response:
    """GET /archives/<channel>/p<ts>: into the page, at that message."""
    channel, digits = request.match_info["channel"], request.match_info["digits"]
    ts = f"{digits[:-6]}.{digits[-6:]}"
    thread = request.query.get("thread_ts", "")
    if thread and not re.fullmatch(r"\d+\.\d{6}", thread):
        raise web.HTTPNotFound
    where = f"/t/{thread}" if thread else ""
    raise web.HTTPFound(f"/#/c/{channel}{where}/m/{ts}")


def _file(name: str) -> web.Response:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        kind = "text/javascript"
    return web.Response(
        body=(STATIC / name).read_bytes(),
        content_type=kind,
        charset="utf-8",
        headers={"Cache-Control": "no-cache"},
    )


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/", index)
    router.add_get("/static/{name}", asset)
    router.add_get(r"/archives/{channel:[A-Z0-9]+}/p{digits:\d{7,20}}", permalink)
