"""The resource /v1/policy: what is in force, what was, and what it would say about an action."""

from __future__ import annotations

from aiohttp import web

from gate.contract.action import PolicyRef, RemediationOut
from gate.contract.governance import (
    DocumentText,
    EvaluationOut,
    PlanOut,
    SnapshotLine,
    SnapshotOut,
    SnapshotPage,
    TraceLine,
)
from gate.contract.proposal import ActionIn
from gate.domain.audit import timestamp
from gate.domain.verdict import ApprovalPlan
from gate.http.call import Call, answer
from gate.http.endpoint import PROPOSE_OR_REPORTS, REPORTS, Endpoint, Says
from gate.http.problem import ProblemRaised, field_errors
from gate.policy.explain import Explanation
from gate.usecases.dryrun import evaluate
from gate.usecases.ports import Snapshot
from gate.usecases.proposal import schema_problems, to_proposal


async def dry_run(call: Call) -> web.Response:
    body = await call.body(ActionIn)
    if problems := schema_problems(body):
        raise ProblemRaised("invalid_field", errors=field_errors(problems))
    return answer(_evaluation(await evaluate(call.deps, call.agent, to_proposal(body))))


async def current(call: Call) -> web.Response:
    policy = call.deps.rules.current.policy
    async with call.deps.store.reading() as tx:
        stored = await tx.snapshots.get(policy.digest)
    return answer(
        SnapshotOut(
            version=policy.version,
            digest=policy.digest,
            loaded_at=None if stored is None else timestamp(stored.loaded_at),
            documents=[DocumentText(name=item.name, text=item.text) for item in policy.documents],
        )
    )


async def snapshots(call: Call) -> web.Response:
    async with call.deps.store.reading() as tx:
        stored = await tx.snapshots.all()
    return answer(SnapshotPage(items=[_line(item) for item in stored]))


async def snapshot(call: Call) -> web.Response:
    digest = call.path("digest")
    async with call.deps.store.reading() as tx:
        stored = await tx.snapshots.get(digest if digest.startswith("sha256:") else f"sha256:{digest}")
    if stored is None:
        raise ProblemRaised("unknown_snapshot")
    line = _line(stored)
    return answer(
        SnapshotOut(
            version=line.version,
            digest=line.digest,
            loaded_at=line.loaded_at,
            documents=[DocumentText(name=name, text=text) for name, text in stored.documents],
        )
    )


def _line(stored: Snapshot) -> SnapshotLine:
    return SnapshotLine(version=stored.version, digest=stored.digest, loaded_at=timestamp(stored.loaded_at))


def _evaluation(explained: Explanation) -> EvaluationOut:
    verdict = explained.verdict
    return EvaluationOut(
        decision=verdict.decision.value,
        reason=verdict.reason,
        rule=verdict.rule,
        trigger=verdict.trigger,
        policy=PolicyRef(version=verdict.policy_version, digest=verdict.policy_digest),
        risk=verdict.effective.risk.value,
        risk_tags=sorted(verdict.effective.risk_tags),
        constraints=dict(verdict.constraints) or None,
        remediations=[
            RemediationOut(id=item.id, title=item.title, replacement_topic=item.replacement_topic)
            for item in verdict.remediations
        ],
        retry_after_sec=verdict.retry_after_sec,
        approval=None if verdict.plan is None else _plan(verdict.plan),
        trace=[
            TraceLine(
                kind=line.kind,
                id=line.id,
                file=line.file,
                line=line.line,
                decision=line.decision,
                outcome=line.outcome,
                why=line.why,
                conditions=list(line.conditions),
            )
            for line in explained.trace
        ],
        filled_in=list(explained.filled_in),
    )


def _plan(plan: ApprovalPlan) -> PlanOut:
    return PlanOut(
        required=plan.quorum,
        assignees=list(plan.assignees),
        groups=list(plan.groups),
        distinct_groups=list(plan.distinct_groups),
        sla_sec=plan.sla_sec,
        on_timeout=plan.on_timeout.value,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/policy/evaluate",
        handler=dry_run,
        operation="evaluatePolicy",
        tag="Govern",
        summary="Ask what policy would say",
        description="The decision about an action as if this key proposed it now, the rule that matched, and the "
        "whole trace. Nothing is stored and nobody is asked.",
        scopes=PROPOSE_OR_REPORTS,
        body=ActionIn,
        answers=(Says(status=200, description="The decision and its trace", model=EvaluationOut),),
    ),
    Endpoint(
        method="GET",
        path="/v1/policy",
        handler=current,
        operation="getPolicy",
        tag="Govern",
        summary="The policy set in force",
        scopes=REPORTS,
        answers=(Says(status=200, description="The set, whole", model=SnapshotOut),),
    ),
    Endpoint(
        method="GET",
        path="/v1/policy/snapshots",
        handler=snapshots,
        operation="listSnapshots",
        tag="Govern",
        summary="Every policy set that ever decided something",
        scopes=REPORTS,
        answers=(Says(status=200, description="Their digests", model=SnapshotPage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/policy/snapshots/{digest}",
        handler=snapshot,
        operation="getSnapshot",
        tag="Govern",
        summary="A policy set by its digest",
        scopes=REPORTS,
        answers=(Says(status=200, description="The set, whole", model=SnapshotOut),),
        problems=("unknown_snapshot",),
    ),
)
