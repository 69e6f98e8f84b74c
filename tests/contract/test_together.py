"""The contract of `Store.together`: commands share a commit, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy.exc

from gate.domain.action import Velocity
from gate.domain.delegation import Delegation
from gate.domain.request import ActionRecord
from gate.store import SqlStore, batches
from gate.store.batches import Batches
from gate.store.kept_back import Writes
from gate.usecases.ports import AloneOnly, Crowded, Outrun
from tests.contract.records import NOW, SetClock, action, approved, audited, grant, later, message
from tests.contract.test_transactions import NOTHING, ONE, counts, submit

ALL = 40


async def one(store: SqlStore, number: int, *, turn: str = "a") -> None:
    async with store.together(turn) as tx:
        await submit(tx, number)


def watched(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each transaction held, as they are committed."""
    assert store._batches is not None
    writer = store._batches._writer
    sizes: list[int] = []
    write = writer.write

    async def counted(commands: list[Writes]) -> list[bool]:
        sizes.append(len(commands))
        return await write(commands)

    monkeypatch.setattr(writer, "write", counted)
    return sizes


async def test_state_record_deadline_and_outbox_commit_together(store: SqlStore) -> None:
    """INV-33, INV-44, INV-43: what is left cleanly is stored whole, and read back the same."""
    async with store.together("a") as tx:
        await submit(tx)
        async with store.reading() as other:
            assert await other.actions.get("act_0001") is None
    assert counts(store) == ONE
    async with store.reading() as tx:
        assert await tx.actions.get("act_0001") == action()
        assert await tx.audit.of_action("act_0001") == (audited(action="act_0001"),)


