"""The API describing itself: /openapi.json, and /docs as a page that needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

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
_STYLE, _SCRIPT = "docs.css", "docs.js"
_CACHE = "public, max-age=300"


class _Description:
    """The document and the page, each rendered when it is first asked for, so that no start waits for them."""

    def __init__(self, described: Sequence[Endpoint], version: str) -> None:
        self._described = described
        self._version = version

    @cached_property
    def _whole(self) -> dict[str, Any]:
        return document(self._described, version=self._version)

    @cached_property
    def openapi(self) -> bytes:
        return json.dumps(self._whole, ensure_ascii=False, separators=(",", ":")).encode()

    @cached_property
    def page(self) -> bytes:
        environment = Environment(
            loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        environment.filters["prose"] = _prose
        template = environment.get_template("docs.html")
        return template.render(
            info=self._whole["info"],
            groups=reading.groups(self._whole),
            models=reading.models(self._whole),
            codes=CODES,
            style=Markup(_text(_STYLE)),  # noqa: S704 - our own file
            script=Markup(_text(_SCRIPT)),  # noqa: S704 - our own file
        ).encode()

    @cached_property
    def policy(self) -> str:
        return (
            f"default-src 'none'; style-src '{_hash(_text(_STYLE))}'; script-src '{_hash(_text(_SCRIPT))}'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def endpoints(described: Sequence[Endpoint], *, version: str) -> tuple[Endpoint, ...]:
    """The two endpoints; they describe themselves as well."""

    async def openapi_json(call: Call) -> web.Response:
        return web.Response(
            body=description.openapi, content_type="application/json", headers={"Cache-Control": _CACHE}
        )

    async def docs(call: Call) -> web.Response:
        return web.Response(
            body=description.page,
            content_type="text/html",
            charset="utf-8",
            headers={"Cache-Control": _CACHE, "Content-Security-Policy": description.policy},
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
    description = _Description([*described, *own], version)
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
