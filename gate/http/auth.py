"""From a bearer key to the agent that holds it; what the agent may do is written at each route."""

from __future__ import annotations

import hashlib
import re

from aiohttp import web

from gate.domain.action import Agent
from gate.http.problem import ProblemRaised
from gate.usecases.ports import Deps

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]{1,512})")


def key_sha256(request: web.Request) -> str:
    """The hash of the one key that was sent, or 401. Keys are random and found by their hash, so that neither the
    look-up nor its time says anything about a key that is nearly right."""
    sent = request.headers.getall("Authorization", [])
    if len(sent) != 1:
        raise _unauthenticated("Send one `Authorization: Bearer` header with your key.", error=None)
    found = _BEARER.fullmatch(sent[0])
    if found is None:
        raise _unauthenticated("The Authorization header is not `Bearer` and a key.", error="invalid_request")
    return hashlib.sha256(found.group(1).encode()).hexdigest()


async def authenticate(deps: Deps, key: str) -> Agent:
    """The holder of the key with this hash, or 401. It is looked up anew: what was revoked a moment ago, by whichever
    process, is refused."""
    agent = await deps.store.now.agents.by_key(key, deps.clock.now())
    if agent is None:
        raise _unauthenticated("This key is unknown, rotated out or revoked.", error="invalid_token")
    return agent


def require(agent: Agent, scopes: frozenset[str]) -> None:
    """403 unless the key has one of the scopes."""
    if not agent.scopes & scopes:
        wanted = " or ".join(f"`{scope}`" for scope in sorted(scopes))
        raise ProblemRaised("missing_scope", f"This needs a key with the scope {wanted}.")


def _unauthenticated(detail: str, *, error: str | None) -> ProblemRaised:
    challenge = 'Bearer realm="signoff"' + (f', error="{error}"' if error else "")
    return ProblemRaised("unauthenticated", detail, headers={"WWW-Authenticate": challenge})
