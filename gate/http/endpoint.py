"""A route as data: who may call it, what goes in and comes out; the router and the OpenAPI document read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from gate.contract.canonical import NotCanonical
from gate.http.auth import authenticate, key_sha256, require
from gate.http.call import Call, Shared
from gate.http.middleware import HOLDER
from gate.http.problem import ProblemRaised

PROPOSE = frozenset({"propose"})
EXECUTE = frozenset({"execute"})
REPORTS = frozenset({"read", "admin"})
PROPOSE_OR_EXECUTE = PROPOSE | EXECUTE
PROPOSE_OR_REPORTS = PROPOSE | REPORTS
ANYONE = frozenset({"propose", "execute", "read", "admin"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What an answer is good for: another operation, and where in the answer its parameters and its body stand."""

    name: str
    operation: str
    description: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Says:
    """One answer of an endpoint. `model` None with status 204: no body. Of a stream the model is that of an event."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    media: str = "application/json"
    headers: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A request header that means something to an endpoint."""

    name: str
    description: str
    pattern: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """`scopes` None: no key is asked for. `rests_on_key`: the handler answers well only after a commit that rests on
    the key, so that it needs no look-up before. `problems` lists the codes beyond those every such route can give."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    operation: str
    tag: str
    summary: str
    description: str = ""
    scopes: frozenset[str] | None = None
    rests_on_key: bool = False
    body: type[BaseModel] | None = None
    body_optional: bool = False
    query: type[BaseModel] | None = None
    request_headers: tuple[Header, ...] = ()
    answers: tuple[Says, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def route(self, shared: Shared) -> web.RouteDef:
        """The route: the key first, then the scope, then the handler."""
        return web.RouteDef(self.method, self.path, self._guarded(shared), _options(self.method))

    def _guarded(self, shared: Shared) -> Handler:
        scopes = self.scopes
        if scopes is None:

            async def open_to_all(request: web.Request) -> web.StreamResponse:
                return await self.handler(Call(request=request, shared=shared, holder=None))

            return open_to_all

        async def guarded(request: web.Request) -> web.StreamResponse:
            key = key_sha256(request)
            if self.rests_on_key:
                holder = shared.deps.store.now.agents.remembered(key)
                if holder is not None and holder.scopes & scopes:
                    request[HOLDER] = holder.id
                    try:
                        return await self.handler(
                            Call(request=request, shared=shared, holder=holder, key_sha256=key)
                        )
                    except (ProblemRaised, NotCanonical):
                        # Nothing was committed: a key that is good no longer is told nothing else.
                        await authenticate(shared.deps, key)
                        raise
            holder = await authenticate(shared.deps, key)
            request[HOLDER] = holder.id
            require(holder, scopes)
            return await self.handler(Call(request=request, shared=shared, holder=holder))

        return guarded


def _options(method: str) -> dict[str, bool]:
    # A HEAD would run the GET handler, which may mint a grant that nobody then reads.
    return {"allow_head": False} if method == "GET" else {}
