"""Old months are taken out of the record on both engines, and everything about them can still be proved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from gate.cli.bundles import file_sha256, lines_of
from gate.cli.doctor.machine import store_lines
from gate.cli.taking_out import NotDone, export_month, finish, take_out
from gate.domain.bundle import read, tale
from gate.domain.checkpoint import Checkpoint, opened
from gate.domain.merkle import consistency, inclusion, verify_consistency, verify_inclusion
from gate.domain.months import begins, month_of
from gate.domain.pruning import Surveyed
from gate.domain.refusal import Refused
from gate.domain.request import Choice
from gate.ids import made_at
from gate.keyring.checkpoints import CheckpointSigner, is_signature, load_checkpoint_signer
from gate.metrics import Metrics
from gate.store import standing
from gate.store.address import parse_address
from gate.usecases.auditing import Report, continued, examined, examined_bundle, exported
from gate.usecases.checkup import Health
from gate.usecases.ports import Pruning
from gate.usecases.retention import announce, clear, kept_in, standings, survey, unfinished
from gate.wiring.desk import Desk
from gate.workers.months import MonthKeeper
from tests.fakes.world import World
from tests.integration.workers.test_sequencer import sequencer

NOVEMBER, DECEMBER = (month_of(datetime(2015, month, 1, tzinfo=UTC)) for month in (11, 12))
MONTHS = 84


@dataclass
class Aged:
    """A gate with two old months of record, and what somebody kept of the first one's end."""

    gate: World
    notary: CheckpointSigner
    folder: Path
    pinned: Checkpoint
    early: Checkpoint
    """From some time before that."""
    over: str
    """An action that began and ended in the first month; `across` ended in the second."""
    across: str

    @property
    def desk(self) -> Desk:
        return Desk(store=self.gate.store, deps=self.gate.deps)

    def sql(self, *statements: str) -> list[Any]:
        engine = standing.engine_of(parse_address(self.gate.url))
        rows: list[Any] = []
        try:
            with engine.begin() as connection:
                for statement in statements:
                    result = connection.execute(text(statement))
                    rows = list(result.all()) if result.returns_rows else []
        finally:
            engine.dispose()
        return rows

    async def latest(self) -> Checkpoint:
        async with self.gate.store.reading() as tx:
            sealed = await tx.tree.latest()
        assert sealed is not None
        return opened(sealed.note, self.notary.keys, is_signature)

    async def seal(self) -> None:
        self.gate.clock.pass_(seconds=2)
        await sequencer(self.gate, self.notary, Metrics()).look()

    async def surveyed(self, month: int = NOVEMBER) -> Surveyed | Refused:
        return await survey(self.gate.store, month, now=self.gate.clock.now(), months=MONTHS)

    async def refusal(self, month: int = NOVEMBER) -> str:
        found = await self.surveyed(month)
        assert isinstance(found, Refused)
        return found.sentence

    async def pruned(self, month: int = NOVEMBER, name: str = "old.jsonl.gz") -> Path:
        found = await self.surveyed(month)
        assert isinstance(found, Surveyed), found
        file = self.folder / name
        sha256 = await export_month(self.desk, self.notary, file, found.first, found.last)
        await take_out(self.desk, self.notary, found, month=month, file=file, sha256=sha256, by="root")
        return file

    async def announced(self) -> Pruning:
        found = await self.surveyed()
        assert isinstance(found, Surveyed)
        made = await announce(
            self.gate.deps, found, month=NOVEMBER, bundle="old", bundle_sha256="00", by="root"
        )
        assert isinstance(made, Pruning)
        return made

    async def examined(self) -> Report:
        """The database and a bundle of it, which must come to the same, against a checkpoint from before."""
        keys, pinned = self.notary.keys, [self.pinned]
        found = await examined(self.gate.store, keys=keys, pinned=pinned, verify=is_signature)
        lines = [line async for line in exported(self.gate.store, keys=keys, now=self.gate.clock.now())]
        bundled = examined_bundle(lambda: lines, keys=keys, pinned=pinned, verify=is_signature)
        assert (bundled.found, bundled.pruned) == (found.found, found.pruned)
        return found

    async def kinds(self) -> list[str]:
        return sorted({each.kind for each in (await self.examined()).found})

    def rows(self, table: str = "audit") -> int:
        return self.sql(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608


async def settled(aged: Aged) -> None:
    """Messages arrived, and grants ran out."""
    aged.sql("DELETE FROM outbox", "DELETE FROM deadlines")


@pytest.fixture
async def aged(gate: World, tmp_path: Path) -> Aged:
    notary = load_checkpoint_signer(tmp_path / "keys")
    months = MonthKeeper(store=gate.store, clock=gate.clock)
    gate.clock.at = datetime(2015, 11, 2, 9, tzinfo=UTC)
    await months.look()
    await gate.record_policy()
    over = (await gate.propose("pay.wire")).record.id
    for person in ("ana", "bo"):
        await gate.vote(await gate.load(over), person)
    for number in range(4):
        await gate.propose("crm.read", payload={"id": number})
    across = (await gate.propose("pay.refund")).record.id
    none = Checkpoint(origin="", size=0, root=b"")
    made = Aged(gate, notary, tmp_path, none, none, over, across)
    await made.seal()
    made.early = await made.latest()
    await gate.propose("crm.read", payload={"id": 5})
    await made.seal()
    made.pinned = await made.latest()
    gate.clock.at = datetime(2015, 12, 1, tzinfo=UTC)
    await months.look()
    await gate.vote(await gate.load(across), "ana", Choice.REJECT, comment="no")
    await gate.propose("crm.read", payload={"id": 9})
    await made.seal()
    gate.clock.at = datetime(2026, 11, 28, tzinfo=UTC)
    await months.look()
    await gate.propose("crm.read", payload={"id": 10})
    await made.seal()
    await settled(made)
    for action, message in ((over, "dig_1"), (across, "dig_2")):
        made.sql(
            f"INSERT INTO cards (action_id, channel, posting_since, digest) VALUES ('{action}', 'C', 0, '{message}')",  # noqa: S608
            f"INSERT INTO digests VALUES ('{message}', 'a', 'C', NULL, NULL, 0, 0, 1, true, '', NULL, NULL)",  # noqa: S608
            f"INSERT INTO shown VALUES ('{action}', 'card', '', 1, 'x', 0)",  # noqa: S608
        )
        made.sql(f"INSERT INTO subjects VALUES ('of {action}', '{action}')")  # noqa: S608
    return made


async def test_what_was_taken_out_can_still_be_proved(aged: Aged) -> None:
    """INV-50: rows and content of a month go; proofs of what is gone and of what is there hold, and bundles verify."""
    store, keys = aged.gate.store, aged.notary.keys
    whole = [line async for line in exported(store, keys=keys, now=aged.gate.clock.now())]
    old = await aged.latest()
    async with store.reading() as tx:
        leaves = {leaf.position: leaf for leaf in await tx.tree.kept(after=-1, limit=100)}
    before = aged.rows()
    file = await aged.pruned()

    # What is gone, and what is not.
    (named,) = (await aged.examined()).pruned
    count = named.last + 1
    assert (named.first, named.by, named.bundle_sha256) == (0, "operator:root", file_sha256(file))
    assert aged.rows() == before - count + 1
    assert aged.sql(f"SELECT count(*) FROM audit WHERE seq < {begins(DECEMBER)}")[0][0] == 0  # noqa: S608
    left = {row[0] for row in aged.sql("SELECT id FROM actions")}
    assert aged.over not in left
    assert aged.across in left
    for table in ("versions", "votes", "grants", "asks", "idempotency", "cards", "shown", "subjects"):
        assert {row[0] for row in aged.sql(f"SELECT action_id FROM {table}")} <= left, table  # noqa: S608
    assert aged.sql("SELECT id FROM digests") == [("dig_2",)]

    # The record as it is now.
    assert await aged.kinds() == []
    today = await aged.latest()
    async with store.reading() as tx:
        assert await tx.tree.strays() == ()
        for position, leaf in leaves.items():
            found = await tx.tree.leaf(leaf.hash)
            assert found is not None
            proof = inclusion(position, today.size)
            made = proof.made((await tx.tree.nodes(proof.nodes)).__getitem__)
            assert verify_inclusion(
                leaf=leaf.hash, index=position, size=today.size, proof=made, root=today.root
            )
        for earlier in (aged.pinned, old):
            proof = consistency(earlier.size, today.size)
            made = proof.made((await tx.tree.nodes(proof.nodes)).__getitem__)
            assert verify_consistency(
                first=earlier.size,
                first_root=earlier.root,
                second=today.size,
                second_root=today.root,
                proof=made,
            )

    # A bundle from before, the month's own, and today's checkpoint.
    for lines, size in ((lambda: whole, old.size), (lambda: lines_of(file), aged.pinned.size)):
        alone = examined_bundle(lines, keys=keys, pinned=[today], verify=is_signature)
        assert [each.kind for each in alone.found] == ["older_copy"], "as it should be, for a bundle alone"
        proofs = [await continued(store, size, today.size)]
        joined = examined_bundle(lines, keys=keys, pinned=[today], verify=is_signature, proofs=proofs)
        assert joined.found == ()
    told = tale(read(lines_of(file)), aged.over)
    assert [each.kind for each in told.records] == [
        "approval.requested",
        "approval.vote",
        "approval.granted",
    ]
    assert told.policies
    since = made_at(aged.over)
    assert since is not None
    assert [each.bundle for each in await kept_in(store, since)] == [file.name]


async def test_month_after_month_goes_and_each_bundle_proves_itself(aged: Aged) -> None:
    """INV-50: also a bundle that does not start at the first record, and one that has the record of a pruning."""
    await aged.pruned()
    first = (await aged.latest()).size
    file = await aged.pruned(DECEMBER, "next.jsonl.gz")
    report = await aged.examined()
    assert report.found == ()
    assert [(each.first, each.last) for each in report.pruned] == [
        (0, aged.pinned.size - 1),
        (aged.pinned.size, report.pruned[1].last),
    ]
    keys = aged.notary.keys
    proofs = [await continued(aged.gate.store, aged.early.size, report.pruned[1].last + 1)]
    alone = examined_bundle(lambda: lines_of(file), keys=keys, pinned=[aged.early], verify=is_signature)
    assert [each.kind for each in alone.found] == ["unproven"]
    joined = examined_bundle(
        lambda: lines_of(file),
        keys=keys,
        pinned=[aged.early, aged.pinned],
        verify=is_signature,
        proofs=proofs,
    )
    assert joined.found == ()
    assert joined.records < first
    assert {row[0] for row in aged.sql("SELECT id FROM actions")}.isdisjoint({aged.over, aged.across})


async def test_a_proof_of_another_record_connects_nothing(aged: Aged) -> None:
    """INV-48: a bundle whose own tree was changed is not joined to what was kept elsewhere."""
    keys, store = aged.notary.keys, aged.gate.store
    lines = [line async for line in exported(store, keys=keys, now=aged.gate.clock.now())]
    today = await aged.latest()
    await aged.gate.propose("crm.read", payload={"id": 11})
    await aged.seal()
    later = await aged.latest()
    proof = await continued(store, today.size, later.size)
    other = type(proof)(first=proof.first, second=proof.second, path=proof.path[::-1] + proof.path[:1])
    found = examined_bundle(
        lambda: lines, keys=keys, pinned=[later], verify=is_signature, proofs=[other]
    ).found
    assert [each.kind for each in found] == ["forked"]


@pytest.mark.parametrize("how", ["a row", "a pruning of their own", "beyond what is named"])
async def test_rows_that_no_record_names_are_missed(aged: Aged, how: str) -> None:
    """INV-48, INV-50: whoever has the database may delete rows, and even say so there; the signed record does not."""
    if how == "a row":
        (seq,) = aged.sql(f"SELECT max(seq) FROM audit WHERE seq < {begins(DECEMBER)}")[0]  # noqa: S608
        await tampered(aged, f"DELETE FROM audit WHERE seq = {seq}")  # noqa: S608
    elif how == "a pruning of their own":
        aged.sql(f"INSERT INTO prunings VALUES ({begins(DECEMBER)}, 0, 5, 0, 0, 'x', 'x', 'x', 'x', 0)")  # noqa: S608
        await tampered(aged, f"DELETE FROM audit WHERE seq < {begins(DECEMBER)}")  # noqa: S608
    else:
        await aged.pruned()
        (seq,) = aged.sql(f"SELECT min(seq) FROM audit WHERE seq > {begins(DECEMBER)}")[0]  # noqa: S608
        await tampered(aged, f"DELETE FROM audit WHERE seq = {seq}")  # noqa: S608
    assert await aged.kinds() == ["removed"]


async def tampered(aged: Aged, statement: str) -> None:
    if aged.gate.store.address.postgres:
        aged.sql("ALTER TABLE audit DISABLE TRIGGER audit_keeps_rows", statement)
    else:
        trigger = "SELECT sql FROM sqlite_master WHERE name = 'audit_keeps_delete'"
        ((made,),) = aged.sql(trigger)
        aged.sql("DROP TRIGGER audit_keeps_delete", statement, made)


async def test_nothing_is_deleted_that_was_not_announced(aged: Aged) -> None:
    """INV-48: rows of an announced month are let go, and no others; none goes before that is signed."""
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"):
        aged.sql(f"DELETE FROM audit WHERE seq < {begins(DECEMBER)}")  # noqa: S608
    async with aged.gate.store.writing() as tx:
        with pytest.raises(ValueError, match="no pruning"):
            await tx.retention.take_out(NOVEMBER, limit=10)
    before = aged.rows()
    pruning = await aged.announced()
    with pytest.raises(ValueError, match="signed"):
        async for _ in clear(aged.gate.store, pruning):
            pass
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"):
        aged.sql(f"DELETE FROM audit WHERE seq >= {begins(DECEMBER)}")  # noqa: S608
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"):
        aged.sql("DELETE FROM prunings")
    assert aged.rows() == before + 1
    assert "its removal has begun" in await aged.refusal()


async def test_what_broke_off_is_finished_later(aged: Aged) -> None:
    """INV-53: a crash between any two steps leaves a record in order, and the verb goes on from there."""
    pruning = await aged.announced()
    assert await aged.kinds() == []
    await aged.seal()
    step = clear(aged.gate.store, pruning)
    await anext(step)
    await step.aclose()
    assert aged.rows() > pruning.last, "content went first"
    assert await aged.kinds() == []
    if not aged.gate.store.address.postgres:
        async with aged.gate.store.writing() as tx:
            assert await tx.retention.take_out(NOVEMBER, limit=2) == 2
        assert await aged.kinds() == []
    assert await unfinished(aged.gate.store) == (pruning,)
    for _ in range(2):
        await finish(aged.desk, aged.notary, pruning)
    assert await unfinished(aged.gate.store) == ()
    assert await aged.kinds() == []


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("UPDATE actions SET status = 'pending' WHERE id = '{over}'", "{over} waits for people"),
        ("UPDATE grants SET state = 'issued', expires_at = 9000000000000000", "has a grant that may be used"),
        (
            "INSERT INTO deadlines (action_id, kind, due_at, seq, step) VALUES ('{over}', 'report', 0, 1, 0)",
            "{over} has a deadline",
        ),
    ],
    ids=["pending", "grant", "deadline"],
)
async def test_a_month_stays_while_an_action_of_it_is_not_over(aged: Aged, setting: str, says: str) -> None:
    aged.sql(setting.format(over=aged.over))
    assert says.format(over=aged.over) in await aged.refusal()


