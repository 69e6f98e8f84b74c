"""Proposing, reading, listing and taking back over HTTP: every status, every header."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from gate.contract.action import ActionDocument
from gate.contract.canonical import payload_sha256
from gate.domain.request import Choice
from gate.usecases.commands import FireDeadline
from gate.usecases.deadline import fire
from tests.integration.http.door import Door, eventually

FIELDS = set(ActionDocument.model_fields)


async def test_an_allowed_action_is_answered_at_once_with_a_grant(door: Door) -> None:
    got = await door.propose("crm.read", payload={"id": 7})
    body = got.body
    assert got.status == 200
    assert set(body) == FIELDS
    assert (body["status"], body["decision"], body["rule"]) == ("allowed", "allow", "reads")
    assert body["payload_sha256"] == payload_sha256({"id": 7}) == body["proposed_payload_sha256"]
    assert body["grant"]["token"].count(".") == 2
    assert body["approval"] is body["constraints"] is body["outcome"] is body["retry_after_sec"] is None
    assert body["created_at"].endswith("Z")
    assert body["links"] == {
        "self": f"/v1/actions/{body['id']}",
        "audit": f"/v1/audit/records?action={body['id']}",
    }
    assert body["policy"]["digest"].startswith("sha256:")
    assert body["agent"] == "support-bot"


@pytest.mark.parametrize(
    ("topic", "status", "decision"),
    [
        ("db.drop", "denied", "deny"),
        ("mail.blast", "throttled", "throttle"),
        ("job.run", "allowed", "allow_with_constraints"),
        ("crm.read", "allowed", "allow"),
    ],
)
async def test_policy_answers_at_once(door: Door, topic: str, status: str, decision: str) -> None:
    got = await door.propose(topic)
    assert got.status == 200
    assert (got.body["status"], got.body["decision"]) == (status, decision)
    assert (got.body["grant"] is not None) == (status == "allowed")
    assert got.body["decided_at"] is not None


async def test_a_denial_offers_its_remediation_and_a_throttle_its_time(door: Door) -> None:
    denied = (await door.propose("db.drop")).body
    assert denied["remediations"] == [
        {"id": "archive", "title": "Archive it", "replacement_topic": "db.archive"}
    ]
    throttled = (await door.propose("mail.blast")).body
    assert throttled["retry_after_sec"] == 90
    fenced = (await door.propose("job.run")).body
    assert fenced["constraints"] == {"max_runtime_sec": 60}


async def test_a_pending_action_says_where_and_when_to_ask_again(door: Door) -> None:
    got = await door.propose()
    body = got.body
    assert got.status == 202
    assert got.headers["Location"] == body["links"]["self"]
    assert int(got.headers["Retry-After"]) > 0
    assert body["status"] == "pending"
    assert body["grant"] is None
    assert body["approval"]["required"] == 1
    assert body["approval"]["deadline"] == "2026-11-02T09:30:00.000000Z"
    assert body["risk"] == "high"
    assert body["risk_tags"] == ["financial"]


async def test_a_plain_read_of_a_pending_action_is_200(door: Door) -> None:
    made = (await door.propose()).body
    got = await door.get(made["links"]["self"])
    assert got.status == 200
    assert got.body == made


async def test_an_approval_shows_votes_and_gives_the_proposing_agent_its_grant(door: Door) -> None:
    made = (await door.propose()).body
    await door.approve(made["id"])
    got = await door.get(made["links"]["self"])
    again = await door.get(made["links"]["self"])
    assert got.body["status"] == "approved"
    assert got.body["approval"]["votes"][0]["person"] == "ana"
    assert got.body["approval"]["votes"][0]["vote"] == "approve"
    assert got.body["grant"]["token"] == again.body["grant"]["token"]


async def test_a_rejection_carries_category_and_comment(door: Door) -> None:
    made = (await door.propose()).body
    record = await door.world.load(made["id"])
    await door.world.vote(record, "ana", Choice.REJECT, category="wrong_amount", comment="Twice too much")
    body = (await door.get(made["links"]["self"])).body
    assert body["status"] == "rejected"
    assert body["approval"]["reject"] == {"category": "wrong_amount", "comment": "Twice too much"}
    assert body["grant"] is None


async def test_an_edited_action_shows_the_payload_to_execute(door: Door) -> None:
    made = (await door.propose()).body
    record = await door.world.load(made["id"])
    await door.world.edit(record, "ana", {"amount": 900, "order": "881"}, approve=True)
    body = (await door.get(made["links"]["self"])).body
    assert (body["version"], body["edited"]) == (2, True)
    assert body["payload"] == {"amount": 900, "order": "881"}
    assert body["payload_sha256"] == payload_sha256(body["payload"])
    assert body["proposed_payload_sha256"] == made["payload_sha256"]


async def test_a_waiting_proposal_is_answered_by_the_decision(door: Door) -> None:
    waiting = asyncio.create_task(door.propose(headers={"Prefer": "wait=30"}))
    await eventually(lambda: _pending(door))
    page = (await door.get("/v1/actions?status=pending")).body
    await door.approve(page["items"][0]["id"])
    got = await waiting
    assert got.status == 200
    assert got.body["status"] == "approved"
    assert got.body["grant"] is not None
    assert got.headers["Preference-Applied"] == "wait=30"


async def test_a_wait_that_ends_undecided_is_202(door: Door) -> None:
    made = (await door.propose(headers={"Prefer": "wait=0"})).body
    got = await door.get(made["links"]["self"], headers={"Prefer": "wait=1"})
    assert got.status == 202
    assert got.headers["Preference-Applied"] == "wait=1"
    assert got.headers["Location"] == made["links"]["self"]


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ("respond-async, wait=0", "wait=0"),
        ("WAIT = 0; x=y", "wait=0"),
        ("wait=-1", None),
        ("wait=soon", None),
        ("handling=lenient", None),
    ],
)
async def test_preferences_are_honoured_or_ignored(door: Door, prefer: str, applied: str | None) -> None:
    got = await door.propose(headers={"Prefer": prefer})
    assert got.headers.get("Preference-Applied") == applied


async def test_a_longer_wish_is_cut_to_sixty_seconds(door: Door) -> None:
    got = await door.propose("crm.read", headers={"Prefer": "wait=3600"})
    assert got.headers["Preference-Applied"] == "wait=60"


async def test_cancel_ends_the_request_and_wakes_whoever_waits(door: Door) -> None:
    made = (await door.propose()).body
    waiting = asyncio.create_task(door.get(made["links"]["self"], headers={"Prefer": "wait=30"}))
    await eventually(lambda: door.world.deps.wakeups.parked > 0)  # type: ignore[attr-defined]
    got = await door.post(f"{made['links']['self']}/cancel", reason="Not needed any more")
    assert got.status == 200
    assert got.body["status"] == "cancelled"
    assert (await waiting).body["status"] == "cancelled"
    again = await door.post(f"{made['links']['self']}/cancel", reason="again")
    assert again.status == 409
    assert again.code in ("not_pending", "already_decided")


async def test_cancel_needs_no_body(door: Door) -> None:
    made = (await door.propose()).body
    assert (await door.post(f"{made['links']['self']}/cancel")).body["status"] == "cancelled"


async def test_the_same_key_and_body_give_the_same_action(door: Door) -> None:
    """INV-40: a repeated request answers the same action as it stands now, white space aside."""
    headers = {"Idempotency-Key": "k-1"}
    first = await door.propose(headers=headers)
    await door.approve(first.body["id"])
    spaced = (
        b'{ "topic":"pay.refund", "summary": "Refund $1,400.00",\n "payload":{"order":"881","amount":1400.0}}'
    )
    again = await door.post("/v1/actions", data=spaced, headers=headers)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.status == 200
    assert again.body["id"] == first.body["id"]
    assert again.body["status"] == "approved"
    assert again.body["grant"] is not None


async def test_the_same_key_with_another_body_is_refused(door: Door) -> None:
    """INV-41."""
    headers = {"Idempotency-Key": "k-1"}
    await door.propose(headers=headers)
    got = await door.propose(headers=headers, summary="Something else")
    assert (got.status, got.code) == (422, "idempotency_key_reused")


async def test_concurrent_twins_make_one_action(each_door: Door) -> None:
    """INV-42, on each database."""
    door = each_door
    answers = await asyncio.gather(*(door.propose(headers={"Idempotency-Key": "twin"}) for _ in range(12)))
    assert {got.status for got in answers} == {202}
    assert len({got.body["id"] for got in answers}) == 1
    assert sum("Idempotency-Replayed" not in got.headers for got in answers) == 1
    assert len((await door.get("/v1/actions")).body["items"]) == 1


async def test_any_text_of_a_payload_survives(each_door: Door) -> None:
    """Threats 16 and 17: nothing is normalised, dropped or cut, on each database."""
    payload = {
        "amount": 1,
        "nul": "a\x00b",
        "bidi": "\u202eevil\u2066",
        "zero": "\u200b\ufeff",
        "composed": "\u00e9",
        "decomposed": "e\u0301",
        "emoji": "👩‍👩‍👧‍👦",
        "\ue000\U0001f600": {"keys": [0.1, 1e21, -0.0, 1.5e-9]},
        "many": {f"k{n}": n for n in range(3000)},
    }
    made = (await each_door.propose(payload=payload)).body
    got = (await each_door.get(made["links"]["self"])).body
    assert got["payload"] == payload
    assert got["payload_sha256"] == payload_sha256(payload)
    await each_door.approve(made["id"])
    grant = (await each_door.get(made["links"]["self"])).body["grant"]
    redeemed = await each_door.post(
        "/v1/grants/redeem", key="executor", token=grant["token"], payload=payload
    )
    assert redeemed.status == 200


async def test_keys_of_two_agents_do_not_meet(door: Door) -> None:
    """Threat 33: one agent's idempotency key is nothing to another."""
    mine = await door.propose(headers={"Idempotency-Key": "same"})
    theirs = await door.propose(headers={"Idempotency-Key": "same"}, key="other", summary="Theirs")
    assert mine.body["id"] != theirs.body["id"]
    assert theirs.status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\there"])
