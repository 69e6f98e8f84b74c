"""The contract of `ports.Outbox`: leases, order per action, dead letters that block nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from gate.store import SqlStore
from gate.usecases.ports import AloneOnly, Message, Outrun
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, later, message


async def put(store: SqlStore, *messages: Message) -> None:
    async with store.writing() as tx:
        for each in messages:
            await tx.outbox.add(each)


async def claim(store: SqlStore, at: float = 0, *, channel: str = "slack", limit: int = 9) -> list[str]:
    async with store.writing() as tx:
        claimed = await tx.outbox.claim(channel, later(at), lease_sec=30, limit=limit)
    return [each.id for each in claimed]


async def every(store: SqlStore, *, dead_only: bool = False) -> tuple[Message, ...]:
    async with store.reading() as tx:
        return await tx.outbox.rows(dead_only=dead_only, limit=99)


async def test_a_message_is_read_back_as_it_was_added(store: SqlStore) -> None:
    odd = message(1, body={"event": "x", "n": [1, 1.5, None, "é\x00"]}, attempts=3, last_error="no\x00")
    await put(store, odd)
    assert await every(store) == (odd,)


async def test_only_the_head_of_each_line_is_claimed(store: SqlStore) -> None:
    """INV-35: order holds per action and channel; other actions and channels are lines of their own."""
    await put(
        store,
        message(1),
        message(2),
        message(3, action="act_0002"),
        message(4, channel="webhook", kind="event"),
    )
    assert await claim(store) == ["msg_0001", "msg_0003"]
    assert await claim(store) == []
    assert await claim(store, channel="webhook") == ["msg_0004"]
    async with store.writing() as tx:
        await tx.outbox.delivered("msg_0001")
    assert await claim(store) == ["msg_0002"]


async def test_a_message_that_waits_for_its_readers_minute_holds_up_what_else_they_are_sent(
    store: SqlStore,
) -> None:
    """INV-35, INV-37: neither the card nor anybody else waits behind a direct message."""
    to = [{"person": person, "why": "escalated"} for person in ("ana", "bo", "ana")]
    ana, bo, ana_again = (message(n, kind="dm", body=body, due_at=NOW) for n, body in enumerate(to, 1))
    await put(store, replace(ana, due_at=later(60)), bo, ana_again, message(4, kind="card"))
    assert await claim(store) == ["msg_0002", "msg_0004"]
    assert await claim(store, 60) == ["msg_0002", "msg_0004", "msg_0001"]  # the leases of two ran out
    assert await claim(store, 61) == []


async def test_a_direct_message_comes_after_the_card_it_leads_to(store: SqlStore) -> None:
    await put(store, message(1, kind="card"), message(2, kind="dm", body={"person": "ana", "why": "asked"}))
    assert await claim(store) == ["msg_0001"]


async def test_a_message_is_claimed_when_it_is_due_the_longest_due_first(store: SqlStore) -> None:
    await put(
        store,
        message(1, due_at=later(10)),
        message(2, action="act_0002", due_at=later(5)),
        message(3, action="act_0003", due_at=later(11)),
    )
    assert await claim(store, 10, limit=1) == ["msg_0002"]
    assert await claim(store, 10) == ["msg_0001"]


async def test_a_lease_that_ran_out_is_claimed_again(store: SqlStore) -> None:
    """INV-34: a worker that died loses nothing."""
    await put(store, message(1))
    assert await claim(store, 0) == ["msg_0001"]
    assert await claim(store, 29.999999) == []
    assert await claim(store, 30) == ["msg_0001"]


@pytest.mark.parametrize("comes_back", ["delivered", "retry", "bury"])
async def test_whoever_comes_back_after_its_lease_ran_out_changes_nothing(
    store: SqlStore, comes_back: str
) -> None:
    """INV-34, INV-36: the lease is a fencing token. A worker that was paused gives nothing back that another one has
    taken meanwhile: it would go out once more, or be buried while it is delivered."""
    await put(store, message(1))
    async with store.writing() as tx:
        (paused,) = await tx.outbox.claim("slack", later(0), lease_sec=30, limit=1)
        (other,) = await tx.outbox.claim("slack", later(30), lease_sec=30, limit=1)
    assert paused.leased_until is not None
    async with store.writing() as tx:
        match comes_back:
            case "delivered":
                await tx.outbox.delivered(paused.id, lease=paused.leased_until)
            case "retry":
                await tx.outbox.retry(paused.id, at=later(31), error="slow", lease=paused.leased_until)
            case _:
                await tx.outbox.bury(paused.id, error="gone", lease=paused.leased_until)
    assert await every(store) == (other,)
    assert await claim(store, 59) == []


async def test_a_retry_waits_counts_and_says_why(store: SqlStore) -> None:
    await put(store, message(1), message(2))
    await claim(store)
    async with store.writing() as tx:
        await tx.outbox.retry("msg_0001", at=later(7), error="slow")
    assert (await every(store))[0] == message(1, due_at=later(7), attempts=1, last_error="slow")
    assert await claim(store, 6) == []
    assert await claim(store, 7) == ["msg_0001"]


async def test_an_outage_leaves_the_attempts_as_they_are(store: SqlStore) -> None:
    await put(store, message(1, attempts=4))
    async with store.writing() as tx:
        await tx.outbox.retry("msg_0001", at=later(7), error="rate_limited", counts=False)
    assert (await every(store))[0].attempts == 4


async def test_a_poison_message_blocks_nobody(store: SqlStore) -> None:
    """INV-35: while it waits for another try other lines go on, and once dead its own line goes on too."""
    await put(store, message(1), message(2), message(3, action="act_0002"))
    assert await claim(store) == ["msg_0001", "msg_0003"]
    async with store.writing() as tx:
        await tx.outbox.retry("msg_0001", at=later(100), error="poison")
        await tx.outbox.delivered("msg_0003")
    await put(store, message(4, action="act_0002"))
    assert await claim(store, 1) == ["msg_0004"]
    async with store.writing() as tx:
        await tx.outbox.bury("msg_0001", error="poison")
    assert await claim(store, 1) == ["msg_0002"]


async def test_a_message_that_cannot_be_read_is_buried_and_blocks_nobody(store: SqlStore) -> None:
    """INV-35, INV-34: found at the claim, shown with what is wrong, out of everybody's way."""
    await put(store, message(1), message(2), message(3, action="act_0002"))
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET body = '{' WHERE id = 'msg_0001'"))
    engine.dispose()
    assert await claim(store) == ["msg_0003"]
    assert await claim(store) == ["msg_0002"]
    (dead,) = await every(store, dead_only=True)
    assert (dead.id, dead.body) == ("msg_0001", {})
    assert dead.last_error is not None
    assert dead.last_error.startswith("Message msg_0001 cannot be read")