async def test_commands_at_once_share_a_few_commits(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watched(store, monkeypatch)
    await asyncio.gather(*(one(store, number) for number in range(1, ALL + 1)))
    assert set(counts(store).values()) == {ALL}
    assert sum(sizes) == ALL
    assert len(sizes) < ALL / 4


async def test_an_action_changed_before_it_is_stored_is_stored_as_changed(store: SqlStore) -> None:
    """A grant issued in the transaction that stores the action: one row, of the second revision."""
    async with store.together("a") as tx:
        await submit(tx)
        assert await tx.actions.save(approved(action()), expected_revision=1)
        await tx.grants.add(grant())
    async with store.reading() as tx:
        assert await tx.actions.get("act_0001") == approved(action())
        assert await tx.grants.get(grant().jti) == grant()


async def test_of_equal_keys_at_once_one_is_stored(store: SqlStore) -> None:
    """INV-42: the others are told, nothing of theirs is stored, and their neighbours are committed."""

    async def same_key(number: int) -> None:
        async with store.together("a") as tx:
            assert await tx.actions.add(action(number), idempotency_key="k", body_sha256="b")
            await tx.audit.append(audited(action=f"act_{number:04d}"))
            await tx.outbox.add(message(number, action=f"act_{number:04d}"))

    ends = await asyncio.gather(
        *(same_key(number) for number in range(1, 9)), one(store, 99), return_exceptions=True
    )
    assert Counter(type(end) for end in ends) == {type(None): 2, Outrun: 7}
    assert set(counts(store).values()) == {2}


@pytest.mark.parametrize(
    "change", [approved, lambda before, person: replace(approved(before, person), votes=before.votes)]
)
async def test_of_changes_of_one_action_at_once_one_is_stored(
    store: SqlStore, change: Callable[[ActionRecord, str], ActionRecord]
) -> None:
    """INV-03, INV-44, INV-45: one winner, one record; the others are told, whether or not the change adds rows."""
    async with store.writing() as tx:
        await submit(tx)

    async def decide(person: str) -> None:
        async with store.together(person) as tx:
            before = await tx.actions.get("act_0001")
            assert before is not None
            assert await tx.actions.save(change(before, person), expected_revision=before.revision)
            await tx.audit.append(audited("approval.granted", action="act_0001"))

    ends = await asyncio.gather(
        *(decide(person) for person in ("ana", "bo", "cho", "dee")), one(store, 2), return_exceptions=True
    )
    assert [type(end) for end in ends].count(Outrun) == 3
    assert ends[-1] is None
    async with store.reading() as tx:
        records = await tx.audit.of_action("act_0001")
        assert [record.kind for record in records].count("approval.granted") == 1
        assert await tx.deadlines.next_at() is not None, "the deadline of the neighbour"
        assert [due.action_id for due in await tx.deadlines.due(later(10**6), limit=9)] == ["act_0002"]


async def test_half_a_command_is_never_stored(store: SqlStore) -> None:
    """INV-33: what it changes could be changed, but its key is taken; and its neighbours do not suffer."""
    async with store.writing() as tx:
        await submit(tx, 1)
        await submit(tx, 2)

    async def join(number: int, key: str) -> None:
        async with store.together("a") as tx:
            before = await tx.actions.get(f"act_{number:04d}")
            assert before is not None
            assert await tx.actions.add_key(before, idempotency_key=key, body_sha256="b")
            after = replace(before, joined=before.joined + 1, revision=before.revision + 1)
            assert await tx.actions.save(after, expected_revision=before.revision)
            await tx.audit.append(audited("approval.joined", action=before.id))

    ends = await asyncio.gather(join(1, "k2"), join(2, "new"), one(store, 3), return_exceptions=True)
    assert [type(end) for end in ends] == [Outrun, type(None), type(None)]
    async with store.reading() as tx:
        assert await tx.actions.get("act_0001") == action(1)
        assert len(await tx.audit.of_action("act_0001")) == 1
        joined = await tx.actions.get("act_0002")
        assert joined is not None
        assert joined.joined == 1


async def test_one_that_cannot_be_stored_does_not_hold_up_the_others(store: SqlStore) -> None:
    """INV-45: a record that the database refuses fails its own command only."""

    async def without_a_kind() -> None:
        async with store.together("b") as tx:
            await submit(tx, 50)
            await tx.audit.append(audited(kind=None))  # type: ignore[arg-type]

    ends = await asyncio.gather(
        one(store, 1),
        without_a_kind(),
        *(one(store, number) for number in range(2, 10)),
        return_exceptions=True,
    )
    assert [type(end) for end in ends if end is not None] != []
    assert not any(isinstance(end, sqlalchemy.exc.SQLAlchemyError | Outrun) for end in ends)
    assert sum(end is not None for end in ends) == 1
    assert set(counts(store).values()) == {9}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
async def test_any_way_out_but_the_clean_one_stores_nothing(store: SqlStore, error: type) -> None:
    """INV-33, INV-45."""

    async def interrupted() -> None:
        async with store.together("a") as tx:
            await submit(tx)
            raise error

    with pytest.raises(error):
        await interrupted()
    assert counts(store) == NOTHING


async def test_a_cancellation_at_any_moment_stores_all_or_nothing(store: SqlStore) -> None:
    """INV-46: what was begun is finished whole, and a command that was not begun is not stored."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    for number in range(1, 81):
        task = asyncio.create_task(one(store, number, turn=str(number % 7)))
        loop.call_later(number * 37 % 80 / 4_000, task.cancel)
        tasks.append(task)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    found = counts(store)
    assert len(set(found.values())) == 1, found
    assert sum(end is None for end in ends) <= found["actions"]
    await one(store, 999)
    assert counts(store)["actions"] == found["actions"] + 1
    assert store._batches is not None
    assert store._batches._inside == {}


async def test_a_delegation_that_ends_before_the_commit_carries_no_decision(store: SqlStore) -> None:
    """INV-07, INV-13."""
    lent = Delegation(
        id="del_1",
        grantor="ana",
        delegate="bo",
        topics=(),
        groups=(),
        start=NOW,
        end=NOW + timedelta(hours=1),
        reason="Away",
        created_at=NOW,
    )
    async with store.writing() as tx:
        await submit(tx)
        await tx.delegations.add(lent)

    async def decide() -> None:
        async with store.together("bo") as tx:
            assert await tx.delegations.in_force(NOW, hold=True) == (lent,)
            assert await tx.actions.save(approved(action(), "bo"), expected_revision=1)
            async with store.writing() as other:
                assert await other.delegations.revoke("del_1", at=NOW, by="ana")

    with pytest.raises(Outrun):
        await decide()
    async with store.reading() as tx:
        assert await tx.actions.get("act_0001") == action()


async def cards_to_send(store: SqlStore) -> list[tuple[str, str]]:
    async with store.reading() as tx:
        return [(each.id, each.action_id) for each in await tx.outbox.rows(dead_only=False, limit=99)]


async def test_a_card_that_left_before_the_commit_is_sent_again(store: SqlStore) -> None:
    """INV-37: what waited to be shown was claimed meanwhile with the state before."""
    async with store.writing() as tx:
        await submit(tx)
    async with store.together("a") as tx:
        assert await tx.actions.save(approved(action()), expected_revision=1)
        await tx.outbox.add_cards(message(2))
        async with store.writing() as other:
            assert len(await other.outbox.claim("slack", later(60), lease_sec=60, limit=9)) == 1
    assert await cards_to_send(store) == [("msg_0001", "act_0001"), ("msg_0002", "act_0001")]


async def test_a_card_that_is_just_being_claimed_is_sent_again(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-37: the claim is not committed yet, and shows what was so before all the same."""
    if not store.address.postgres:
        pytest.skip("SQLite has one writer at a time")
    async with store.writing() as tx:
        await submit(tx)
    async with other_store.writing() as claiming:
        assert len(await claiming.outbox.claim("slack", later(60), lease_sec=60, limit=9)) == 1
        async with store.together("a") as tx:
            await tx.outbox.add_cards(message(2))
    assert [each for each, _ in await cards_to_send(store)] == ["msg_0001", "msg_0002"]


async def test_of_cards_that_wait_one_is_sent_for_each_action(store: SqlStore) -> None:
    """INV-37: whether it waited before, or is added by several at once."""
    async with store.writing() as tx:
        await submit(tx, 1)
        await submit(tx, 2)
    (lent,) = await claimed_one(store, "act_0002")

    async def redrawn(number: int, *actions: str) -> None:
        async with store.together(str(number)) as tx:
            cards = [message(number + n, action=each) for n, each in enumerate(actions)]
            await tx.outbox.add_cards(*cards)

    await asyncio.gather(redrawn(10, "act_0001", "act_0002"), redrawn(20, "act_0002", "act_0003"))
    found = await cards_to_send(store)
    assert Counter(each for _, each in found) == {"act_0001": 1, "act_0002": 2, "act_0003": 1}
    assert lent in found


async def claimed_one(store: SqlStore, action_id: str) -> list[tuple[str, str]]:
    """Claim all that is due and let go of it again but for this action's."""
    async with store.writing() as tx:
        for each in await tx.outbox.claim("slack", later(60), lease_sec=60, limit=9):
            if each.action_id != action_id:
                await tx.outbox.retry(each.id, at=later(60), error="", counts=False)
    return [each for each in await cards_to_send(store) if each[1] == action_id]


async def test_a_flood_is_told_to_come_again(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SHARE", 2)
    monkeypatch.setattr(batches, "ROOM", 3)
    ends = await asyncio.gather(
        *(one(store, number, turn="flood") for number in range(1, 5)),
        *(one(store, number, turn=str(number)) for number in (5, 6)),
        return_exceptions=True,
    )
    told = [end.whole if isinstance(end, Crowded) else end for end in ends]
    assert told == [None, None, False, False, None, True]
    await asyncio.gather(*(one(store, number, turn="flood") for number in (7, 8)))


async def test_everybody_is_served_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends much does not make those wait who send little; each one's own are done in their order."""
    monkeypatch.setattr(batches, "AT_MOST", 3)
    done: list[list[int]] = []

    class Noting:
        async def write(self, commands: list[Writes]) -> list[bool]:
            done.append([number for each in commands for number, of in enumerate(commands_of) if of is each])
            await asyncio.sleep(0)
            return [True] * len(commands)

        ask = close = None

    commands_of = [Writes() for _ in range(8)]
    line = Batches(Noting(), Noting(), asyncio.Lock)  # type: ignore[arg-type]
    await asyncio.gather(
        *(line.commit("flood", each) for each in commands_of[:6]),
        line.commit("b", commands_of[6]),
        line.commit("c", commands_of[7]),
    )
    assert done == [[0, 6, 7], [1, 2, 3], [4, 5]]


async def test_a_limit_is_not_passed_by_many_at_once(store: SqlStore) -> None:
    """Threat 23: five at once, room for two. Whoever cannot be sure is told to come alone."""

    async def ask(number: int) -> bool:
        async with store.together("agt_bot") as tx:
            if await tx.actions.pending_count("agt_bot", cap=2) >= 2:
                return False
            await submit(tx, number)
        return True

    ends = await asyncio.gather(*(ask(number) for number in range(1, 6)), return_exceptions=True)
    assert [type(end) for end in ends] == [bool, bool, AloneOnly, AloneOnly, AloneOnly]
    assert counts(store)["actions"] == 2
    assert not await ask(6)


async def test_what_was_spent_in_a_time_is_not_asked_together(store: SqlStore) -> None:
    """Threat 24: two halves of an amount at once would both stay below the limit."""
    probe = Velocity(per_sec=60, key=("agent",), sum_of="amount_usd")
    with pytest.raises(AloneOnly):
        async with store.together("a") as tx:
            await tx.actions.velocity(probe, {"agent": "agt_bot"}, NOW)


async def test_what_needs_a_lock_says_so(store: SqlStore) -> None:
    with pytest.raises(AloneOnly):
        async with store.together("a") as tx:
            await tx.actions.alone("act_0001")


async def test_a_look_sees_what_is_committed_and_writes_nothing(store: SqlStore, clock: SetClock) -> None:
    await one(store, 1)
    look = store.now
    assert await look.actions.get("act_0001") == action()
    assert await look.outbox.any_due("slack", later(60))
    assert not await look.outbox.any_due("webhook", later(60))
    with pytest.raises(TypeError):
        await look.outbox.add(message(2))
    await one(store, 2)
    assert await look.actions.get("act_0002") == action(2)
