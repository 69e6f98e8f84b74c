"""The API describing itself: /openapi.json, and /docs as a page that needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files

from aiohttp import web
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from gate.contract.problem import CODES
from gate.http.call import Call
from gate.http.endpoint import Endpoint, Says
from gate.http.openapi import document
from gate.http.web import reading

_HERE = "gate.http.web"
_CODE = re.compile(r"`([^`]+)`")
_CACHE = "public, max-age=300"


def endpoints(described: Sequence[Endpoint], *, version: str) -> tuple[Endpoint, ...]:
    """The two endpoints; they describe themselves as well. Everything is rendered once, here."""
    openapi = b""
    page = b""
    policy = ""

    async def openapi_json(call: Call) -> web.Response:
        return web.Response(body=openapi, content_type="application/json", headers={"Cache-Control": _CACHE})

    async def docs(call: Call) -> web.Response:
        return web.Response(
            body=page,
            content_type="text/html",
            charset="utf-8",
            headers={"Cache-Control": _CACHE, "Content-Security-Policy": policy},
        )

    own = (
        Endpoint(
            method="GET",
            path="/openapi.json",
            handler=openapi_json,
            operation="getOpenApi",
            tag="Describe",
            summary="This description, OpenAPI 3.1",
            answers=(Says(status=200, description="The document"),),
        ),
        Endpoint(
            method="GET",
            path="/docs",
            handler=docs,
            operation="getDocs",
            tag="Describe",
            summary="This description, for reading",
            answers=(Says(status=200, description="The page", media="text/html"),),
        ),
    )
    whole = document([*described, *own], version=version)
    openapi = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    style, script = _text("docs.css"), _text("docs.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["prose"] = _prose
    page = (
        environment.get_template("docs.html")
        .render(
            info=whole["info"],
            groups=reading.groups(whole),
            models=reading.models(whole),
            codes=CODES,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
        )
        .encode()
    )
    return own


def _text(name: str) -> str:
    return files(_HERE).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _prose(text: str) -> Markup:
    """Escaped text with `code` marked up and blank lines as paragraphs."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    marked = [_CODE.sub(r"<code>\1</code>", str(escape(part))) for part in paragraphs]
    return Markup("".join(f"<p>{part}</p>" for part in marked))  # noqa: S704 - escaped above
