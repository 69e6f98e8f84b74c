"""One request as a handler sees it: who asks, the parsed body, and the few ways to answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gate.contract.canonical import Json, parse, parse_canonical
from gate.domain.action import Agent
from gate.http.body import read_body, read_model
from gate.http.metrics import HttpMetrics
from gate.http.problem import ProblemRaised, invalid
from gate.http.settings import HttpSettings
from gate.http.waiting import Waits
from gate.usecases.ports import Deps

_NAME = re.compile(r"[A-Za-z0-9_:.-]{1,200}")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What every request of one application has in common."""

    deps: Deps
    settings: HttpSettings
    waits: Waits
    metrics: HttpMetrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """`holder` is None exactly on routes that need no key. `key_sha256` is the hash of the holder's key where what is
    stored has to rest on that key: whether it is good was not looked up yet."""

    request: web.Request
    shared: Shared
    holder: Agent | None
    key_sha256: str | None = None

    @property
    def deps(self) -> Deps:
        return self.shared.deps

    @property
    def agent(self) -> Agent:
        """Who authenticated."""
        if self.holder is None:
            raise LookupError("this route asks for no key, so there is no holder")
        return self.holder

    def path(self, name: str) -> str:
        """A part of the path; 404 where it could not be the name of anything."""
        found = self.request.match_info[name]
        if _NAME.fullmatch(found) is None:
            raise ProblemRaised("not_found")
        return found

    async def json(self) -> Json:
        """The body as strict JSON, or (by `NotCanonical`) 400."""
        return parse(await self._sent())

    async def canonical_json(self) -> tuple[Json, bytes]:
        """The same, and its RFC 8785 form."""
        return parse_canonical(await self._sent())

    async def _sent(self) -> bytes:
        settings = self.shared.settings
        return await read_body(self.request, limit=settings.max_body_bytes, patience=settings.body_timeout)

    async def body(self, model: type[_Model]) -> _Model:
        return read_model(model, await self.json())

    def query(self, model: type[_Model]) -> _Model:
        """The query parameters; unknown, repeated and malformed ones are refused."""
        sent = self.request.query
        for name in sent:
            if len(sent.getall(name)) > 1:
                raise ProblemRaised("invalid_query", f"The parameter {name!r} stands twice.")
        try:
            return model.model_validate(dict(sent))
        except ValidationError as error:
            raise invalid(error, code="invalid_query") from None


def answer(
    document: BaseModel | bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A model as JSON; bytes are JSON already."""
    body = document if isinstance(document, bytes) else document.model_dump_json(by_alias=True).encode()
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
