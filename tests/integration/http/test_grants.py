"""Executing over HTTP: a grant works once, for its audience, for exactly what was approved."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from gate.contract.canonical import payload_sha256
from gate.usecases.commands import RevokeGrants
from gate.usecases.revoke import revoke
from tests.integration.http.door import Door

PAYLOAD = {"amount": 1400, "order": "881"}


async def _released(door: Door, topic: str = "crm.read", **more: Any) -> dict[str, Any]:
    return (await door.propose(topic, payload=PAYLOAD, **more)).body


async def _redeem(door: Door, token: str, *, key: str = "executor", **what: Any) -> Any:
    return await door.post("/v1/grants/redeem", key=key, token=token, **(what or {"payload": PAYLOAD}))


async def test_a_grant_is_redeemed_exactly_once(each_door: Door) -> None:
    """INV-19, of many redeemers at the same time, on each database."""
    made = await _released(each_door)
    token = made["grant"]["token"]
    answers = await asyncio.gather(*(_redeem(each_door, token) for _ in range(8)))
    won = [got for got in answers if got.status == 200]
    assert len(won) == 1
    assert won[0].body == {
        "action": made["id"],
        "version": 1,
        "constraints": None,
        "redeemed_at": "2026-11-02T09:00:00.000000Z",
    }
    assert {got.code for got in answers if got.status != 200} == {"grant_redeemed"}
    assert {got.status for got in answers} == {200, 409}


async def test_the_digest_alone_redeems_as_well(door: Door) -> None:
    made = await _released(door, "job.run")
    got = await _redeem(door, made["grant"]["token"], payload_sha256=made["payload_sha256"])
    assert got.status == 200
    assert got.body["constraints"] == {"max_runtime_sec": 60}


async def test_neither_both_nor_a_malformed_digest(door: Door) -> None:
    token = (await _released(door))["grant"]["token"]
    digest = payload_sha256(PAYLOAD)
    for what in (
        {"token": token},
        {"token": token, "payload": PAYLOAD, "payload_sha256": digest},
        {"token": token, "payload_sha256": digest.upper()},
        {"payload": PAYLOAD},
        {"token": 7, "payload": PAYLOAD},
    ):
        got = await door.post("/v1/grants/redeem", key="executor", **what)
        assert (got.status, got.code) == (422, "invalid_field")
    assert (await _redeem(door, token)).status == 200


async def test_executing_anything_else_is_refused(door: Door) -> None:
    """INV-21: what is executed has the digest that was approved."""
    made = await _released(door)
    got = await _redeem(door, made["grant"]["token"], payload=PAYLOAD | {"amount": 1401})
    assert (got.status, got.code) == (403, "payload_mismatch")
    assert (await _redeem(door, made["grant"]["token"])).status == 200


async def test_after_an_edit_only_the_edited_payload_is_redeemed(door: Door) -> None:
    made = (await door.propose(payload=PAYLOAD)).body
    record = await door.world.load(made["id"])
    await door.world.edit(record, "ana", PAYLOAD | {"amount": 900}, approve=True)
    body = (await door.get(made["links"]["self"])).body
    assert (await _redeem(door, body["grant"]["token"])).code == "payload_mismatch"
    got = await _redeem(door, body["grant"]["token"], payload=body["payload"])
    assert got.body["version"] == 2


async def test_a_grant_is_for_its_audience_alone(door: Door) -> None:
    """INV-20, threat 12."""
    made = await _released(door, audience="payments")
    got = await _redeem(door, made["grant"]["token"])
    assert (got.status, got.code) == (403, "audience_mismatch")
    assert (await _redeem(door, made["grant"]["token"], key="elsewhere")).status == 200


async def test_an_expired_grant_is_replaced_when_it_is_collected_again(door: Door) -> None:
    """INV-20."""
    made = await _released(door)
    door.world.clock.pass_(minutes=15)
    got = await _redeem(door, made["grant"]["token"])
    assert (got.status, got.code) == (410, "grant_expired")
    fresh = (await door.get(made["links"]["self"])).body["grant"]["token"]
    assert fresh != made["grant"]["token"]
    assert (await _redeem(door, fresh)).status == 200
    assert (await door.get(made["links"]["self"])).body["grant"] is None


async def test_a_revoked_release_gives_nothing_any_more(door: Door) -> None:
    made = await _released(door)
    await revoke(door.world.deps, RevokeGrants(action_id=made["id"], operator="root", reason="stop"))
    got = await _redeem(door, made["grant"]["token"])
    assert (got.status, got.code) == (410, "grant_revoked")
    assert (await door.get(made["links"]["self"])).body["grant"] is None


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_a_forged_grant_is_none(door: Door, token: str) -> None:
    """Threat 13."""
    got = await _redeem(door, token)
    assert (got.status, got.code) == (403, "invalid_grant")


async def test_anybody_verifies_a_grant_with_the_public_keys(door: Door) -> None:
    made = await _released(door)
    answer = await door.get("/.well-known/jwks.json", key=None)
    assert answer.status == 200
    assert all("d" not in key for key in answer.body["keys"])
    registry = jws.JWSRegistry(algorithms=["Ed25519"])
    signed = jws.deserialize_compact(
        made["grant"]["token"], KeySet.import_key_set(answer.body), registry=registry
    )
    assert signed.headers()["typ"] == "signoff-grant+jwt"
    assert made["id"].encode() in signed.payload


async def test_an_outcome_is_reported_by_the_executor_or_the_agent(door: Door) -> None:
    made = await _released(door)
    self = made["links"]["self"]
    early = await door.post(f"{self}/outcome", key="executor", result="succeeded")
    assert (early.status, early.code) == (409, "not_approved")
    await _redeem(door, made["grant"]["token"])
    got = await door.post(f"{self}/outcome", key="executor", result="succeeded", detail="re_3Nf")
    assert got.status == 200
    assert got.body["outcome"]["result"] == "succeeded"
    assert got.body["outcome"]["detail"] == "re_3Nf"
    assert (await door.post(f"{self}/outcome", result="succeeded", detail="re_3Nf")).status == 200
    other = await door.post(f"{self}/outcome", result="failed")
    assert (other.status, other.code) == (409, "outcome_reported")
