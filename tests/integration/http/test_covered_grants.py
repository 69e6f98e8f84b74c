"""Grants and the record: each names the record of its release, and critical ones wait for a checkpoint over it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.client import AsyncGate, AwaitingCheckpoint
from gate.domain.checkpoint import opened
from gate.domain.merkle import verify_inclusion
from gate.keyring.checkpoints import CheckpointSigner, is_signature
from gate.workers.wakeups import LocalWakeups
from tests.integration.http.door import Door, eventually, open_door, secret

WAITS = "awaiting-checkpoint"


@pytest.fixture
async def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    """On PostgreSQL, behind HTTP, a replica that does not hear what another one signs."""
    deaf = LocalWakeups(fallback_sec=0.05)
    url = request.getfixturevalue("migrated_postgres_url")
    async with open_door(url, tmp_path / "keys", change=lambda deps: replace(deps, wakeups=deaf)) as made:
        yield made


async def released(door: Door, topic: str = "pay.wire") -> str:
    made = (await door.propose(topic)).body
    await door.approve(made["id"], *(("ana", "bo") if topic == "pay.wire" else ("ana",)))
    return f"/v1/actions/{made['id']}"


def claims(door: Door, document: Any) -> Any:
    return door.world.signer.verify(document["grant"]["token"])


async def kinds(door: Door, path: str) -> list[str]:
    return await door.world.story(path.rpartition("/")[2])


@pytest.mark.parametrize(
    ("topic", "kind"), [("crm.read", "action.allowed"), ("pay.refund", "approval.granted")]
)
async def test_a_grant_names_the_record_of_its_release(
    door: Door, notary: CheckpointSigner, topic: str, kind: str
) -> None:
    """INV-11: with the token, a public key and a proof nobody has to believe the database about who released what."""
    if topic == "crm.read":
        document = (await door.propose(topic)).body
    else:
        document = (await door.get(await released(door, topic))).body
    leaf = claims(door, document)["leaf"]
    await door.sign(notary)
    records = (await door.get(f"/v1/audit/records?action={document['id']}", key="reader")).body["items"]
    assert [each["leaf"]["hash"] for each in records if each["kind"] == kind] == [leaf]
    proof = (await door.get(f"/v1/audit/proof/inclusion?record={leaf}", key="reader")).body
    checkpoint = opened(proof["checkpoint"], notary.keys, is_signature)
    assert verify_inclusion(
        leaf=bytes.fromhex(leaf),
        index=proof["leaf"]["index"],
        size=checkpoint.size,
        proof=[bytes.fromhex(part) for part in proof["proof"]],
        root=checkpoint.root,
    )


async def test_a_critical_grant_is_not_minted_before_its_checkpoint(
    each_door: Door, notary: CheckpointSigner
) -> None:
    """INV-23: an older checkpoint does not do, and nothing else of the answer waits."""
    door = each_door
    await door.propose("crm.read")
    await door.sign(notary)
    path = await released(door)
    got = await door.get(path)
    assert (got.status, got.body["status"], got.body["grant"]) == (200, "approved", None)
    assert got.headers["Signoff-Grant"] == WAITS
    waited = await door.get(path, headers={"Prefer": "wait=1"})
    assert (waited.status, waited.body["grant"]) == (202, None)
    assert (waited.headers["Signoff-Grant"], waited.headers["Retry-After"]) == (WAITS, "1")
    assert "grant.issued" not in await kinds(door, path)
    await door.sign(notary)
    got = await door.get(path)
    assert claims(door, got.body)["act"] == got.body["id"]
    assert "Signoff-Grant" not in got.headers


async def test_the_wait_for_a_decision_goes_on_until_the_checkpoint(
    each_door: Door, notary: CheckpointSigner
) -> None:
    """INV-23: who collects hears of both at once, and as soon as it is signed."""
    door = each_door
    made = (await door.propose("pay.wire")).body
    path = f"/v1/actions/{made['id']}"
    waiting = asyncio.create_task(door.get(path, headers={"Prefer": "wait=60"}))
    await eventually(lambda: door.app_waits() == 1)
    await door.approve(made["id"], "ana", "bo")
    await door.get("/healthz")  # the waiter was woken by the decision before this is answered
    assert not waiting.done()
    await door.sign(notary)
    async with asyncio.timeout(30):
        got = await waiting
    assert (got.status, got.body["status"]) == (200, "approved")
    assert claims(door, got.body)["ver"] == 1


async def test_another_replica_s_checkpoint_ends_the_wait_as_well(
    replicas: Door, notary: CheckpointSigner
) -> None:
    path = await released(replicas)
    waiting = asyncio.create_task(replicas.get(path, headers={"Prefer": "wait=60"}))
    await eventually(lambda: replicas.app_waits() == 1)
    await replicas.sign(notary)
    async with asyncio.timeout(30):
        assert (await waiting).body["grant"] is not None


async def test_what_policy_allows_waits_only_where_it_is_critical(
    door: Door, notary: CheckpointSigner
) -> None:
    got = await door.propose("crm.read", risk="high")
    assert (got.status, got.body["status"]) == (200, "allowed")
    assert got.body["grant"] is not None
    assert "Signoff-Grant" not in got.headers
    got = await door.propose("crm.read", risk="critical")
    assert (got.status, got.body["status"], got.body["grant"]) == (202, "allowed", None)
    assert got.headers["Signoff-Grant"] == WAITS
    await door.sign(notary)
    assert (await door.get(got.headers["Location"])).body["grant"] is not None


async def test_one_plain_call_answers_with_the_grant(notary: CheckpointSigner, tmp_path: Path) -> None:
    """Whoever asks for no wait is kept for the checkpoint all the same, which is signed every second."""
    url = f"sqlite:///{tmp_path / 'var' / 'gate.db'}"
    async with open_door(url, tmp_path / "keys", checkpoint_wait=60) as door:
        proposing = asyncio.create_task(door.propose("crm.read", risk="critical"))
        await eventually(lambda: door.app_waits() == 1)
        await door.sign(notary)
        async with asyncio.timeout(30):
            got = await proposing
    assert (got.status, got.body["status"]) == (200, "allowed")
    assert claims(door, got.body)["act"] == got.body["id"]
    assert "Preference-Applied" not in got.headers


async def test_nobody_but_the_proposing_agent_waits_for_a_grant(door: Door) -> None:
    path = await released(door)
    got = await door.get(path, key="reader", headers={"Prefer": "wait=60"})
    assert (got.status, got.body["status"]) == (200, "approved")
    assert "Signoff-Grant" not in got.headers


async def test_a_damaged_release_record_gets_no_grant(door: Door) -> None:
    """INV-45: fail closed, whatever the action's own row says."""
    path = await released(door, "pay.refund")
    with sqlite3.connect(str(door.world.store.address.path)) as damage:
        damage.execute("DROP TRIGGER audit_keeps_update")
        damage.execute("UPDATE audit SET canonical = X'7B7D' WHERE kind = 'approval.granted'")
    assert (await door.get(path)).status == 500
    with sqlite3.connect(str(door.world.store.address.path)) as look:
        assert ("grant.issued",) not in look.execute("SELECT kind FROM audit").fetchall()