async def test_a_month_stays_until_its_time_has_come(aged: Aged) -> None:
    async def reasons(month: int) -> str:
        found = await standings(aged.gate.store, now=aged.gate.clock.now(), months=MONTHS)
        return "; ".join(next(each.reasons for each in found if each.stretch.month == month))

    assert await reasons(NOVEMBER) == ""
    assert "older records go first" in await reasons(DECEMBER)
    assert "older records go first" in await aged.refusal(DECEMBER)
    now = month_of(aged.gate.clock.now())
    assert "kept until 2033-11-28; records are still written in it" in await reasons(now)
    aged.gate.clock.at = datetime(2022, 11, 2, 8, 59, tzinfo=UTC)
    assert "kept until 2022-11-02" in await aged.refusal()
    assert "no record of it" in await aged.refusal(NOVEMBER - 1)


async def test_what_no_checkpoint_covers_stays(gate: World, tmp_path: Path) -> None:
    gate.clock.at = datetime(2015, 11, 2, tzinfo=UTC)
    await gate.propose("crm.read")
    gate.clock.at = datetime(2026, 11, 2, tzinfo=UTC)
    await MonthKeeper(store=gate.store, clock=gate.clock).look()
    (first,) = await standings(gate.store, now=gate.clock.now(), months=MONTHS)
    assert first.reasons == ("its records are not numbered yet",)
    async with gate.store.writing() as tx:
        await tx.tree.grow(limit=10)
    (first,) = await standings(gate.store, now=gate.clock.now(), months=MONTHS)
    assert first.reasons == ("no signed checkpoint covers all of it yet",)
    found = await survey(gate.store, 0, now=gate.clock.now(), months=MONTHS)
    assert isinstance(found, Refused)


