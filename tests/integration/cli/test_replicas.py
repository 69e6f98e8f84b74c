"""Two gates on one PostgreSQL: the same answers from both, and nothing twice."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import ProxyHandler, Request, build_opener

from tests.integration.cli.conftest import House
from tests.integration.cli.test_verbs import REFUND, ask


def test_two_replicas_are_one_gate(house: House, postgres_url: str):
    """INV-19: a grant is redeemed once across replicas. A wait at one replica ends by what happens at the other."""
    sandbox = house.start("sandbox")
    shared = {
        "GATE_DATABASE_URL": postgres_url,
        "SLACK_API_URL": sandbox.expect(r"SLACK_API_URL=(\S+)").group(1),
        "SLACK_BOT_TOKEN": sandbox.expect(r"SLACK_BOT_TOKEN=(\S+)").group(1),
        "SLACK_APP_TOKEN": sandbox.expect(r"SLACK_APP_TOKEN=(\S+)").group(1),
    }
    first, one = house.serve(**shared)
    second, other = house.serve(**shared)
    agent = house.json("agents", "add", "bot", "--team", "t", "--owner", "own", **shared)["key"]
    runner = house.json(
        "agents", "add", "run", "--team", "t", "--owner", "own", "--scope", "execute", **shared
    )["key"]

    _, pending = ask(f"{one}/v1/actions", agent, REFUND)
    waiting = Request(f"{other}/v1/actions/{pending['id']}")  # noqa: S310 - loopback
    waiting.add_header("Authorization", f"Bearer {agent}")
    waiting.add_header("Prefer", "wait=60")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(build_opener(ProxyHandler({})).open, waiting, timeout=90)
        began = time.monotonic()
        assert ask(f"{one}/v1/actions/{pending['id']}/cancel", agent, {"reason": "no longer"})[0] == 200
        with answer.result() as response:
            assert json.load(response)["status"] == "cancelled"
    assert time.monotonic() - began < 25, "woken long before its own end"

    _, allowed = ask(
        f"{one}/v1/actions", agent, {"topic": "crm.read", "summary": "Read", "payload": {"id": 1}}
    )
    token = allowed["grant"]["token"]
    with ThreadPoolExecutor(max_workers=8) as threads:
        answers = list(
            threads.map(
                lambda url: ask(f"{url}/v1/grants/redeem", runner, {"token": token, "payload": {"id": 1}}),
                [one, other] * 4,
            )
        )
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert first.stop() == second.stop() == sandbox.stop() == 0
