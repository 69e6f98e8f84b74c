"""The contract of digests, of the places of cards, and of what was sent to whom last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from gate.domain.bursts import Ping
from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.store import SqlStore
from gate.usecases.ports import Card, Digest, Message, Shown
from tests.contract.records import NOW, action

DIGEST = Digest(id="dig_0001", agent_id="agt_bot", channel="C1", opened_at=NOW, added_at=NOW)
MINUTE = timedelta(minutes=1)


async def pending(store: SqlStore, *numbers: int) -> list[str]:
    """Pending actions of one agent."""
    found: list[str] = []
    async with store.writing() as tx:
        for number in numbers:
            record = replace(action(number), asked=("ana", "bo"))
            assert record.status is Status.PENDING
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")
            found.append(record.id)
    return found


async def opened(store: SqlStore, ids: list[str]) -> Digest:
    agent = await agent_of(store, ids[0])
    digest = replace(DIGEST, agent_id=agent)
    async with store.writing() as tx:
        assert await tx.digests.add(digest)
        assert await tx.digests.join(digest, ids, now=NOW) == tuple(ids)
    return digest


async def agent_of(store: SqlStore, action_id: str) -> str:
    async with store.reading() as tx:
        record = await tx.actions.get(action_id)
    assert record is not None
    return record.agent.id


async def test_an_agent_has_one_open_digest_in_a_channel(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.digests.add(DIGEST)
        assert not await tx.digests.add(replace(DIGEST, id="dig_0002"))
        assert await tx.digests.add(replace(DIGEST, id="dig_0003", channel="C2"))
        assert await tx.digests.open_one("agt_bot", "C1") == DIGEST
        await tx.digests.close(DIGEST.id)
        assert await tx.digests.open_one("agt_bot", "C1") is None
        assert await tx.digests.add(replace(DIGEST, id="dig_0002"))


async def test_two_replicas_open_one_digest(store: SqlStore, other_store: SqlStore) -> None:
    async def add(each: SqlStore, digest_id: str) -> bool:
        async with each.writing() as tx:
            return await tx.digests.add(replace(DIGEST, id=digest_id))

    assert sorted(await asyncio.gather(add(store, "dig_a"), add(other_store, "dig_b"))) == [False, True]


async def test_a_request_has_one_place(store: SqlStore) -> None:
    """INV-37: whoever comes second finds where it is."""
    ids = await pending(store, 1, 2, 3)
    own = Card(action_id=ids[0], channel="C1", ts=None, posting_since=NOW)
    async with store.writing() as tx:
        assert await tx.cards.place(own)
        assert not await tx.cards.place(replace(own, channel="C2"))
        assert await tx.digests.add(DIGEST)
        assert await tx.digests.join(DIGEST, ids, now=NOW) == (ids[1], ids[2])
        assert await tx.cards.get(ids[0]) == own
        found = await tx.digests.get(DIGEST.id)
        assert found is not None
        assert found.members == 2
        await tx.digests.close(DIGEST.id)
        assert await tx.digests.join(DIGEST, ["act_other"], now=NOW) == ()


async def test_members_are_where_their_digest_is(store: SqlStore) -> None:
    ids = await pending(store, 1, 2, 3)
    digest = await opened(store, ids[:2])
    posted = replace(
        digest, ts="1.5", posting_since=NOW, told={"ana": True, "bo": False}, rendered_sha256="x"
    )
    async with store.writing() as tx:
        await tx.digests.put(posted)
        stored = await tx.digests.get(digest.id)
        assert stored == replace(posted, members=2)
        await tx.digests.join(posted, [ids[2]], now=NOW)
        places = [await tx.cards.get(each) for each in ids]
        assert [(p.channel, p.ts, p.digest) for p in places if p] == [("C1", "1.5", digest.id)] * 3
        assert await tx.digests.members(digest.id) == frozenset(ids)


async def test_a_tally_counts_all_and_its_revision_grows_with_every_change(store: SqlStore) -> None:
    ids = await pending(store, 1, 2, 3)
    digest = await opened(store, ids)
    async with store.reading() as tx:
        before = await tx.digests.tally(digest.id, now=NOW)
        assert before.by_status == {Status.PENDING: 3}
        assert sum(before.waiting.values()) == 3
        assert before.revision == await tx.digests.revision(digest.id)
        assert [r.id for r in await tx.actions.in_digest(digest.id, limit=2)] == ids[:2]
        record = await tx.actions.get(ids[0])
    assert record is not None
    assert before.asked == record.asked
    assert before.next_due == record.sla_at
    late = NOW + timedelta(days=400)
    async with store.writing() as tx:
        assert (await tx.digests.tally(digest.id, now=late)).overdue == 3
        record = await tx.actions.get(ids[0])
        assert record is not None
        decided = replace(
            record,
            status=Status.CANCELLED,
            deadline=None,
            decided_at=NOW,
            decided_by="agent",
            revision=record.revision + 1,
        )
        assert await tx.actions.save(decided, expected_revision=record.revision)
        after = await tx.digests.tally(digest.id, now=NOW)
    assert after.by_status == {Status.PENDING: 2, Status.CANCELLED: 1}
    assert after.revision > before.revision


async def test_what_was_placed_lately_is_counted_by_risk_and_what_was_not_is_found(store: SqlStore) -> None:
    ids = await pending(store, 1, 2, 3, 4)
    agent = await agent_of(store, ids[0])
    async with store.writing() as tx:
        old = Card(action_id=ids[0], channel="C1", ts="1.1", posting_since=NOW - 2 * MINUTE)
        assert await tx.cards.place(old)
        assert await tx.cards.place(replace(old, action_id=ids[1], posting_since=NOW))
        record = await tx.actions.get(ids[1])
        assert record is not None
        assert await tx.cards.placed(agent, "C1", NOW - MINUTE) == {record.verdict.effective.risk: 1}
        assert await tx.cards.placed(agent, "C2", NOW - MINUTE) == {}
        assert await tx.cards.placed("agt_other", "C1", NOW - MINUTE) == {}
        unplaced = await tx.cards.unplaced(agent, limit=9)
        assert [each.action_id for each in unplaced] == ids[2:]
        assert unplaced[0].plan == record.plan
        assert await tx.cards.asked_lately(agent, "C1", NOW - MINUTE) == frozenset(record.asked)
        await tx.digests.add(
            replace(DIGEST, agent_id=agent, posting_since=NOW, told={"dee": True, "eve": False})
        )
        assert "dee" in await tx.cards.asked_lately(agent, "C1", NOW - MINUTE)
        assert "eve" not in await tx.cards.asked_lately(agent, "C1", NOW - MINUTE)


async def test_one_replica_at_a_time_brings_a_digest_up_to_date(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-37, INV-53: the lease of one that died runs out."""
    async with store.writing() as tx:
        await tx.digests.add(DIGEST)
        assert await tx.digests.lease(DIGEST.id, now=NOW, until=NOW + MINUTE)
    async with other_store.writing() as tx:
        assert not await tx.digests.lease(DIGEST.id, now=NOW, until=NOW + MINUTE)
        assert await tx.digests.lease(DIGEST.id, now=NOW + MINUTE, until=NOW + 2 * MINUTE)
        await tx.digests.release(DIGEST.id)
        assert await tx.digests.lease(DIGEST.id, now=NOW + MINUTE, until=NOW + 2 * MINUTE)