async def test_a_malformed_idempotency_key_is_refused(door: Door, key: str) -> None:
    got = await door.propose(headers={"Idempotency-Key": key})
    assert (got.status, got.code) == (400, "invalid_header")


async def test_other_agents_actions_do_not_exist(door: Door) -> None:
    """Threat 33: an agent neither reads, follows, cancels nor reports on another's action, nor learns of it."""
    made = (await door.propose()).body
    self = made["links"]["self"]
    for got in (
        await door.get(self, key="other"),
        await door.get(f"{self}/events", key="other"),
        await door.post(f"{self}/cancel", key="other", reason="mine now"),
        await door.post(f"{self}/outcome", key="other", result="failed"),
        await door.get("/v1/actions/act_nothing", key="bot"),
    ):
        assert (got.status, got.code) == (404, "unknown_action")
    assert (await door.get("/v1/actions", key="other")).body["items"] == []
    assert (await door.get("/v1/actions?agent=support-bot", key="other")).body["items"] == []


@pytest.mark.parametrize("key", ["reader", "executor", "admin"])
async def test_other_scopes_read_every_action_but_never_its_grant(door: Door, key: str) -> None:
    made = (await door.propose("crm.read")).body
    got = await door.get(made["links"]["self"], key=key)
    assert got.body["id"] == made["id"]
    assert got.body["grant"] is None


