"""The contract of `ports.Actions`: stored whole, saved guarded, found again by page and by queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.action import Agent
from gate.domain.request import (
    Choice,
    Deadline,
    DeadlineKind,
    Outcome,
    Reassignment,
    Rejection,
    Result,
    Status,
    Version,
    Vote,
)
from gate.store import SqlStore
from gate.usecases.ports import ActionFilter
from tests.contract.records import BOT, NOW, action, approved, later

OTHER = Agent(id="agt_other", name="other-bot", team="ops", owner="cho")


async def put(store: SqlStore, *records, key: str | None = None) -> None:
    async with store.writing() as tx:
        for record in records:
            assert await tx.actions.add(record, idempotency_key=key, body_sha256="b")


async def read(store: SqlStore, action_id: str = "act_0001"):
    async with store.reading() as tx:
        return await tx.actions.get(action_id)


async def test_an_action_is_read_back_as_it_was_stored(store: SqlStore) -> None:
    record = action(payload={"n": 1, "f": 1.0, "deep": [{"ключ": [None, True, -0.0, 1e-7, 2**53 - 1]}]})
    await put(store, record)
    assert await read(store) == record
    stored = (await read(store)).version.payload
    assert [type(stored["n"]), type(stored["f"])] == [int, float]
    assert str(stored["deep"][0]["ключ"][2]) == "-0.0"


async def test_an_unknown_action_is_none(store: SqlStore) -> None:
    assert await read(store, "act_none") is None


async def test_everything_a_person_adds_is_kept_in_order(store: SqlStore) -> None:
    record = action()
    await put(store, record)
    second = Version(
        number=2,
        payload={"amount": 1200},
        payload_sha256="b" * 64,
        policy_digest="sha256:two",
        rule="refunds",
        created_at=later(5),
        editor="ana",
        comment="less",
    )
    votes = (
        Vote(person="bo", choice=Choice.APPROVE, version=1, at=later(2), comment="fine \x00 \\0 by me"),
        Vote(person="ana", choice=Choice.REJECT, version=2, at=later(6), on_behalf_of="cho"),
    )
    changed = replace(
        record,
        revision=3,
        status=Status.REJECTED,
        versions=(*record.versions, second),
        votes=votes,
        reassignments=(Reassignment(by="ana", to=("dee", "bo"), reason="on leave", at=later(3)),),
        asked=("ana", "bo", "dee"),
        called=("dee",),
        deadline=None,
        decided_at=later(6),
        decided_by="ana",
        decision_note="no",
        escalation_step=2,
        breached=True,
        held=True,
        rejection=Rejection(category="unsafe", comment="no"),
    )
    async with store.writing() as tx:
        before = await tx.actions.get(record.id)
        assert before is not None
        assert await tx.actions.save(replace(changed, votes=votes[:1]), expected_revision=1)
        again = replace(
            changed,
            revision=4,
            redeemed_jti="grt_1",
            grants_revoked=True,
            outcome=Outcome(result=Result.FAILED, at=later(9), reporter="agt_bot", detail="x", defect=True),
        )
        assert await tx.actions.save(again, expected_revision=3)
        assert await tx.actions.get(record.id) == again
    assert await read(store) == again


async def test_a_save_with_a_stale_revision_moves_nothing(store: SqlStore) -> None:
    """INV-03: whoever read before somebody else's change decides on nothing."""
    record = action()
    await put(store, record)
    async with store.writing() as tx:
        assert await tx.actions.save(approved(record, "ana"), expected_revision=1)
    async with store.writing() as tx:
        assert not await tx.actions.save(approved(record, "bo"), expected_revision=1)
    assert (await read(store)).votes == approved(record, "ana").votes


async def test_a_save_of_an_unknown_action_moves_nothing(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert not await tx.actions.save(approved(action()), expected_revision=1)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda r: replace(r, agent=OTHER), id="agent"),
        pytest.param(lambda r: replace(r, proposal=replace(r.proposal, topic="x")), id="proposal"),
        pytest.param(lambda r: replace(r, created_at=later(1)), id="created_at"),
        pytest.param(
            lambda r: replace(r, versions=(replace(r.versions[0], payload_sha256="c" * 64),)), id="version"
        ),
        pytest.param(lambda r: replace(r, revision=1), id="revision"),
        pytest.param(lambda r: replace(r, versions=(*r.versions, *r.versions)), id="numbering"),
    ],
)
async def test_what_was_proposed_never_changes(store: SqlStore, tamper) -> None:
    record = action()
    await put(store, record)
    with pytest.raises(ValueError, match="act_0001"):
        async with store.writing() as tx:
            await tx.actions.save(tamper(approved(record)), expected_revision=1)
    assert await read(store) == record


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(replace(action(), deadline=None), id="pending without a deadline"),
        pytest.param(replace(action(), status=Status.APPROVED), id="decided with a deadline"),
    ],
)
async def test_a_deadline_is_armed_exactly_while_pending(store: SqlStore, record) -> None:
    """INV-24: no record without its one deadline can be stored, and none with a needless one."""
    with pytest.raises(ValueError, match="deadline"):
        async with store.writing() as tx:
            await tx.actions.add(record, idempotency_key=None, body_sha256="b")
    assert await read(store) is None