def dm(number: int, action_id: str, person: str = "ana", **changes: object) -> Message:
    message = Message(
        id=f"msg_{number:04d}",
        action_id=action_id,
        channel="slack",
        kind="dm",
        body={"person": person, "why": "asked"},
        created_at=NOW,
        due_at=NOW,
    )
    return replace(message, **changes)  # type: ignore[arg-type]


async def test_what_waits_for_a_person_is_found_held_and_told(store: SqlStore) -> None:
    ids = await pending(store, 1, 2)
    quiet = NOW + timedelta(hours=8)
    async with store.writing() as tx:
        await tx.outbox.add(
            dm(1, ids[0]),
            dm(2, ids[1], body={"person": "ana", "why": "escalated"}),
            dm(3, ids[0], "bo"),
            dm(4, ids[1], kind="card", body={}),
            dm(5, ids[0], not_before=quiet, due_at=quiet),
        )
        await tx.outbox.bury((dm(3, ids[0])).id, error="x")
        waiting = await tx.pings.waiting("ana", NOW)
        assert [(each[0], each[2]) for each in waiting] == [("msg_0001", "asked"), ("msg_0002", "escalated")]
        assert isinstance(waiting[0][1], Risk)
        assert len(await tx.pings.waiting("ana", quiet)) == 3
        assert await tx.pings.waiting("bo", NOW) == ()
        await tx.pings.hold(["msg_0001", "msg_0002"], until=NOW + MINUTE)
        claimed = await tx.outbox.claim("slack", NOW, lease_sec=30, limit=9)
        assert "msg_0001" not in {message.id for message in claimed}
        await tx.pings.told(["msg_0001", "msg_0002"])
        assert await tx.pings.waiting("ana", NOW) == ()