async def test_lists_filter_and_turn_pages_newest_first(door: Door) -> None:
    made: list[str] = []
    for number in range(5):
        door.world.clock.pass_(seconds=1)
        made.append((await door.propose("crm.read", payload={"n": number})).body["id"])
    waiting = (await door.propose(key="other")).body["id"]
    first = (await door.get("/v1/actions?limit=3&agent=support-bot", key="reader")).body
    second = (
        await door.get(f"/v1/actions?limit=3&agent=agt_bot&cursor={first['cursor']}", key="reader")
    ).body
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["cursor"] is None
    assert all(item["grant"] is None for item in first["items"])

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await door.get(f"/v1/actions?{query}", key="reader")).body["items"]]

    assert await ids("status=pending") == [waiting]
    assert await ids("topic=pay.*") == [waiting]
    assert await ids("agent=nobody") == []
    assert await ids("since=2026-11-02T09:00:05Z") == [waiting, made[-1]]
    assert await ids("since=2026-11-02T10:00:05%2B01:00") == [waiting, made[-1]]


async def test_a_callback_to_a_host_nobody_allowed_is_refused_on_its_field(door: Door) -> None:
    """Threat 25: refused before anything is stored."""
    got = await door.propose("crm.read", callback_url="https://inside.example.com/hook")
    assert (got.status, got.code) == (422, "callback_refused")
    assert got.pointers == {"/callback_url": "callback_refused"}
    assert (await door.get("/v1/actions")).body["items"] == []


