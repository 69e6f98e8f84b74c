"""Policies as the published guides print them act as they read in a running gate, and a broken file changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.browser.town import Agent, Town, town_in, write_people

EXAMPLES = Path(__file__).resolve().parents[3] / "policies" / "examples"
MAY_PASS = """version: v1
rules:
  - {id: may-pass, match: {topics: ["job.*"]}, decision: allow, reason: "Everything else may pass"}
"""


class Rulebook:
    """The policy folder of a gate that runs."""

    def __init__(self, folder: Path, town: Town) -> None:
        self.folder = folder
        self.town = town

    async def becomes(self, **documents: str) -> None:
        """Exactly these documents, and the gate has noticed."""
        seen = len(self.town.running.lines)
        for name, text in documents.items():
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        for path in self.folder.glob("*.yaml"):
            if path.stem not in documents:
                path.unlink()
        await self.town.running.aexpect('"event": ?"policy.loaded"', after=seen)


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rulebook]:
    folder = tmp_path_factory.mktemp("rulebook")
    policies = folder / "policies"
    policies.mkdir()
    (policies / "first.yaml").write_text(MAY_PASS)
    with town_in(folder, policies, write_people(folder)) as town:
        yield Rulebook(policies, town)


@pytest_asyncio.fixture(loop_scope="session")
async def agent(rulebook: Rulebook) -> AsyncIterator[Agent]:
    async with aiohttp.ClientSession() as http:
        yield Agent(http, rulebook.town)


def example(name: str) -> str:
    return (EXAMPLES / name / "policy.yaml").read_text(encoding="utf-8")


async def judged(agent: Agent, topic: str, **claims: Any) -> tuple[str, str]:
    document = await agent.propose(topic, **claims)
    return document["status"], document["rule"]


async def test_pattern_1_gates_deploys_limits_calls_and_lets_reads_pass(
    agent: Agent, rulebook: Rulebook
) -> None:
    await rulebook.becomes(gate=example("pattern-1-approval-gate"))
    deploy = await agent.propose("job.deploy.web", risk_tags=["prod"])
    assert (deploy["status"], deploy["rule"]) == ("pending", "approve-prod-deploys")
    assert deploy["reason"] == "Production deploys require human sign-off"
    assert deploy["constraints"] == {"max_runtime_sec": 900}
    assert await judged(agent, "job.migrate.users", risk_tags=["write"]) == (
        "pending",
        "approve-prod-deploys",
    )
    call = await agent.propose(
        "job.crm.external-api", risk_tags=["egress"], payload={"url": "https://api.github.com/repos"}
    )
    assert (call["status"], call["decision"]) == ("allowed", "allow_with_constraints")
    assert call["constraints"]["network_allowlist"] == ["api.slack.com", "api.github.com"]
    elsewhere = await agent.propose(
        "job.crm.external-api", risk_tags=["egress"], payload={"url": "https://evil.example/"}
    )
    assert (elsewhere["status"], elsewhere["rule"]) == ("denied", "constrain-external-calls")
    assert await judged(agent, "job.crm.read") == ("allowed", "allow-reads")
    assert await judged(agent, "job.crm.deals.list") == ("allowed", "allow-reads")
    uncovered = await agent.propose("job.crm.write")
    assert uncovered["status"] == "pending", "what no rule covers is never allowed"


async def test_pattern_2_lets_the_routine_pass_and_asks_in_doubt(agent: Agent, rulebook: Rulebook) -> None:
    await rulebook.becomes(escalation=example("pattern-2-exception-based"), passing=MAY_PASS)
    sure = {"confidence": 0.95, "anomaly_score": 0.1}
    assert await judged(agent, "job.support.reply", **sure) == ("allowed", "may-pass")
    for rule, topic, claims in (
        ("low-confidence-escalation", "job.support.refund", {**sure, "confidence": 0.3}),
        ("low-confidence-escalation", "job.support.refund", {"anomaly_score": 0.1}),
        ("anomaly-escalation", "job.mail.send", {**sure, "anomaly_score": 0.81}),
        ("retry-escalation", "job.mail.send", {**sure, "retry_count": 3}),
    ):
        assert await judged(agent, topic, **claims) == ("pending", rule), claims
    assert await judged(agent, "job.mail.send", **{**sure, "retry_count": 2}) == ("allowed", "may-pass")


@pytest.mark.parametrize(
    ("name", "topic", "claims", "status", "rule"),
    [
        ("draft-only", "job.support.draft-reply", {}, "allowed", "allow-drafts"),
        ("draft-only", "job.support.send-reply", {}, "denied", "drafts-only"),
        ("refund-workflow", "job.support.analyze-refund", {}, "allowed", "analyze"),
        (
            "refund-workflow",
            "job.support.process-refund",
            {"payload": {"amount": 35, "prior_refunds": 0}},
            "allowed",
            "auto-approve",
        ),
        (
            "refund-workflow",
            "job.support.process-refund",
            {"payload": {"amount": 1400, "prior_refunds": 5}},
            "pending",
            "human-review",
        ),
        (
            "confidence-gates",
            "job.crm.update",
            {"confidence": 0.99, "rationale": "r", "context": {"policy_flags": ["pii"]}},
            "pending",
            "policy-blocked",
        ),
    ],
)
async def test_the_other_examples_act_as_they_read(
    agent: Agent, rulebook: Rulebook, name: str, topic: str, claims: dict[str, Any], status: str, rule: str
) -> None:
    if not (rulebook.folder / f"{name}.yaml").exists():
        await rulebook.becomes(**{name: example(name)})
    assert await judged(agent, topic, **claims) == (status, rule)


async def test_a_broken_file_leaves_the_last_good_set_running_and_says_so(
    agent: Agent, rulebook: Rulebook
) -> None:
    await rulebook.becomes(good=MAY_PASS)
    before = await agent.propose("job.anything.at-all")
    assert before["status"] == "allowed"
    running = rulebook.town.running
    for broken, said in (
        ("version: v1\nrules:\n  - {id: a, match: {topicz: ['x']}, decision: deny, reason: b}\n", "topicz"),
        ("version: v1\nrules: [\n", "broken.yaml"),
        ("version: v1\noutput: {rules: []}\n", "output"),
    ):
        seen = len(running.lines)
        (rulebook.folder / "broken.yaml").write_text(broken)
        line = await running.aexpect('"event": ?"policy.refused".*', after=seen)
        assert said in line[0]
        assert "broken.yaml" in line[0]
        status, ready = await agent.call("GET", "/readyz")
        assert (status, ready["status"]) == (200, "degraded")
        check = next(check for check in ready["checks"] if check["name"] == "policy")
        assert said in check["detail"]
        after = await agent.propose("job.anything.at-all")
        assert (after["status"], after["policy"]["digest"]) == ("allowed", before["policy"]["digest"])

    seen = len(running.lines)
    (rulebook.folder / "broken.yaml").write_text(
        "version: v1\nguardrails:\n  - {id: stop, match: {topics: ['*']}, decision: deny, reason: 'Stop'}\n"
    )
    await running.aexpect('"event": ?"policy.loaded"', after=seen)
    _, ready = await agent.call("GET", "/readyz")
    assert ready["status"] == "ready"
    repaired = await agent.propose("job.anything.at-all")
    assert (repaired["status"], repaired["rule"]) == ("denied", "stop")


async def test_losing_every_file_loosens_nothing(agent: Agent, rulebook: Rulebook) -> None:
    await rulebook.becomes(only=MAY_PASS.replace("decision: allow", "decision: deny"))
    seen = len(rulebook.town.running.lines)
    await asyncio.to_thread(shutil.rmtree, rulebook.folder)
    await rulebook.town.running.aexpect('"event": ?"policy.refused"', after=seen)
    assert (await agent.propose("job.anything.at-all"))["status"] == "denied"
    rulebook.folder.mkdir()
    await rulebook.becomes(again=MAY_PASS)
    assert (await agent.propose("job.anything.at-all"))["status"] == "allowed"