async def test_a_damaged_month_is_not_taken_out(aged: Aged) -> None:
    """INV-50: its bundle would prove the damage and nothing else."""
    name = "audit_keeps_update" if not aged.gate.store.address.postgres else "audit_keeps_rows"
    change = f"UPDATE audit SET canonical = canonical || '{{}}' WHERE seq = {begins(NOVEMBER) + 2}"  # noqa: S608
    if aged.gate.store.address.postgres:
        aged.sql(f"ALTER TABLE audit DISABLE TRIGGER {name}", change.replace("'{}'", "'x'::bytea"))
    else:
        aged.sql(f"DROP TRIGGER {name}", change)
    before = aged.rows()
    with pytest.raises(NotDone, match="does not verify: unreadable"):
        await aged.pruned()
    assert not list(aged.folder.glob("*old.jsonl.gz*"))
    assert aged.rows() == before


async def test_a_month_whose_partition_somebody_dropped_is_told_and_nothing_goes(aged: Aged) -> None:
    """Its records are stored all the same; who prunes would not find them where their month is."""
    if not aged.gate.store.address.postgres:
        pytest.skip("SQLite has no partitions")
    assert [line.health for line in await store_lines(aged.desk)] == [Health.OK] * 3
    aged.sql("DROP TABLE audit_2026_11")
    await aged.gate.propose("crm.read", payload={"id": 12})
    assert [line.health for line in await store_lines(aged.desk)] == [Health.OK, Health.WARN, Health.OK]
    assert "audit_rest" in await aged.refusal()


async def test_others_go_on_while_a_month_is_taken_out(aged: Aged) -> None:
    """Whoever writes or reads the record meanwhile waits for moments and loses nothing."""
    done = asyncio.Event()
    made: list[str] = []

    async def propose() -> None:
        while not done.is_set():
            made.append((await aged.gate.propose("crm.read", payload={"id": len(made) + 100})).record.id)

    async def read_all() -> None:
        while not done.is_set():
            async with aged.gate.store.reading() as tx:
                await tx.audit.of_action(aged.across)
                await tx.tree.strays()

    company = [asyncio.create_task(work()) for work in (propose, read_all)]
    await aged.pruned()
    done.set()
    await asyncio.gather(*company)
    async with aged.gate.store.reading() as tx:
        for action in made:
            assert await tx.audit.of_action(action)
    await aged.seal()
    assert await aged.kinds() == []


async def test_a_bundle_is_never_written_over(aged: Aged) -> None:
    (aged.folder / "old.jsonl.gz").write_text("of somebody else")
    with pytest.raises(NotDone, match="there already"):
        await aged.pruned()
    assert (aged.folder / "old.jsonl.gz").read_text() == "of somebody else"
