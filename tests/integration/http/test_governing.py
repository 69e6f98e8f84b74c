"""Governance and operation over HTTP: dry runs, snapshots, the audit record, health and metrics."""

from __future__ import annotations

import hashlib
import json

import pytest

from gate.http.settings import Check
from gate.keyring.checkpoints import CheckpointSigner
from tests.integration.http.door import Door


async def test_a_dry_run_tells_the_decision_and_why_and_stores_nothing(door: Door) -> None:
    got = await door.post(
        "/v1/policy/evaluate", topic="pay.refund", summary="Refund", payload={"amount": 1400}
    )
    body = got.body
    assert got.status == 200
    assert (body["decision"], body["rule"], body["risk"]) == ("require_approval", "refunds", "high")
    assert body["approval"]["groups"] == ["finance"]
    assert body["approval"]["sla_sec"] == 1800
    lines = {line["id"]: line for line in body["trace"]}
    assert lines["refunds"]["outcome"] == "decides"
    assert lines["cap"]["outcome"] == "not matched"
    assert lines["refunds"]["conditions"]
    assert (await door.get("/v1/actions")).body["items"] == []
    assert (await door.get("/v1/audit/records", key="reader")).body["items"] == []


async def test_a_dry_run_is_as_strict_as_a_proposal(door: Door) -> None:
    got = await door.post("/v1/policy/evaluate", topic="pay.refund", summary="x", payload={}, riks=1)
    assert got.pointers == {"/riks": "unknown_field"}


async def test_the_policy_in_force_and_every_earlier_one_can_be_read_whole(door: Door) -> None:
    current = (await door.get("/v1/policy", key="reader")).body
    policy = door.world.source.current.policy
    assert current["digest"] == policy.digest
    assert current["documents"] == [{"name": "p.yaml", "text": policy.documents[0].text}]
    assert current["loaded_at"] is None
    await door.world.record_policy()
    listed = (await door.get("/v1/policy/snapshots", key="admin")).body["items"]
    assert [line["digest"] for line in listed] == [policy.digest]
    for name in (policy.digest, policy.digest.removeprefix("sha256:")):
        whole = (await door.get(f"/v1/policy/snapshots/{name}", key="reader")).body
        assert whole["documents"] == current["documents"]
        assert whole["loaded_at"] == "2026-11-02T09:00:00.000000Z"
    got = await door.get("/v1/policy/snapshots/sha256:nothing", key="reader")
    assert (got.status, got.code) == (404, "unknown_snapshot")


async def test_the_audit_record_is_read_in_order_with_digests_that_can_be_recomputed(
    door: Door, notary: CheckpointSigner
) -> None:
    """INV-44: exactly one record for each transition."""
    made = (await door.propose("pay.wire")).body
    await door.approve(made["id"], "ana", "bo")
    await door.sign(notary)
    await door.get(made["links"]["self"])
    await door.propose("db.drop")
    items = (await door.get(f"/v1/audit/records?action={made['id']}", key="reader")).body["items"]
    assert [item["kind"] for item in items] == [
        "approval.requested",
        "approval.vote",
        "approval.granted",
        "grant.issued",
    ]
    for item in items:
        digest = item.pop("digest")
        assert item.pop("hmac") is None, "there is no key for events here"
        numbered = item.pop("leaf")["index"] is not None
        assert numbered == (item["kind"] != "grant.issued"), (
            "what came after the checkpoint has no number yet"
        )
        canonical = json.dumps(item | {"v": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(canonical.encode()).hexdigest() == digest


async def test_the_audit_record_filters_and_turns_pages(door: Door) -> None:
    ids = []
    for _ in range(3):
        ids.append((await door.propose("db.drop")).body["id"])
        door.world.clock.pass_(minutes=1)
    await door.propose("pay.refund")

    async def actions(query: str) -> list[str]:
        page = (await door.get(f"/v1/audit/records?{query}", key="reader")).body
        return [item["action"] for item in page["items"]]

    assert await actions("kind=action.denied") == ids
    assert await actions("kind=action.*") == ids
    assert await actions("kind=action.denied&since=2026-11-02T09:02:00Z") == ids[2:]
    assert await actions("actor=person:*") == []
    first = (await door.get("/v1/audit/records?limit=3", key="reader")).body
    rest = (await door.get(f"/v1/audit/records?limit=3&cursor={first['cursor']}", key="reader")).body
    assert [item["action"] for item in first["items"]] == ids
    assert len(rest["items"]) == 1
    assert rest["cursor"] is None


@pytest.mark.parametrize("query", ["cursor=%40%40", "since=now", "limit=1000", "who=me"])
async def test_wrong_audit_queries_are_refused(door: Door, query: str) -> None:
    got = await door.get(f"/v1/audit/records?{query}", key="reader")
    assert (got.status, got.code) == (422, "invalid_query")


async def test_health_needs_nothing_and_no_key(door: Door) -> None:
    got = await door.get("/healthz", key=None)
    assert (got.status, got.body) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("states", "status", "said"),
    [
        (["ok", "ok"], 200, "ready"),
        (["ok", "degraded"], 200, "degraded"),
        (["down", "degraded"], 503, "down"),
    ],
)
async def test_readiness_names_what_is_not_ready(
    door: Door, states: list[str], status: int, said: str
) -> None:
    door.checks += [
        Check(name="store", state=states[0], detail="first"),  # type: ignore[arg-type]
        Check(name="policy", state=states[1], detail="p.yaml:3: unknown key"),  # type: ignore[arg-type]
    ]
    got = await door.get("/readyz", key=None)
    assert got.status == status
    assert got.body["status"] == said
    assert got.body["checks"][1] == {
        "name": "policy",
        "state": states[1],
        "detail": "p.yaml:3: unknown key",
    }


async def test_metrics_count_by_pattern_and_status(door: Door) -> None:
    made = (await door.propose("crm.read")).body
    await door.get(made["links"]["self"])
    await door.get("/v1/nothing/at/all")
    await door.post(
        "/v1/grants/redeem", key="executor", token=made["grant"]["token"], payload=made["payload"]
    )
    got = await door.get("/metrics", key=None)
    assert got.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = got.raw.decode()
    for line in (
        'signoff_http_requests_total{method="POST",route="/v1/actions",status="200"} 1.0',
        'signoff_http_requests_total{method="GET",route="/v1/actions/{id}",status="200"} 1.0',
        'signoff_http_requests_total{method="other",route="unmatched",status="404"} 1.0',
        'signoff_http_problems_total{code="not_found"} 1.0',
        'signoff_actions_proposed_total{status="allowed"} 1.0',
        'signoff_grants_redeemed_total{result="redeemed"} 1.0',
        "signoff_http_waiting 0.0",
    ):
        assert line in text
