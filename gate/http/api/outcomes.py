"""The resource /v1/actions/{id}/outcome: what came of an execution."""

from __future__ import annotations

from aiohttp import web

from gate.contract.action import ActionDocument
from gate.contract.execution import OutcomeIn
from gate.domain.refusal import Refused
from gate.domain.request import Result
from gate.http.api.presenting import shown
from gate.http.call import Call
from gate.http.endpoint import PROPOSE_OR_EXECUTE, Endpoint, Says
from gate.http.problem import refused
from gate.usecases.commands import ReportOutcome
from gate.usecases.outcome import report


async def report_outcome(call: Call) -> web.Response:
    body = await call.body(OutcomeIn)
    command = ReportOutcome(
        agent=call.agent,
        action_id=call.path("id"),
        result=Result(body.result),
        detail=body.detail,
        defect=body.defect,
        incident=body.incident,
    )
    done = await report(call.deps, command)
    if isinstance(done, Refused):
        raise refused(done)
    return await shown(call, done.record)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/actions/{id}/outcome",
        handler=report_outcome,
        operation="reportOutcome",
        tag="Execute",
        summary="Report what came of an execution",
        description="By the executor or the proposing agent, after the grant was redeemed.",
        scopes=PROPOSE_OR_EXECUTE,
        body=OutcomeIn,
        answers=(Says(status=200, description="Where the action stands now", model=ActionDocument),),
        problems=("unknown_action", "not_approved", "outcome_reported", "conflict"),
    ),
)
