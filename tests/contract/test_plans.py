"""Every question asked on the way to a decision is answered from an index, however long the history is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from gate.domain.action import Velocity
from gate.domain.request import Status
from gate.store import SqlStore
from gate.store.tables import metadata
from gate.usecases.ports import ActionFilter, AuditFilter, Transaction
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, action, approved

HOUR = Velocity(per_sec=3600, key=("agent", "topic"))
AGENT = Velocity(per_sec=3600, key=("agent",))
TEAM = Velocity(per_sec=3600, key=("team",), sum_of="amount_usd")

WHOLE_TABLE = re.compile(rf"SCAN ({'|'.join(metadata.tables)})\b(?! USING)")
"""Reading a table from end to end, and not an index as far as the limit."""

QUESTIONS: dict[str, tuple[Callable[[Transaction], Awaitable[Any]], str]] = {
    "by id": (lambda tx: tx.actions.get("act_0001"), "actions USING INDEX sqlite_autoindex_actions_1 (id=?)"),
    "by key": (lambda tx: tx.actions.by_key("agt_bot", "k"), "(agent_id=? AND key_sha256=?)"),
    "newest page": (
        lambda tx: tx.actions.page(ActionFilter(), cursor=None, limit=5),
        "actions USING INDEX ix_actions_newest",
    ),
    "page of an agent": (
        lambda tx: tx.actions.page(ActionFilter(agent_id="agt_bot"), cursor=None, limit=5),
        "actions USING INDEX ix_actions_of_agent (agent_id=?)",
    ),
    "page of a topic": (
        lambda tx: tx.actions.page(ActionFilter(topic="pay.refund"), cursor=None, limit=5),
        "actions USING INDEX ix_actions_of_topic (topic=?)",
    ),
    "page of what was denied": (
        lambda tx: tx.actions.page(ActionFilter(status=Status.DENIED), cursor=None, limit=5),
        "actions USING INDEX ix_actions_unusual (status=?)",
    ),
    "page of what waits": (
        lambda tx: tx.actions.page(ActionFilter(status=Status.PENDING), cursor=None, limit=5),
        "actions USING INDEX ix_actions_unusual (status=?)",
    ),
    "queue": (lambda tx: tx.actions.pending(limit=5), "actions USING INDEX ix_actions_queue"),
    "open requests": (
        lambda tx: tx.actions.pending_count("agt_bot"),
        "COVERING INDEX ix_actions_open (agent_id=? AND status=?)",
    ),
    "seen before": (
        lambda tx: tx.actions.seen_before("agt_bot", "pay.refund"),
        "ix_actions_like_it (agent_id=? AND topic=?)",
    ),
    "retries": (
        lambda tx: tx.actions.retries("agt_bot", "pay.refund", "a" * 64, NOW),
        "ix_actions_retries (agent_id=? AND payload_sha256=? AND created_at>?)",
    ),
    "velocity of an agent": (
        lambda tx: tx.actions.velocity(HOUR, {"agent": "agt_bot", "topic": "x"}, NOW),
        "ix_actions_like_it (agent_id=? AND topic=? AND created_at>?)",
    ),
    "velocity of an agent, whatever the topic": (
        lambda tx: tx.actions.velocity(AGENT, {"agent": "agt_bot"}, NOW),
        "ix_actions_of_agent (agent_id=? AND created_at>?)",
    ),
    "velocity of a team": (
        lambda tx: tx.actions.velocity(TEAM, {"team": "support"}, NOW),
        "ix_actions_newest (created_at>?)",
    ),
    "like it": (
        lambda tx: tx.actions.like_it("agt_bot", "pay.refund", NOW, except_id="x"),
        "ix_actions_like_it (agent_id=? AND topic=? AND created_at>?)",
    ),
    "outbox": (
        lambda tx: tx.outbox.claim("slack", NOW, lease_sec=1, limit=5),
        "outbox USING INDEX ix_outbox_due (channel=? AND due_at<?)",
    ),
    "next deadline": (lambda tx: tx.deadlines.next_at(), "ix_deadlines_due"),
    "record of an action": (lambda tx: tx.audit.of_action("act_0001"), "ix_audit_action (action_id=?)"),
    "page of the record": (
        lambda tx: tx.audit.page(AuditFilter(), cursor=None, limit=5),
        "SCAN audit",  # in the order of its key, as far as the limit
    ),
    "records of a rare kind": (
        lambda tx: tx.audit.page(AuditFilter(kind="approval.break_glass"), cursor=None, limit=5),
        "audit USING INDEX ix_audit_rare (kind=?)",
    ),
    "records of a person": (
        lambda tx: tx.audit.page(AuditFilter(actor="person:ana"), cursor=None, limit=5),
        "audit USING INDEX ix_audit_person (actor=?",
    ),
    "latest grant": (
        lambda tx: tx.grants.latest("act_0001", 1),
        "ix_grants_latest (action_id=? AND version=?)",
    ),
    "votes of everybody": (
        lambda tx: tx.figures.given(NOW, limit=5),
        "votes USING INDEX ix_votes_newest (at>?)",
    ),
    "votes of a person": (
        lambda tx: tx.figures.given(NOW, person="ana", limit=5),
        "votes USING INDEX ix_votes_person (person=? AND at>?)",
    ),
    "requests of a month": (
        lambda tx: tx.figures.asked(NOW, limit=5),
        "actions USING INDEX ix_actions_asked (created_at>?)",
    ),
    "key of an agent": (lambda tx: tx.agents.by_key("k", NOW), "MULTI-INDEX OR"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("ask", "through"), list(QUESTIONS.values()), ids=list(QUESTIONS))
async def test_the_plan_is_an_index(
    store: SqlStore, ask: Callable[[Transaction], Awaitable[Any]], through: str
) -> None:
    async with store.writing() as tx:
        for number in range(1, 30):
            record = action(number, status=Status.PENDING if number % 3 else Status.ALLOWED)
            assert await tx.actions.add(record, idempotency_key=str(number), body_sha256="b")
        assert await tx.actions.save(approved(action(1)), expected_revision=1)
    sent: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if sql.startswith("SELECT"):
            sent.append((sql, values))

    event.listen(store._engines[0].sync_engine, "before_cursor_execute", remember)
    async with store.writing() as tx:
        await ask(tx)
    engine = blocking_engine(store)
    with engine.connect() as connection:
        plans = [
            " / ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
            for sql, values in sent
        ]
    engine.dispose()
    assert through in plans[0], plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans
    assert not any(WHOLE_TABLE.search(plan.replace(through, "")) for plan in plans), plans