async def test_a_persons_minute_is_claimed_once(store: SqlStore, other_store: SqlStore) -> None:
    now, ping = NOW, Ping(at=NOW, merged=True)

    async def claim(each: SqlStore) -> bool:
        async with each.writing() as tx:
            return await tx.pings.claim("ana", urgent=False, ping=ping, before=now - MINUTE)

    assert sorted(await asyncio.gather(claim(store), claim(other_store))) == [False, True]
    async with store.writing() as tx:
        assert await tx.pings.last("ana") == (ping, None)
        later = Ping(at=NOW + MINUTE, merged=False)
        assert await tx.pings.claim("ana", urgent=False, ping=later, before=NOW)
        await tx.pings.give_back("ana", urgent=False, ping=later, earlier=ping)
        assert await tx.pings.last("ana") == (ping, None)
        await tx.pings.put("ana", urgent=True, ping=later)
        await tx.pings.give_back("ana", urgent=True, ping=later, earlier=None)
        assert await tx.pings.last("ana") == (ping, None)


async def test_a_minute_begins_when_the_message_went_out(store: SqlStore) -> None:
    """What Slack took late must not be followed too soon; what somebody else sent since stays as it is."""
    reserved, sent = Ping(at=NOW, merged=True), NOW + timedelta(seconds=4)
    async with store.writing() as tx:
        for person in ("ana", "bo"):
            await tx.pings.put(person, urgent=False, ping=reserved)
        later = Ping(at=NOW + timedelta(seconds=2), merged=False)
        await tx.pings.put("cho", urgent=True, ping=later)
        await tx.pings.went_out(["ana", "cho"], reserved_at=NOW, at=sent)
    async with store.reading() as tx:
        assert await tx.pings.last("ana") == (replace(reserved, at=sent), None)
        assert await tx.pings.last("bo") == (reserved, None)
        assert await tx.pings.last("cho") == (None, later)


async def test_what_is_shown_is_known_by_version_surface_and_person(store: SqlStore) -> None:
    (action,) = await pending(store, 1)
    card = Shown(action_id=action, version=1, surface="card", person=None, sha256="a" * 64, at=NOW)
    page = replace(card, surface="confirm/1", person="ana", sha256="b" * 64)
    async with store.writing() as tx:
        await tx.shown.put(card)
        await tx.shown.put(page)
        assert await tx.shown.of(action, 1, "ana") == {"card": "a" * 64, "confirm/1": "b" * 64}
        assert await tx.shown.of(action, 1, "bo") == {"card": "a" * 64}
        await tx.shown.put(replace(card, version=2, sha256="c" * 64))
        assert await tx.shown.of(action, 1, "bo") == {}, "the card shows another version now"
        assert await tx.shown.of(action, 2, "ana") == {"card": "c" * 64}
