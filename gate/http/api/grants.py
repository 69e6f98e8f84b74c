"""Executing: a grant is redeemed once, and anybody may verify one with the public keys."""

from __future__ import annotations

from aiohttp import web

from gate.contract.canonical import payload_sha256
from gate.contract.execution import RedeemIn, RedeemOut
from gate.contract.keys import JwkSet
from gate.domain.audit import timestamp
from gate.domain.refusal import Refused
from gate.http.call import Call, answer
from gate.http.endpoint import EXECUTE, Endpoint, Link, Says
from gate.http.problem import refused
from gate.usecases.commands import RedeemGrant
from gate.usecases.redeem import redeem


async def redeem_grant(call: Call) -> web.Response:
    body = await call.body(RedeemIn)
    digest = body.payload_sha256 if body.payload is None else payload_sha256(body.payload)
    command = RedeemGrant(executor=call.agent, token=body.token, payload_sha256=digest or "")
    done = await redeem(call.deps, command)
    redemptions = call.shared.metrics.redemptions
    if isinstance(done, Refused):
        redemptions.labels(done.code).inc()
        raise refused(done)
    redemptions.labels("redeemed").inc()
    grant = done.grant
    if grant is None or grant.redeemed_at is None:
        raise LookupError("a redemption without its grant")
    return answer(
        RedeemOut(
            action=done.record.id,
            version=grant.version,
            constraints=dict(done.record.verdict.constraints) or None,
            redeemed_at=timestamp(grant.redeemed_at),
        )
    )


async def jwks(call: Call) -> web.Response:
    keys = JwkSet.model_validate(call.shared.settings.jwks())
    return answer(keys, headers={"Cache-Control": "public, max-age=300"})


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/grants/redeem",
        handler=redeem_grant,
        operation="redeemGrant",
        tag="Execute",
        summary="Redeem a grant, right before acting",
        description="Send what is about to be executed: the `payload` itself, or its digest (lower-case hex of "
        "SHA-256 over RFC 8785). Succeeds exactly once; whoever is refused must not act.",
        scopes=EXECUTE,
        body=RedeemIn,
        answers=(
            Says(
                status=200,
                description="Redeemed: act now",
                model=RedeemOut,
                links=(
                    Link(
                        name="report",
                        operation="reportOutcome",
                        description="Report what came of it",
                        parameters={"id": "$response.body#/action"},
                    ),
                ),
            ),
        ),
        problems=(
            "grant_redeemed",
            "payload_mismatch",
            "audience_mismatch",
            "invalid_grant",
            "grant_expired",
            "grant_revoked",
            "not_approved",
            "conflict",
        ),
    ),
    Endpoint(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        operation="getKeys",
        tag="Execute",
        summary="Public keys, for verifying grants offline",
        description="Ed25519 keys. A verified grant is not a redeemed one: single use is kept by the gate only.",
        answers=(Says(status=200, description="A JWK set (RFC 7517)", model=JwkSet),),
    ),
)