async def test_the_stream_ends_with_the_grant(door: Door, notary: CheckpointSigner) -> None:
    path = await released(door)
    headers = {"Authorization": f"Bearer {secret('bot')}"}
    async with door.session.get(f"{door.url}{path}/events", headers=headers) as answer:
        read = answer.content
        async with asyncio.timeout(30):
            while b"awaiting checkpoint" not in await read.readline():
                pass
            await door.sign(notary)
            told = (await read.read()).decode()
    assert told.count("event: action") == 1
    document = json.loads(told.partition("data: ")[2].partition("\n")[0])
    assert claims(door, document)["act"] == document["id"]


async def test_the_client_waits_for_it_and_says_what_it_waits_for(
    door: Door, notary: CheckpointSigner
) -> None:
    path = await released(door)
    action = path.rpartition("/")[2]
    async with AsyncGate(door.url, key=secret("bot")) as agent:
        with pytest.raises(AwaitingCheckpoint, match="checkpoint") as waits:
            await agent.wait(action, timeout=0)
        assert waits.value.document.status == "approved"
        waiting = asyncio.create_task(agent.wait(action, timeout=60))
        await eventually(lambda: door.app_waits() == 1)
        await door.sign(notary)
        async with asyncio.timeout(30):
            assert (await waiting).token
