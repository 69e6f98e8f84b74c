"""What is sensitive is sealed on disk, opens only in its own place, and goes on opening under new keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from gate.domain.action import Context, Evidence, Proposal
from gate.domain.request import (
    ActionRecord,
    Choice,
    Outcome,
    Reassignment,
    Rejection,
    Result,
    Status,
    Version,
    Vote,
)
from gate.domain.verdict import OUTSIDE, ApprovalPlan
from gate.store import SqlStore, UnreadableRow, open_store
from gate.store.rows import SEALED
from gate.store.tables import actions, metadata, versions, votes
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, SetClock, action, later
from tests.fakes.sealing import FixedKeys

MARK = "Zwetschgenkuchen"
"""A word that stands in everything sensitive, and nowhere else."""


def told(number: int = 1, mark: str = MARK) -> ActionRecord:
    """Rejected after an edit, with the mark in everything a person or agent wrote."""
    first = action(number, payload={"iban": mark}, payload_sha256="a" * 64)
    proposal = Proposal(
        topic="pay.refund",
        payload=first.proposal.payload,
        summary=mark,
        rationale=mark,
        labels={"customer": mark},
        evidence=(Evidence(label="Order", value=mark),),
        context=Context(original_request=mark),
    )
    plan = ApprovalPlan(groups=("finance",), evidence=(Evidence(label="Customer", value=mark),))
    edited = Version(
        number=2,
        payload={"iban": mark, "amount": 2},
        payload_sha256="b" * 64,
        policy_digest="sha256:one",
        rule="refunds",
        created_at=later(1),
        editor="ana",
        comment=mark,
    )
    return replace(
        first,
        proposal=proposal,
        verdict=replace(first.verdict, trigger=f"labels customer {mark}", plan=plan),
        plan=plan,
        status=Status.REJECTED,
        versions=(*first.versions, edited),
        votes=(Vote(person="ana", choice=Choice.REJECT, version=2, at=later(2), comment=mark),),
        reassignments=(Reassignment(by="ana", to=("bo",), reason=mark, at=later(1)),),
        rejection=Rejection(category="other", comment=mark),
        outcome=Outcome(result=Result.FAILED, at=later(3), reporter="agt_bot", detail=mark),
        decision_note=mark,
        decided_at=later(2),
        decided_by="ana",
        deadline=None,
    )


async def added(store: SqlStore, record: ActionRecord) -> None:
    async with store.writing() as tx:
        assert await tx.actions.add(record, idempotency_key=None, body_sha256="c" * 64)


async def read(store: SqlStore, action_id: str = "act_0001") -> ActionRecord | None:
    async with store.reading() as tx:
        return await tx.actions.get(action_id)


def everything(store: SqlStore) -> Iterator[str]:
    engine = blocking_engine(store)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            yield from map(str, connection.execute(select(table)).all())
    engine.dispose()


def tampered(store: SqlStore, statement: Any) -> None:
    engine = blocking_engine(store)
    with engine.begin() as connection:
        assert connection.execute(statement).rowcount == 1
    engine.dispose()


def column(store: SqlStore, of: Any, action_id: str = "act_0001") -> Any:
    key = actions.c.id if of.table is actions else of.table.c.action_id
    engine = blocking_engine(store)
    with engine.connect() as connection:
        found = connection.execute(select(of).where(key == action_id)).scalars().first()
    engine.dispose()
    return found


async def test_nothing_sensitive_stands_in_any_table_or_file(store: SqlStore):
    """Threat 35: payload, evidence, context, comments and reasons are nowhere to be read, in no column and no byte of
    the database file or its log; and everything is read back as it was."""
    record = told()
    await added(store, record)
    assert await read(store) == record
    assert not [row for row in everything(store) if MARK in row]
    if store.address.path is not None:
        files = list(store.address.path.parent.glob(f"{store.address.path.name}*"))
        assert len(files) >= 2
        assert not [path for path in files if MARK.encode() in path.read_bytes()]


async def test_what_broke_a_constraint_is_sealed(store: SqlStore):
    """Threat 35: the reason of such a denial names it."""
    record = action(1)
    said = f"the host {MARK} is not on the list"
    verdict = replace(record.verdict, reason=f"{OUTSIDE} 'r': {said}", trigger=said)
    record = replace(record, verdict=verdict)
    await added(store, record)
    assert await read(store) == record
    assert not [row for row in everything(store) if MARK in row]


@pytest.mark.parametrize(
    "sealed",
    [
        table.c[name]
        for table, names in SEALED.items()
        for name in names
        if name != "emergency" and (table, name) != (versions, "comment")
    ],
    ids=str,
)
async def test_a_text_opens_in_its_own_place_only(store: SqlStore, sealed: Any):
    """Threat 26: a sealed text moved from another action, changed, or written in plain is refused by name."""
    await added(store, told(1))
    await added(store, told(2))
    own, others = column(store, sealed), column(store, sealed, "act_0002")
    key = actions.c.id if sealed.table is actions else sealed.table.c.action_id
    mine = update(sealed.table).where(key == "act_0001")
    if sealed.table is versions:
        mine = mine.where(versions.c.number == 1)
    middle = len(own) // 2
    changed = own[:middle] + ("A" if own[middle] != "A" else "B") + own[middle + 1 :]
    for forged, why in (
        (others, "its seal is broken"),
        (changed, "its seal is broken"),
        ('{"v":1,"d":{}}', "not sealed as the rest"),
    ):
        tampered(store, mine.values({sealed.name: forged}))
        with pytest.raises(UnreadableRow, match=rf"Action act_0001.*{why}"):
            await read(store)
    tampered(store, mine.values({sealed.name: own}))
    assert await read(store) == told(1)


async def test_the_payload_of_one_version_is_not_taken_for_another(store: SqlStore):
    """INV-11: nor does it open under another digest than its own."""
    await added(store, told())
    second = update(versions).where(versions.c.action_id == "act_0001", versions.c.number == 2)
    first = column(store, versions.c.payload)
    tampered(store, second.values(payload=first))
    with pytest.raises(UnreadableRow, match="version 2"):
        await read(store)
    await added(store, told(2))
    tampered(store, update(actions).where(actions.c.id == "act_0002").values(payload_sha256="d" * 64))
    with pytest.raises(UnreadableRow, match="version 1"):
        await read(store, "act_0002")


async def test_the_key_of_one_action_opens_no_other(store: SqlStore):
    await added(store, told(1))
    await added(store, told(2))
    theirs = column(store, actions.c.data_key, "act_0002")
    tampered(store, update(actions).where(actions.c.id == "act_0001").values(data_key=theirs))
    with pytest.raises(UnreadableRow, match="belongs to another action"):
        await read(store)


async def test_an_action_written_plain_past_the_gate_is_refused(store: SqlStore, database_url: str):
    """Where everything is sealed nobody who only writes the database can put a payload of theirs under an action."""
    async with open_store(database_url, clock=SetClock(), exclusive=False) as without_keys:
        await added(without_keys, told())
        assert await read(without_keys) == told()
    with pytest.raises(UnreadableRow, match="not sealed, as everything here is"):
        await read(store)


async def test_without_its_keys_nothing_sealed_is_read(store: SqlStore, database_url: str):
    await added(store, told())
    async with open_store(database_url, clock=SetClock(), exclusive=False) as without_keys:
        with pytest.raises(UnreadableRow, match="keys were not given"):
            await read(without_keys)
    other = FixedKeys("other")
    async with open_store(database_url, clock=SetClock(), exclusive=False, keys=other) as lost:
        with pytest.raises(UnreadableRow, match="under the key 'one', which is not in the keys folder"):
            await read(lost)


async def test_a_change_after_reading_back_keeps_what_was_sealed(store: SqlStore):
    record = action(1, payload={"iban": MARK})
    await added(store, record)
    async with store.writing() as tx:
        before = await tx.actions.get(record.id)
        assert before is not None
        vote = Vote(person="ana", choice=Choice.APPROVE, version=1, at=NOW, comment=MARK)
        after = replace(before, votes=(vote,), revision=2)
        assert await tx.actions.save(after, expected_revision=1)
    assert await read(store) == after
    assert MARK not in str(column(store, votes.c.comment))


async def brought_up(store: SqlStore) -> int:
    renewed = 0
    async with store.writing() as tx:
        for action_id in await tx.seals.stale(after="", limit=100):
            renewed += await tx.seals.renew(action_id)
    async with store.reading() as tx:
        assert await tx.seals.left() == 0
    return renewed


async def test_old_plain_actions_and_old_keys_are_brought_under_the_current_key(
    store: SqlStore, database_url: str
):
    """Both stay readable until then; afterwards nothing plain and nothing of the old key is left."""
    async with open_store(database_url, clock=SetClock(), exclusive=False) as without_keys:
        await added(without_keys, told(1))
    await added(store, told(2))
    keys = FixedKeys("one", "two", plain=True)
    async with open_store(database_url, clock=SetClock(), exclusive=False, keys=keys) as renewing:
        assert await read(renewing, "act_0001") == told(1)
        assert await read(renewing, "act_0002") == told(2)
        await added(renewing, told(3))
        assert await brought_up(renewing) == 2
        assert await brought_up(renewing) == 0
        await renewing.scrub()
    keys = FixedKeys("two")
    async with open_store(database_url, clock=SetClock(), exclusive=False, keys=keys) as renewed:
        for number in (1, 2, 3):
            assert await read(renewed, f"act_000{number}") == told(number)
    assert not [row for row in everything(store) if MARK in row]
    if store.address.path is not None:
        files = store.address.path.parent.glob(f"{store.address.path.name}*")
        assert not [path for path in files if MARK.encode() in path.read_bytes()]


async def test_a_change_decided_before_the_action_was_sealed_moves_no_row(store: SqlStore):
    """Nothing plain is written into an action that was sealed since it was read: the change is decided anew."""
    if store.address.path is not None:
        return  # one writer: nobody can seal between its read and its write
    keys = FixedKeys("one", plain=True)
    url = store.address.url.render_as_string(hide_password=False)
    async with (
        open_store(url, clock=SetClock(), exclusive=False) as without_keys,
        open_store(url, clock=SetClock(), exclusive=False, keys=keys) as sealing,
    ):
        await added(without_keys, action(1))
        async with without_keys.writing() as tx:
            seen = await tx.actions.get("act_0001")
            assert seen is not None
            assert await brought_up(sealing) == 1
            after = replace(seen, decision_note=MARK, revision=2)
            assert not await tx.actions.save(after, expected_revision=1)
        assert (await read(sealing)) == seen
