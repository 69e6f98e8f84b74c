"""THREAT-35, INV-50: the data of one person is shredded beside a running gate, and every proof stays whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.world import POLICY
from tests.integration.cli.conftest import House
from tests.integration.cli.test_audit import found
from tests.integration.cli.test_verbs import ask

SUBJECT = "classify:\n  - {match: {topics: ['crm.*', 'pay.*']}, subject: payload.customer}\n"


def propose(url: str, key: str, topic: str, customer: str, **more: Any) -> dict[str, Any]:
    payload = {"customer": customer, "mail": f"{customer}@private.example", **more}
    body = {"topic": topic, "summary": f"For {customer}", "payload": payload}
    status, made = ask(f"{url}/v1/actions", key, body)
    assert status in (200, 202), made
    return dict(made)


def document(url: str, key: str, action_id: str) -> dict[str, Any]:
    status, found_there = ask(f"{url}/v1/actions/{action_id}", key)
    assert status in (200, 202)
    return dict(found_there)


def shred(house: House, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = house.gate("shred", *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def house(house: House) -> House:
    policy = house.folder / "policies" / "p.yaml"
    policy.write_text(POLICY.replace("classify:\n", SUBJECT, 1))
    return house


def test_one_persons_data_is_shredded_and_every_bundle_still_verifies(house: House):
    running, url = house.serve()
    key = house.json("agents", "add", "bot", "--team", "t", "--owner", "own")["key"]
    denied = [propose(url, key, "pay.refund", "cus_7731", amount=60_000)["id"] for _ in range(2)]
    other = propose(url, key, "pay.refund", "cus_8", amount=60_000)["id"]
    waits = propose(url, key, "pay.refund", "cus_7731", amount=5)["id"]
    ready = propose(url, key, "crm.read", "cus_7731")["id"]
    house.json("audit", "export", "before.jsonl.gz")

    dry = shred(house, "--subject", "cus_7731", code=1)
    assert (dry["dry_run"], sorted(dry["shredded"])) == (True, sorted(denied))
    assert set(dry["not_finished"]) == {waits, ready}
    assert "waits for a decision" in dry["not_finished"][waits]
    assert "can still be executed" in dry["not_finished"][ready]
    assert document(url, key, denied[0])["payload"]["customer"] == "cus_7731"

    assert house.gate("grants", "revoke", ready, "--reason", "to be forgotten").returncode == 0
    done = shred(house, "--subject", "cus_7731", "--yes", code=1)
    assert sorted(done["shredded"]) == sorted([*denied, ready])
    assert list(done["not_finished"]) == [waits]
    for gone in (*denied, ready):
        told = document(url, key, gone)
        assert told["payload"] is None
        assert told["shredded"]["by"]
        assert "cus_7731" not in json.dumps(told)
    assert document(url, key, other)["payload"]["customer"] == "cus_8"
    assert document(url, key, waits)["payload"]["customer"] == "cus_7731"

    again = shred(house, "--action", denied[0], "--yes")
    assert (again["shredded"], again["already_shredded"]) == ([], 1)
    records = house.json("audit", "show", denied[0])["records"]
    (record,) = [each for each in records if each["kind"] == "action.shredded"]
    assert record["detail"] == {"found_by": "subject", "versions": 1}
    assert record["actor"].startswith("operator:")

    assert running.stop() == 0
    (house.folder / "keys").write_text(house.gate("audit", "checkpoint", "--keys").stdout)
    house.json("audit", "export", "after.jsonl.gz")
    for bundle in ("before.jsonl.gz", "after.jsonl.gz"):
        assert found(house, bundle, "--key", "keys") == [], bundle


def test_what_cannot_be_shredded_is_said(house: House):
    assert house.gate("shred").returncode == 2
    assert house.gate("shred", "--subject", "a", "--action", "act_1").returncode == 2
    none = house.gate("shred", "--subject", "cus_0", "--yes")
    assert (none.returncode, "No action holds data of this subject" in none.stdout) == (0, True)
    unknown = house.gate("shred", "--action", "act_0", "--yes")
    assert (unknown.returncode, "There is no action act_0" in unknown.stderr) == (1, True)
