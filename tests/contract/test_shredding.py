"""Shredding in both databases: what an action held is nowhere any more, and it is found by whose data it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.request import ActionRecord, Shredding
from gate.domain.shredding import emptied
from gate.store import SqlStore, open_store
from gate.store.rows import SEALED
from gate.store.tables import actions
from gate.usecases.ports import Outrun
from tests.contract.records import SetClock, later
from tests.contract.test_sealed import MARK, added, column, everything, read, told
from tests.fakes.sealing import FixedKeys

SUBJECT = "cus_7731"
GONE = Shredding(at=later(9), by="olga")


def of(number: int, *subjects: str) -> ActionRecord:
    record = told(number)
    return replace(record, verdict=replace(record.verdict, subjects=subjects or None))


async def shred(store: SqlStore, record: ActionRecord) -> bool:
    async with store.writing() as tx:
        return await tx.seals.shred(record, at=GONE.at, by=GONE.by)


async def found(store: SqlStore, subject: str = SUBJECT) -> tuple[str, ...]:
    async with store.reading() as tx:
        return await tx.seals.of_subject(subject)


async def test_actions_are_found_by_whose_data_they_hold_and_nobody_else_can_tell(store: SqlStore):
    """Threat 35: what stands in the tables for a person says nothing without the sealing key."""
    await added(store, of(1, SUBJECT))
    await added(store, of(2, "cus_8", SUBJECT))
    await added(store, of(3, "cus_8"))
    await added(store, of(4))
    assert await found(store) == ("act_0001", "act_0002")
    assert await found(store, "cus_8") == ("act_0002", "act_0003")
    assert await found(store, "cus_773") == ()
    assert not [row for row in everything(store) if SUBJECT in row or "cus_8" in row]
    assert (await read(store)) == of(1, SUBJECT), "the action itself knows"


async def test_an_edit_can_add_a_subject(store: SqlStore):
    record = of(1, "cus_8")
    await added(store, record)
    async with store.writing() as tx:
        held = await tx.actions.get(record.id)
        assert held is not None
        verdict = replace(held.verdict, subjects=("cus_8", SUBJECT))
        changed = replace(held, verdict=verdict, revision=held.revision + 1)
        assert await tx.actions.save(changed, expected_revision=held.revision)
    assert await found(store) == await found(store, "cus_8") == (record.id,)


async def test_what_was_shredded_is_nowhere_and_the_rest_stays(store: SqlStore):
    record = of(1, SUBJECT)
    await added(store, record)
    sealed = [table.c[name] for table, names in SEALED.items() for name in names]
    before = {each: column(store, each) for each in sealed}
    key = column(store, actions.c.data_key)
    assert await shred(store, record)
    assert await read(store) == replace(emptied(record), shredded=GONE)
    assert MARK not in repr(await read(store))
    assert await found(store) == ()
    left = "\n".join(everything(store))
    assert key not in left, "with the key gone, no copy of the content opens"
    assert not [str(each) for each, text in before.items() if text is not None and text in left]
    await store.scrub()
    if store.address.path is not None:
        files = [path.read_bytes() for path in store.address.path.parent.glob(f"{store.address.path.name}*")]
        assert files
        assert not [1 for content in files if key.encode() in content]


async def test_who_had_read_it_before_writes_nothing_over_it(store: SqlStore):
    record = of(1, SUBJECT)
    await added(store, record)

    async def too_late() -> None:
        async with store.together(record.id) as tx:
            held = await tx.actions.get(record.id)
            assert held is not None
            assert await shred(store, record)
            late = replace(held, revision=held.revision + 1, decision_note=MARK)
            await tx.actions.save(late, expected_revision=held.revision)

    with pytest.raises(Outrun):
        await too_late()
    assert await read(store) == replace(emptied(record), shredded=GONE)


async def test_what_somebody_has_changed_meanwhile_is_left_alone(store: SqlStore):
    record = of(1, SUBJECT)
    await added(store, record)
    assert not await shred(store, replace(record, revision=record.revision + 1))
    assert await read(store) == record
    assert await found(store) == (record.id,)


async def test_rows_from_before_there_were_keys_are_wiped_too(database_url: str, clock: SetClock):
    async with open_store(database_url, clock=clock, keys=None) as store:
        await added(store, told(1))
    async with open_store(database_url, clock=clock, keys=FixedKeys("one", plain=True)) as store:
        record = await read(store)
        assert record is not None
        assert [row for row in everything(store) if MARK in row], "or there were nothing to wipe"
        assert await shred(store, record)
        assert not [row for row in everything(store) if MARK in row]
        await store.scrub()
        if store.address.path is not None:
            for path in store.address.path.parent.glob(f"{store.address.path.name}*"):
                assert MARK.encode() not in path.read_bytes(), path
        assert await read(store) == replace(emptied(told(1)), shredded=GONE)


async def test_a_new_sealing_key_finds_the_same_people(database_url: str, clock: SetClock):
    async with open_store(database_url, clock=clock, keys=FixedKeys("one")) as store:
        await added(store, of(1, SUBJECT))
    async with open_store(database_url, clock=clock, keys=FixedKeys("one", "two")) as store:
        await added(store, of(2, SUBJECT))
        assert await found(store) == ("act_0001", "act_0002")
        async with store.writing() as tx:
            for stale in await tx.seals.stale(after="", limit=10):
                assert await tx.seals.renew(stale)
    async with open_store(database_url, clock=clock, keys=FixedKeys("two")) as store:
        assert await found(store) == ("act_0001", "act_0002"), "the old key may be destroyed"
