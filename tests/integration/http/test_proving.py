"""Checkpoints and proofs over HTTP: an auditor with a key and a public key needs nothing else."""

from __future__ import annotations

import pytest

from gate.domain.checkpoint import Checkpoint, opened
from gate.domain.merkle import verify_consistency, verify_inclusion
from gate.keyring.checkpoints import CheckpointSigner, is_signature
from tests.integration.http.door import Door

CHECKPOINT = "/v1/audit/checkpoint"
INCLUSION = "/v1/audit/proof/inclusion"
CONSISTENCY = "/v1/audit/proof/consistency"


async def sign(door: Door, notary: CheckpointSigner) -> Checkpoint:
    """Number what is there, and the checkpoint as it is read over HTTP."""
    await door.sign(notary)
    return await read(door, notary)


async def read(door: Door, notary: CheckpointSigner) -> Checkpoint:
    got = await door.get(CHECKPOINT, key="reader")
    assert got.status == 200
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    return opened(got.raw.decode(), notary.keys, is_signature)


def hashes(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(part) for part in proof]


async def test_a_record_is_proven_to_be_under_the_signed_root(door: Door, notary: CheckpointSigner) -> None:
    """INV-48: by index and by hash, the leaf that the list of records shows."""
    made = (await door.propose("pay.wire")).body
    await door.approve(made["id"], "ana", "bo")
    checkpoint = await sign(door, notary)
    items = (await door.get(f"/v1/audit/records?action={made['id']}", key="reader")).body["items"]
    assert [item["leaf"]["index"] for item in items] == list(range(checkpoint.size))
    for item in items:
        by_hash = (await door.get(f"{INCLUSION}?record={item['leaf']['hash']}", key="reader")).body
        by_index = (await door.get(f"{INCLUSION}?record={item['leaf']['index']}", key="reader")).body
        assert by_hash == by_index
        assert by_hash["leaf"] == item["leaf"]
        assert opened(by_hash["checkpoint"], notary.keys, is_signature) == checkpoint
        assert verify_inclusion(
            leaf=bytes.fromhex(item["leaf"]["hash"]),
            index=item["leaf"]["index"],
            size=by_hash["size"],
            proof=hashes(by_hash["proof"]),
            root=checkpoint.root,
        )


async def test_a_later_checkpoint_is_proven_to_continue_an_earlier_one(
    door: Door, notary: CheckpointSigner
) -> None:
    """INV-48."""
    await door.propose()
    await door.propose("crm.read")
    first = await sign(door, notary)
    await door.propose("crm.read")
    second = await sign(door, notary)
    for query in (f"from={first.size}", f"from={first.size}&to={second.size}"):
        got = (await door.get(f"{CONSISTENCY}?{query}", key="reader")).body
        assert (got["from"], got["to"]) == (first.size, second.size)
        assert verify_consistency(
            first=first.size,
            first_root=first.root,
            second=second.size,
            second_root=second.root,
            proof=hashes(got["proof"]),
        )
    between = (await door.get(f"{INCLUSION}?record=0&size={first.size + 1}", key="reader")).body
    assert between["checkpoint"] is None


async def test_before_the_first_checkpoint_there_is_nothing_to_prove(door: Door) -> None:
    assert (await door.get(CHECKPOINT, key="reader")).code == "no_checkpoint"
    assert (await door.get(f"{CONSISTENCY}?from=0", key="reader")).code == "no_checkpoint"
    assert (await door.get(f"{INCLUSION}?record=0", key="reader")).code == "unknown_record"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{INCLUSION}?record={'0' * 64}", 404, "unknown_record"),
        (f"{INCLUSION}?record=99", 404, "unknown_record"),
        (f"{INCLUSION}?record=0&size=99", 422, "invalid_query"),
        (f"{INCLUSION}?record=1&size=1", 422, "invalid_query"),
        (f"{INCLUSION}?record=0&size=-1", 422, "invalid_query"),
        (f"{INCLUSION}?record=act_1", 422, "invalid_query"),
        (f"{INCLUSION}?record={'A' * 64}", 422, "invalid_query"),
        (INCLUSION, 422, "invalid_query"),
        (f"{CONSISTENCY}?from=2&to=1", 422, "invalid_query"),
        (f"{CONSISTENCY}?from=0&to=99", 422, "invalid_query"),
        (f"{CONSISTENCY}?from=99", 422, "invalid_query"),
        (CONSISTENCY, 422, "invalid_query"),
        (f"{CHECKPOINT}?size=1", 422, "invalid_query"),
    ],
)
async def test_what_cannot_be_proven_is_said(
    door: Door, notary: CheckpointSigner, path: str, status: int, code: str
) -> None:
    await door.propose("crm.read")
    await sign(door, notary)
    got = await door.get(path, key="reader")
    assert (got.status, got.code) == (status, code)


@pytest.mark.parametrize("path", [CHECKPOINT, f"{INCLUSION}?record=0", f"{CONSISTENCY}?from=0"])
async def test_proofs_are_for_who_may_read_the_record(door: Door, path: str) -> None:
    assert (await door.get(path)).code == "missing_scope"
    assert (await door.get(path, key=None)).code == "unauthenticated"
