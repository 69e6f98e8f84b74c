"""For whoever runs the gate: is it alive, can it decide, what did it count."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gate.contract.health import CheckOut, Healthy, ReadyOut
from gate.http.call import Call, answer
from gate.http.endpoint import Endpoint, Says
from gate.http.settings import Check
from gate.usecases.ports import StoreUnavailable


async def healthz(call: Call) -> web.Response:
    return answer(Healthy())


async def readyz(call: Call) -> web.Response:
    ask = call.shared.settings.readiness
    checks = await (_store_only(call) if ask is None else ask())
    states = {check.state for check in checks}
    status = "down" if "down" in states else "degraded" if "degraded" in states else "ready"
    document = ReadyOut(
        status=status,
        checks=[CheckOut(name=check.name, state=check.state, detail=check.detail) for check in checks],
    )
    if status == "down":
        return answer(document, status=503, headers={"Retry-After": "1"})
    return answer(document)


async def metrics(call: Call) -> web.Response:
    body = generate_latest(call.shared.settings.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def _store_only(call: Call) -> Sequence[Check]:
    try:
        await call.deps.store.check()
    except StoreUnavailable:
        return (Check(name="store", state="down", detail="A decision could not be made durable now"),)
    return (Check(name="store", state="ok"),)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=healthz,
        operation="getHealth",
        tag="Operate",
        summary="Is the process alive",
        answers=(Says(status=200, description="It is", model=Healthy),),
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        operation="getReadiness",
        tag="Operate",
        summary="Can it decide durably now",
        description="Names every check. Degraded still decides: a policy set that failed to load leaves the last "
        "good one in force, and says so here.",
        answers=(
            Says(status=200, description="Ready, or degraded", model=ReadyOut),
            Says(
                status=503, description="Down: the checks say why", model=ReadyOut, headers=("Retry-After",)
            ),
        ),
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        operation="getMetrics",
        tag="Operate",
        summary="What it counted, for Prometheus",
        answers=(Says(status=200, description="Prometheus text format", media="text/plain"),),
    ),
)