async def test_a_dead_letter_is_visible_and_can_be_revived_or_dropped(store: SqlStore) -> None:
    """INV-34: nothing disappears by itself."""
    await put(store, message(1), message(2, action="act_0002"))
    async with store.writing() as tx:
        await tx.outbox.bury("msg_0001", error="channel_not_found")
        assert await tx.outbox.depth() == (1, 1)
    dead = message(1, attempts=1, last_error="channel_not_found", dead=True)
    assert await every(store, dead_only=True) == (dead,)
    assert await every(store) == (dead, message(2, action="act_0002"))
    async with store.writing() as tx:
        assert await tx.outbox.revive("msg_0001", now=later(50))
        assert not await tx.outbox.revive("msg_0001", now=later(51))
        assert not await tx.outbox.revive("msg_none", now=later(51))
    assert (await every(store))[0] == replace(dead, dead=False, attempts=0, due_at=later(50))
    async with store.writing() as tx:
        assert await tx.outbox.drop("msg_0001")
        assert not await tx.outbox.drop("msg_0001")
        assert await tx.outbox.depth() == (1, 0)


async def test_what_came_of_a_message_that_is_gone_is_no_error(store: SqlStore) -> None:
    """A late worker reports on a message that another one has delivered."""
    async with store.writing() as tx:
        await tx.outbox.delivered("msg_none")
        await tx.outbox.retry("msg_none", at=NOW, error="x")
        await tx.outbox.bury("msg_none", error="x")
        assert await tx.outbox.depth() == (0, 0)