async def test_names_that_nothing_can_have_are_unknown(each_door: Door) -> None:
    """Threat 15, on each database: a NUL or a stray byte in an address is no error of the gate's."""
    door = each_door
    number = base64.urlsafe_b64encode(b"9" * 30).decode().rstrip("=")
    for path in ("/v1/actions/%00", "/v1/actions/%ff", "/v1/actions/a%2Fb", f"/v1/actions/{'a' * 3000}"):
        assert (await door.get(path)).status == 404
        assert (await door.get(f"{path}/events")).status == 404
        assert (await door.post(f"{path}/cancel")).status == 404
    assert (await door.get("/v1/policy/snapshots/%00", key="reader")).status == 404
    for query in (
        "topic=%00",
        "agent=%00",
        "agent=%ff",
        "cursor=%00",
        "since=0001-01-01T00:00:00Z",
    ):
        assert (await door.get(f"/v1/actions?{query}", key="reader")).status in (200, 422)
    for query in (
        "action=%00",
        "kind=%00",
        "actor=%00*",
        f"cursor={number}",
        "since=9999-12-31T23:59:59-23:59",
    ):
        assert (await door.get(f"/v1/audit/records?{query}", key="reader")).status in (200, 422)
    got = await door.get("/v1/actions", headers={"Authorization": "Bearer a\u00e9"})
    assert got.status == 401


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=many", "/limit"),
        ("status=lost", "/status"),
        ("since=yesterday", "/since"),
        ("cursor=@@@", "/cursor"),
        ("nope=1", "/nope"),
    ],
)
async def test_wrong_queries_are_named(door: Door, query: str, pointer: str) -> None:
    got = await door.get(f"/v1/actions?{query}")
    assert (got.status, got.code) == (422, "invalid_query")
    assert pointer in got.pointers


async def test_a_parameter_given_twice_is_refused(door: Door) -> None:
    got = await door.get("/v1/actions?limit=1&limit=2")
    assert (got.status, got.code) == (422, "invalid_query")


async def test_every_status_is_reached(door: Door) -> None:
    """allowed, denied, throttled, pending, approved, rejected, expired, cancelled."""
    seen: dict[str, Any] = {}
    for topic in ("crm.read", "db.drop", "mail.blast", "pay.refund"):
        body = (await door.propose(topic)).body
        seen[body["status"]] = body
    approved, rejected, cancelled, expired = [
        (await door.propose(payload={"amount": amount})).body for amount in range(1, 5)
    ]
    await door.approve(approved["id"])
    record = await door.world.load(rejected["id"])
    await door.world.vote(record, "ana", Choice.REJECT, comment="No")
    await door.post(f"{cancelled['links']['self']}/cancel", reason="x")
    await _let_time_run_out(door, expired["id"])
    for made in (approved, rejected, cancelled, expired):
        body = (await door.get(made["links"]["self"])).body
        seen[body["status"]] = body
    assert set(seen) == {
        "allowed", "denied", "throttled", "pending", "approved", "rejected", "expired", "cancelled",
    }  # fmt: skip
    assert all(set(body) == FIELDS for body in seen.values())


async def _let_time_run_out(door: Door, action_id: str) -> None:

    while (record := await door.world.load(action_id)).deadline is not None:
        door.world.clock.at = max(door.world.clock.at, record.deadline.due_at)
        await fire(door.world.deps, FireDeadline(action_id=action_id, seq=record.deadline.seq))


async def _pending(door: Door) -> bool:
    async with door.world.store.reading() as tx:
        return bool(await tx.actions.pending(limit=1))