async def test_each_save_arms_re_arms_and_disarms_the_deadline(store: SqlStore) -> None:
    """INV-24: one row per pending request, whatever happens to it; INV-27: none once it is decided."""
    record = action(due_at=later(60))
    await put(store, record)

    async def armed() -> list[tuple[int, object]]:
        async with store.reading() as tx:
            return [(due.seq, due.due_at) for due in await tx.deadlines.due(later(10**6), limit=10)]

    assert await armed() == [(1, later(60))]
    voted = replace(record, revision=2, asked=("ana",))
    re_armed = replace(
        voted, revision=3, deadline=Deadline(kind=DeadlineKind.STEP, due_at=later(30), seq=2, step=0)
    )
    async with store.writing() as tx:
        assert await tx.actions.save(voted, expected_revision=1)
        assert await tx.actions.save(re_armed, expected_revision=2)
    assert await armed() == [(2, later(30))]
    assert await read(store) == re_armed
    async with store.writing() as tx:
        assert await tx.actions.save(approved(re_armed), expected_revision=3)
    assert await armed() == []


async def test_the_same_key_stores_one_action(store: SqlStore) -> None:
    """INV-42: the second of two with one key stores nothing, and the first can be looked up by it."""
    await put(store, action(1), key="k")
    async with store.writing() as tx:
        assert not await tx.actions.add(action(2), idempotency_key="k", body_sha256="other")
        assert await tx.actions.by_key("agt_bot", "k") == ("act_0001", "b")
        assert await tx.actions.by_key("agt_other", "k") is None
        assert await tx.actions.by_key("agt_bot", "K") is None
    assert await read(store, "act_0002") is None


async def test_another_agent_may_use_the_same_key(store: SqlStore) -> None:
    await put(store, action(1), key="k")
    await put(store, action(2, agent=OTHER), key="k")
    assert (await read(store, "act_0002")).agent == OTHER


async def test_a_key_of_any_length_and_characters_works(store: SqlStore) -> None:
    key = "k" * 8000 + "\x00é"
    await put(store, action(1), key=key)
    async with store.reading() as tx:
        assert await tx.actions.by_key("agt_bot", key) == ("act_0001", "b")


