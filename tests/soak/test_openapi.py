"""Schemathesis against a running gate: whatever is sent, the answers are those that the OpenAPI document describes.

`GATE_TEST_SOAK_SEC` is how long each database is tried (120; in less than 90 it may not come to every operation),
`GATE_TEST_SOAK_SEED` draws the same requests again (1).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import gate_for
from tests.harness.processes import Processes

LASTS_SEC = int(float(os.environ.get("GATE_TEST_SOAK_SEC", "120")))
SEED = int(os.environ.get("GATE_TEST_SOAK_SEED", "1"))
ROOT = Path(__file__).parents[2]
SLACK_SEC = 240
"""What the phases before the random ones and the last request may take on a busy machine."""

ALONE = {"GATE_SANDBOX_BIND": "127.0.0.1:0"}

POLICY = """
version: v1
fatigue_controls: {digest_above: 1000}
rules:
  - {id: never, match: {topics: ["db.*"]}, decision: deny, reason: Never}
  - {id: calm, match: {topics: ["mail.*"]}, decision: throttle, reason: Too many, retry_after: 90s}
  - {id: fenced, match: {topics: ["job.deploy.*"]}, decision: allow_with_constraints, reason: Within limits,
     constraints: {max_runtime_sec: 60}}
  - {id: claimed, match: {risk_at_least: critical}, decision: require_approval, reason: So it says,
     approval: {groups: [reviewers], sla: 30m}}
  - {id: looked-at, match: {environments: ["*"], retry_count_above: 0}, decision: require_approval,
     reason: Tried again, approval: {groups: [reviewers], sla: 30m}}
  - {id: free, match: {topics: ["*"]}, decision: allow, reason: Harmless}
"""

CONFIG = """
hooks = "tests/soak/openapi/checks.py"
request-timeout = 90
continue-on-failure = true

[cache]
enabled = false

[generation]
database = "none"

[checks.positive_data_acceptance]
enabled = false

[dictionaries.waits]
values = ["wait=0", "wait=1", "return=minimal", "wait=0, respond-async"]

[parameters."header.Prefer"]
dictionary = "waits"
probability = 0.95

[[operations]]
include-operation-id = "streamAction"
max-stream-events = 1
request-timeout = 5
"""


@pytest.mark.soak
@pytest.mark.timeout(LASTS_SEC + SLACK_SEC + 120)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_the_answers_are_as_described(
    processes: Processes, tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    """No answer 5xx, every status, type, header and body as described, errors as problem documents, unfit requests
    refused and fit ones taken, for all operations and along the links between them."""
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else None
    async with gate_for(processes, tmp_path, ALONE, database_url=url, start=False) as gate:
        (tmp_path / "policies" / "work.yaml").write_text(POLICY, encoding="utf-8")
        await gate.start()
        (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
        running = processes.start(
            *(
                Path(sys.executable).with_name("schemathesis"),
                "--config-file",
                tmp_path / "schemathesis.toml",
            ),
            *("run", f"{gate.url}/openapi.json", "-H", f"Authorization: Bearer {gate.key}"),
            *("--seed", str(SEED), "--max-time", str(LASTS_SEC), "--no-shrink"),
            env={"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        code = await running.await_exit(within=LASTS_SEC + SLACK_SEC)
        print(f"\n{running.output}")
        assert code == 0