async def test_two_claimers_at_once_never_get_the_same_message(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-36, INV-35: every line goes to one of them."""
    await put(store, *(message(n, action=f"act_{n % 20:04d}") for n in range(1, 61)))

    async def work(mine: SqlStore, taken: list[str]) -> None:
        while True:
            async with mine.writing() as tx:
                claimed = await tx.outbox.claim("slack", NOW, lease_sec=30, limit=3)
            if not claimed:
                return
            taken.extend(each.id for each in claimed)

    taken: list[list[str]] = [[], [], [], []]
    stores = (store, other_store, store, other_store)
    await asyncio.gather(*(work(mine, list_) for mine, list_ in zip(stores, taken, strict=True)))
    everything = [each for list_ in taken for each in list_]
    assert sorted(everything) == sorted(set(everything))
    assert len(everything) == 20


async def test_a_claim_passes_over_what_another_transaction_is_claiming(
    store: SqlStore, other_store: SqlStore
) -> None:
    """On PostgreSQL it does not even wait; on SQLite there is one writer at a time."""
    await put(store, message(1), message(2, action="act_0002"))
    if not store.address.postgres:
        assert await claim(store, limit=1) == ["msg_0001"]
        assert await claim(other_store) == ["msg_0002"]
        return
    async with store.writing() as tx:
        assert [m.id for m in await tx.outbox.claim("slack", NOW, lease_sec=30, limit=1)] == ["msg_0001"]
        assert await claim(other_store) == ["msg_0002"]


async def waiting(store: SqlStore, *actions: str) -> set[str]:
    """Those of the actions whose card message waits: another one is not added."""
    before = {each.id for each in await every(store)}
    async with store.writing() as tx:
        await tx.outbox.add_cards(*(message(9_000 + n, action=each) for n, each in enumerate(actions)))
    added = [each for each in await every(store) if each.id not in before]
    async with store.writing() as tx:
        for each in added:
            await tx.outbox.drop(each.id)
    return set(actions) - {each.action_id for each in added}


async def test_a_card_message_that_nobody_has_claimed_will_do_for_the_next_change(store: SqlStore) -> None:
    """INV-37: whoever claims it later shows what is so by then."""
    await put(store, message(1), message(2, action="act_0002", kind="thread"), message(3, action="act_0003"))
    assert await waiting(store, "act_0001", "act_0002", "act_0004") == {"act_0001"}
    assert await claim(store, limit=1) == ["msg_0001"]
    assert await waiting(store, "act_0001", "act_0003") == {"act_0003"}


async def test_a_card_message_on_its_way_or_dead_is_none_to_rely_on(store: SqlStore) -> None:
    """INV-37, INV-34: not even once its lease is over, because it may be on its way with what was so before."""
    await put(store, message(1), message(2, action="act_0002"), message(3, action="act_0003"))
    assert len(await claim(store, limit=2)) == 2
    async with store.writing() as tx:
        await tx.outbox.retry("msg_0002", at=later(99), error="slow")
        await tx.outbox.bury("msg_0003", error="gone")
    assert await waiting(store, "act_0001", "act_0002", "act_0003") == {"act_0002"}


async def test_a_claim_passes_over_a_card_message_that_a_change_relies_on(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-37, INV-33: it leaves after the change is committed, and so shows it; the other way round the change
    brings a message of its own."""
    await put(store, message(1), message(2, action="act_0002"))
    if store.address.postgres:
        async with store.writing() as tx:
            await tx.outbox.add_cards(message(3))
            assert await claim(other_store) == ["msg_0002"]
        async with other_store.writing() as tx:
            assert [m.id for m in await tx.outbox.claim("slack", NOW, lease_sec=30, limit=9)] == ["msg_0001"]
            assert await waiting(store, "act_0001") == set()
        return
    claiming = asyncio.create_task(claim(other_store))  # SQLite: one of the two waits for the other
    async with store.writing() as tx:
        await tx.outbox.add_cards(message(3))
    assert await claiming == ["msg_0001", "msg_0002"]
    assert [each.id for each in await every(store)][:2] == ["msg_0001", "msg_0002"]


async def test_who_comes_back_after_the_lease_takes_nothing_away(store: SqlStore) -> None:
    """INV-37, INV-34: the row may stand for a later change by then, and for somebody else's delivery."""
    await put(store, message(1))
    async with store.writing() as tx:
        (late,) = await tx.outbox.claim("slack", NOW, lease_sec=30, limit=1)
    async with store.writing() as tx:
        (again,) = await tx.outbox.claim("slack", later(30), lease_sec=30, limit=1)
    async with store.writing() as tx:
        await tx.outbox.delivered(late.id, lease=late.leased_until)
    assert len(await every(store)) == 1
    async with store.writing() as tx:
        await tx.outbox.delivered(again.id, lease=again.leased_until)
    assert await every(store) == ()


async def test_what_comes_of_messages_is_stored_together_with_what_others_store(store: SqlStore) -> None:
    """INV-34: as in a transaction of its own; what has to count attempts wants one."""
    await put(store, message(1), message(2, action="act_0002", attempts=4))
    async with store.writing() as tx:
        sent, turned_away = await tx.outbox.claim("slack", NOW, lease_sec=30, limit=2)
    async with store.together("outbox") as tx:
        await tx.outbox.delivered(sent.id, lease=sent.leased_until)
        await tx.outbox.retry(
            turned_away.id, at=later(7), error="paced", counts=False, lease=turned_away.leased_until
        )
    waiting = replace(turned_away, due_at=later(7), leased_until=None, last_error="paced")
    assert await every(store) == (waiting,)
    with pytest.raises(AloneOnly):
        async with store.together("outbox") as tx:
            await tx.outbox.retry(waiting.id, at=later(9), error="slow")
    assert await every(store) == (waiting,)


async def test_whoever_comes_back_too_late_stores_nothing_together_either(store: SqlStore) -> None:
    """INV-34, INV-36: the lease is a fencing token on this road too."""
    await put(store, message(1))
    async with store.writing() as tx:
        (late,) = await tx.outbox.claim("slack", NOW, lease_sec=30, limit=1)
        (other,) = await tx.outbox.claim("slack", later(30), lease_sec=30, limit=1)
    with pytest.raises(Outrun):
        async with store.together("outbox") as tx:
            await tx.outbox.delivered(late.id, lease=late.leased_until)
    async with store.together("outbox") as tx:
        await tx.outbox.retry(late.id, at=later(31), error="paced", counts=False, lease=late.leased_until)
    assert await every(store) == (other,)


async def test_what_is_held_for_quiet_hours_holds_up_nobody(store: SqlStore) -> None:
    """INV-35: later messages of its action go on without it, and it goes in its own time."""
    await put(store, message(1, kind="dm", due_at=later(100), not_before=later(100)), message(2), message(3))
    assert await claim(store, 0) == ["msg_0002"]
    assert (await every(store))[0].not_before == later(100)
    async with store.writing() as tx:
        await tx.outbox.delivered("msg_0002")
    assert await claim(store, 99.999999) == ["msg_0003"]
    assert await claim(store, 100) == ["msg_0001"]


async def test_what_was_held_keeps_the_order_from_its_time_on(store: SqlStore) -> None:
    """INV-35: tried and put off once more, it is the head of its reader's line like any other."""
    to_ana = {"person": "ana", "why": "asked"}
    await put(
        store,
        message(1, kind="dm", body=to_ana, due_at=later(100), not_before=later(100)),
        message(2, kind="dm", body=to_ana, due_at=later(100)),
    )
    assert await claim(store, 100) == ["msg_0001"]
    async with store.writing() as tx:
        await tx.outbox.retry("msg_0001", at=later(130), error="slow", counts=False)
    assert await claim(store, 101) == []
    assert await claim(store, 130) == ["msg_0001"]


async def test_a_held_message_waits_behind_what_was_there_before_it(store: SqlStore) -> None:
    await put(store, message(1), message(2, kind="dm", due_at=later(10), not_before=later(10)))
    assert await claim(store, 10) == ["msg_0001"]
