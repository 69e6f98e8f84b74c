"""What was done to a record is found and named, in the database itself and in a bundle of it, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gate.domain.bundle import NotABundle, read, tale
from gate.domain.checkpoint import Checkpoint, opened
from gate.domain.merkle import leaf_hash
from gate.keyring.checkpoints import CheckpointSigner, is_signature, load_checkpoint_signer
from gate.metrics import Metrics
from gate.policy.documents import Document, set_digest
from gate.store import standing
from gate.store.address import parse_address
from gate.usecases.auditing import Report, examined, examined_bundle, exported
from gate.usecases.commands import Done
from tests.fakes.world import EXECUTOR, World
from tests.integration.workers.test_sequencer import sequencer, tamper


@dataclass
class Kept:
    """A gate with a record, and the checkpoint that somebody elsewhere keeps."""

    gate: World
    notary: CheckpointSigner
    pinned: Checkpoint
    earlier: tuple[int, bytes]
    """The tree as it was some time before."""

    def sql(self, statement: str, **values: Any) -> list[Any]:
        engine = standing.engine_of(parse_address(self.gate.url))
        with engine.begin() as connection:
            result = connection.execute(text(statement), values)
            rows = list(result.all()) if result.returns_rows else []
        engine.dispose()
        return rows

    async def examined(self, *, pinned: bool = True) -> Report:
        """The database and a bundle of it, which must come to the same."""
        kept = [self.pinned] if pinned else []
        keys = self.notary.keys
        found = await examined(self.gate.store, keys=keys, pinned=kept, verify=is_signature)
        lines = await self.lines()
        bundled = examined_bundle(lambda: lines, keys=keys, pinned=kept, verify=is_signature)
        assert [each for each in found.found if each.kind != "unnumbered"] == list(bundled.found)
        return found

    async def lines(self) -> list[str]:
        keys, now = self.notary.keys, self.gate.clock.now()
        return [line async for line in exported(self.gate.store, keys=keys, now=now)]

    async def kinds(self, *, pinned: bool = True) -> list[str]:
        return sorted({each.kind for each in (await self.examined(pinned=pinned)).found})

    async def seal(self) -> None:
        self.gate.clock.pass_(seconds=1)
        assert await sequencer(self.gate, self.notary, Metrics()).look()


async def decide(gate: World) -> None:
    """A story of several records: asked, agreed twice, collected, redeemed; and one that was allowed at once."""
    record = (await gate.propose("pay.wire")).record
    for person in ("ana", "bo"):
        await gate.vote(await gate.load(record.id), person)
    done = await gate.propose("crm.read", payload={"id": 1})
    assert done.grant is not None
    assert isinstance(await gate.redeem(done.grant.token, {"id": 1}, EXECUTOR), Done)


@pytest.fixture
async def kept(gate: World, tmp_path: Path) -> Kept:
    notary = load_checkpoint_signer(tmp_path / "keys")
    await gate.record_policy()
    made = Kept(gate, notary, Checkpoint(origin="", size=0, root=b""), (0, b""))
    await decide(gate)
    await made.seal()
    ((size, packed),) = made.sql("SELECT size, frontier FROM tree")
    made.earlier = (size, bytes(packed))
    await decide(gate)
    await made.seal()
    async with gate.store.reading() as tx:
        latest = await tx.tree.latest()
    assert latest is not None
    made.pinned = opened(latest.note, notary.keys, is_signature)
    return made


async def test_an_untouched_record_is_in_order(kept: Kept):
    report = await kept.examined()
    assert report.found == ()
    assert report.last == kept.pinned
    assert (report.records, report.checkpoints, report.policies) == (kept.pinned.size, 2, 1)
    await decide(kept.gate)
    assert await kept.kinds() == [], "what waits for its number is no discrepancy"
    await kept.seal()
    assert await kept.kinds() == [], "and what came after the pinned checkpoint is none either"


def one_byte(kept: Kept) -> None:
    ((canonical,),) = kept.sql("SELECT canonical FROM audit WHERE seq = 3")
    changed = bytes(canonical).replace(b'"at":"2026-', b'"at":"2027-')
    assert changed != bytes(canonical)
    kept.sql("UPDATE audit SET canonical = :changed WHERE seq = 3", changed=changed)


def one_row(kept: Kept) -> None:
    kept.sql("DELETE FROM audit WHERE seq = 4")


def one_row_and_its_leaf(kept: Kept) -> None:
    kept.sql("DELETE FROM audit WHERE seq = 4")
    kept.sql("DELETE FROM leaves WHERE record = 4")


def two_rows(kept: Kept) -> None:
    rows = {seq: bytes(found) for seq, found in kept.sql("SELECT seq, canonical FROM audit")}
    for here, there in ((2, 5), (5, 2)):
        kept.sql("UPDATE audit SET canonical = :found WHERE seq = :seq", found=rows[there], seq=here)


def two_rows_and_their_leaves(kept: Kept) -> None:
    two_rows(kept)
    rows = {seq: bytes(found) for seq, found in kept.sql("SELECT record, hash FROM leaves")}
    for here, there in ((2, 5), (5, 2)):
        kept.sql("UPDATE leaves SET hash = :found WHERE record = :seq", found=rows[there], seq=here)


def one_byte_and_its_leaf(kept: Kept) -> None:
    one_byte(kept)
    ((canonical,),) = kept.sql("SELECT canonical FROM audit WHERE seq = 3")
    kept.sql("UPDATE leaves SET hash = :found WHERE record = 3", found=leaf_hash(bytes(canonical)))


def the_tail(kept: Kept) -> None:
    size, _ = kept.earlier
    kept.sql("DELETE FROM audit WHERE seq IN (SELECT record FROM leaves WHERE position > :size)", size=size)
    kept.sql("DELETE FROM leaves WHERE position > :size", size=size)


def back_to_an_older_copy(kept: Kept) -> None:
    size, packed = kept.earlier
    kept.sql("DELETE FROM audit WHERE seq IN (SELECT record FROM leaves WHERE position >= :size)", size=size)
    for statement in (
        "DELETE FROM leaves WHERE position >= :size",
        "DELETE FROM checkpoints WHERE size > :size",
        "DELETE FROM subtrees WHERE (position + 1) * 16 > :size",
    ):
        kept.sql(statement, size=size)
    kept.sql("UPDATE tree SET size = :size, frontier = :packed", size=size, packed=packed)


def a_row_kept_from_its_number(kept: Kept) -> None:
    ((seq,),) = kept.sql("SELECT max(seq) FROM audit")
    kept.sql("DELETE FROM unnumbered WHERE record = :seq", seq=seq)


def a_policy(kept: Kept) -> None:
    kept.sql("UPDATE snapshots SET documents = replace(documents, 'quorum: 2', 'quorum: 1')")


def every_policy(kept: Kept) -> None:
    kept.sql("DELETE FROM snapshots")


def a_signature(kept: Kept) -> None:
    kept.sql("UPDATE checkpoints SET note = replace(note, 'signoff/', 'signoof/')")


@pytest.mark.parametrize(
    ("attack", "expected", "where"),
    [
        (one_byte, {"edited"}, "leaf 2"),
        (one_row, {"removed"}, "leaf 3"),
        (one_row_and_its_leaf, {"gap"}, "leaf 3"),
        (two_rows, {"reordered"}, "leaf 1"),
        (the_tail, {"truncated"}, None),
        (back_to_an_older_copy, {"older_copy"}, None),
        (one_byte_and_its_leaf, {"edited", "forked"}, None),
        (two_rows_and_their_leaves, {"reordered", "forked"}, "leaves 1 and 4"),
        (a_policy, {"policy"}, None),
        (every_policy, {"policy"}, None),
        (a_signature, {"unsigned"}, None),
    ],
)
async def test_what_was_done_to_a_record_is_found_and_named(
    kept: Kept, attack: Callable[[Kept], None], expected: set[str], where: str | None
):
    """INV-48, threats 26 and 27: an edit, a removal, an exchange, a cut, an older copy, each by its name."""
    tamper(kept.gate)
    attack(kept)
    report = await kept.examined()
    kinds = {each.kind for each in report.found}
    assert expected <= kinds | {"forked"}
    assert kinds - {"impossible"} <= expected, report.found
    if where is not None:
        assert where in {each.where for each in report.found}


async def test_without_a_checkpoint_kept_elsewhere_an_older_copy_looks_whole(kept: Kept):
    """INV-48: which is why one is kept elsewhere."""
    tamper(kept.gate)
    back_to_an_older_copy(kept)
    assert await kept.kinds(pinned=False) == []
    assert await kept.kinds() == ["older_copy"]


async def test_an_older_copy_that_went_on_is_a_fork(kept: Kept):
    """INV-48: its own checkpoints agree with it, the one kept elsewhere does not."""
    tamper(kept.gate)
    back_to_an_older_copy(kept)
    for _ in range(2):
        kept.gate.clock.pass_(minutes=1)
        await decide(kept.gate)
        await kept.seal()
    assert await kept.kinds(pinned=False) == []
    assert await kept.kinds() == ["forked"]


async def test_a_record_kept_from_its_number_is_found(kept: Kept):
    """INV-47."""
    await decide(kept.gate)
    tamper(kept.gate)
    a_row_kept_from_its_number(kept)
    report = await kept.examined()
    assert [each.kind for each in report.found] == ["unnumbered"]


async def test_a_transition_that_could_not_have_happened_is_found(kept: Kept):
    """INV-48, INV-12: written by somebody who holds every key, it still contradicts the table."""
    tamper(kept.gate)
    (row, *_) = kept.sql("SELECT action_id FROM audit WHERE kind = 'approval.granted'")
    async with kept.gate.store.writing() as tx:
        await tx.audit.append((await tx.audit.of_action(row.action_id))[-1])
    await kept.seal()
    report = await kept.examined()
    assert [(each.kind, each.where) for each in report.found] == [("impossible", f"leaf {kept.pinned.size}")]
    assert "approval.granted cannot follow the status approved" in report.found[0].what


async def test_a_bundle_tells_who_approved_what_on_which_evidence_under_which_policy(kept: Kept):
    """INV-11, INV-16: from the file alone, of one action and of no other."""
    ((action,), *_) = kept.sql("SELECT action_id FROM audit WHERE kind = 'approval.granted' ORDER BY seq")
    found = tale(read(await kept.lines()), action)
    record = await kept.gate.load(action)
    assert [(told.kind, told.actor) for told in found.records] == [
        ("approval.requested", "policy"),
        ("approval.vote", "person:ana"),
        ("approval.granted", "person:bo"),
    ]
    assert [told.position for told in found.records] == sorted(told.position for told in found.records)
    for told in found.records:
        assert told.detail["payload_sha256"] == record.version.payload_sha256
    asked = found.records[0].detail
    assert (asked["policy_digest"], asked["rule"]) == (record.version.policy_digest, "wires")
    (policy,) = found.policies
    assert "Wires take two people" in policy.documents[0][1]
    assert set_digest([Document(name=n, text=t) for n, t in policy.documents]) == asked["policy_digest"]
    assert tale(read(await kept.lines()), "act_nobody").records == ()


async def test_a_bundle_with_other_keys_is_not_believed(kept: Kept, tmp_path: Path):
    """INV-48: whoever rewrote everything cannot sign it in the gate's name."""
    stranger = load_checkpoint_signer(tmp_path / "stranger")
    lines = await kept.lines()
    report = examined_bundle(lambda: lines, keys=stranger.keys, pinned=[], verify=is_signature)
    assert {each.kind for each in report.found} == {"unsigned"}
    assert report.last is None


async def test_a_bundle_that_breaks_off_is_none(kept: Kept):
    lines = await kept.lines()
    for broken in (
        [],
        lines[:-1],
        lines[1:],
        [*lines, lines[0]],
        [lines[0], *lines],
        [*lines[:3], "{}", *lines[3:]],
    ):
        with pytest.raises(NotABundle):
            examined_bundle(lambda told=broken: told, keys=(), pinned=[], verify=is_signature)