async def test_pages_go_from_the_newest_to_the_oldest_without_gaps(store: SqlStore) -> None:
    """Records of the same instant included; what is added meanwhile does not shift a page."""
    records = [action(n, at=later(n // 3)) for n in range(1, 11)]
    await put(store, *records)
    seen: list[str] = []
    cursor = None
    while True:
        async with store.reading() as tx:
            page = await tx.actions.page(ActionFilter(), cursor=cursor, limit=3)
        seen += [item.id for item in page.items]
        if len(seen) == 3:
            await put(store, action(99, at=later(99)))
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [record.id for record in reversed(records)]


async def test_the_last_full_page_has_no_cursor(store: SqlStore) -> None:
    await put(store, action(1), action(2))
    async with store.reading() as tx:
        assert (await tx.actions.page(ActionFilter(), cursor=None, limit=2)).cursor is None
        assert (await tx.actions.page(ActionFilter(), cursor=None, limit=1)).cursor is not None


@pytest.mark.parametrize("cursor", ["", "x", "!!", "MTIz", "LTE6YWN0", "OTk5OTk5OTk5OTk5OTk5OTk5OmE", "é"])
async def test_a_cursor_that_is_none_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        async with store.reading() as tx:
            await tx.actions.page(ActionFilter(), cursor=cursor, limit=3)


TOPICS = [
    "pay.refund",
    "pay.wire",
    "Pay.refund",
    "pay",
    "pay.",
    "a[b]c",
    "a%c",
    "a_c",
    "axc",
    "a?c",
    "a!c",
    "a\\c",
]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("pay.refund", ["pay.refund"]),
        ("pay.*", ["pay.refund", "pay.wire"]),
        ("*", TOPICS),
        ("*.refund", ["pay.refund", "Pay.refund"]),
        ("a%c", ["a%c"]),
        ("a[b]*", ["a[b]c"]),
        ("a%*", ["a%c"]),
        ("a_*", ["a_c"]),
        ("a?*", ["a?c"]),
        ("a!*", ["a!c"]),
        ("a\\*", ["a\\c"]),
        ("p*y", ["pay"]),
        ("pa*y", []),
    ],
)
async def test_topics_match_globs_alike_on_every_engine(
    store: SqlStore, glob: str, expected: list[str]
) -> None:
    """`*` is one or more characters; everything else stands for itself, and case counts."""
    await put(store, *(action(n, topic=topic) for n, topic in enumerate(TOPICS, 1)))
    async with store.reading() as tx:
        page = await tx.actions.page(ActionFilter(topic=glob), cursor=None, limit=50)
    assert sorted(item.proposal.topic for item in page.items) == sorted(expected)


async def test_a_filter_narrows_by_status_agent_and_time(store: SqlStore) -> None:
    await put(
        store,
        action(1, status=Status.ALLOWED, at=later(1)),
        action(2, at=later(2), agent=OTHER),
        action(3, status=Status.ALLOWED, at=later(3)),
    )

    async def ids(**which) -> list[str]:
        async with store.reading() as tx:
            page = await tx.actions.page(ActionFilter(**which), cursor=None, limit=9)
        return [item.id for item in page.items]

    assert await ids(status=Status.ALLOWED) == ["act_0003", "act_0001"]
    assert await ids(agent_id="agt_other") == ["act_0002"]
    assert await ids(since=later(2)) == ["act_0003", "act_0002"]
    assert await ids(status=Status.ALLOWED, since=later(2), agent_id=BOT.id, topic="pay.*") == ["act_0003"]


async def test_the_queue_starts_with_the_soonest_sla(store: SqlStore) -> None:
    await put(
        store,
        action(1, due_at=later(30)),
        action(2, due_at=later(10)),
        action(3, status=Status.ALLOWED),
        action(4, due_at=later(20), at=NOW),
    )
    async with store.reading() as tx:
        assert [r.id for r in await tx.actions.pending(limit=9)] == ["act_0002", "act_0004", "act_0001"]
        assert [r.id for r in await tx.actions.pending(limit=1)] == ["act_0002"]
        assert await tx.actions.pending_count("agt_bot") == 3
        assert await tx.actions.pending_count("agt_other") == 0


async def test_pages_carry_versions_votes_and_reassignments_of_each_record(store: SqlStore) -> None:
    records = [action(n) for n in (1, 2, 3)]
    await put(store, *records)
    changed = [approved(records[0], "ana"), records[1], approved(records[2], "bo")]
    async with store.writing() as tx:
        assert await tx.actions.save(changed[0], expected_revision=1)
        assert await tx.actions.save(changed[2], expected_revision=1)
    async with store.reading() as tx:
        page = await tx.actions.page(ActionFilter(), cursor=None, limit=9)
    assert list(page.items) == changed[::-1]


async def test_unknown_outcomes_are_found_the_newest_first(store: SqlStore) -> None:
    """INV-22: what is owed is stored with its deadline, and what came to be unknown is found until it is settled."""
    unknown = Outcome(result=Result.UNKNOWN, at=later(9), reporter="timer")
    used = {"status": Status.ALLOWED, "redeemed_jti": "grt_1"}
    due = Deadline(kind=DeadlineKind.REPORT, due_at=later(60), seq=2)
    waiting = action(1, **used, report_by=later(60), deadline=due)
    gone = [action(n, **used, report_by=later(n), outcome=unknown) for n in (2, 3, 4)]
    known = action(5, **used, outcome=Outcome(result=Result.FAILED, at=later(9), reporter="agt_bot"))
    await put(store, waiting, *gone, known, action(6))
    assert await read(store) == waiting
    async with store.reading() as tx:
        assert [r.id for r in await tx.actions.unknown(limit=2)] == ["act_0004", "act_0003"]
        assert [d.action_id for d in await tx.deadlines.due(later(60), limit=9)] == ["act_0001"]


async def test_a_used_release_without_a_deadline_for_its_report_cannot_be_stored(store: SqlStore) -> None:
    """INV-22, INV-24"""
    with pytest.raises(ValueError, match="unreported"):
        await put(store, action(status=Status.ALLOWED, redeemed_jti="grt_1", report_by=later(60)))
