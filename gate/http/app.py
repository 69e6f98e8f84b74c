"""The HTTP application: which endpoints there are and what surrounds them; it opens no socket and no store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from aiohttp import web

from gate.http.api import actions, audit, events, grants, operations, outcomes, policy
from gate.http.call import Shared
from gate.http.endpoint import Endpoint
from gate.http.metrics import HttpMetrics
from gate.http.middleware import add_headers, observed, problems
from gate.http.server import runner
from gate.http.settings import HttpSettings
from gate.http.waiting import Waits
from gate.http.web import description
from gate.usecases.ports import Deps

__all__ = ["WAITS", "build_app", "endpoints", "runner", "served"]

WAITS = web.AppKey("signoff_waits", Waits)

_API: tuple[Endpoint, ...] = (
    *actions.ENDPOINTS,
    *events.ENDPOINTS,
    *grants.ENDPOINTS,
    *outcomes.ENDPOINTS,
    *policy.ENDPOINTS,
    *audit.ENDPOINTS,
    *operations.ENDPOINTS,
)


@cache
def endpoints(version: str) -> tuple[Endpoint, ...]:
    """Every endpoint of the API, the two that describe it included."""
    return (*_API, *description.endpoints(_API, version=version))


def build_app(deps: Deps, settings: HttpSettings, *, extra: Iterable[web.RouteDef] = ()) -> web.Application:
    """The whole application. `extra` routes get the same request ids, logs, errors and headers, but authenticate
    their callers themselves. Serve it with `runner`."""
    waits = Waits(limit=settings.wait_limit, poll=settings.disconnect_poll)
    metrics = HttpMetrics(settings.registry, waiting=lambda: waits.open)
    shared = Shared(deps=deps, settings=settings, waits=waits, metrics=metrics)
    app = web.Application(
        middlewares=[observed(shared), problems(shared)],
        client_max_size=settings.max_body_bytes,
    )
    app[WAITS] = waits
    app.add_routes([endpoint.route(shared) for endpoint in endpoints(settings.version)])
    app.add_routes(list[web.AbstractRouteDef](extra))
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_waits)
    return app


def served(app: web.Application) -> Sequence[tuple[str, str]]:
    """(method, path) of every route."""
    return sorted(
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    )


async def _end_waits(app: web.Application) -> None:
    app[WAITS].close()
