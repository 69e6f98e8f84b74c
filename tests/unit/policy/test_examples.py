"""The guides' patterns: what works acts as it reads, the rest is refused in one clear line for each section."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.domain.completeness import EvidenceContract
from gate.domain.verdict import Decision
from gate.policy.compile import compile_set
from gate.policy.documents import Document, PolicyError
from gate.policy.later import LATER
from tests.unit.policy.building import PEOPLE, ROOT, judged, people, policy

EXAMPLES = ROOT / "policies" / "examples"
WORKING = sorted(path for path in EXAMPLES.glob("*/policy.yaml"))
PRINTED = sorted(path for path in (EXAMPLES / "as-printed").iterdir() if path.suffix in (".yaml", ".json"))


def text_of(name: str) -> str:
    return (EXAMPLES / name / "policy.yaml").read_text()


@pytest.mark.parametrize("path", WORKING, ids=lambda path: path.parent.name)
def test_an_example_loads_and_has_a_line_about_it(path: Path) -> None:
    policy(path.read_text())
    assert len((path.parent / "README.md").read_text().strip().splitlines()) == 1


EXPECTED = {
    "pattern-3-graduated-autonomy.yaml": ["autonomy_levels", "promotion_criteria", "demotion_triggers"],
    "pattern-4-sampled-audit.yaml": ["audit"],
    "pattern-5-output-review.yaml": ["output"],
}


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.name)
def test_what_this_version_does_not_act_on_is_refused_with_one_line_a_section(path: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        compile_set([Document(name=path.name, text=path.read_text())], people())
    said = [problem.message.split("'")[1] for problem in refused.value.problems]
    assert said == EXPECTED[path.name]
    assert set(said) <= set(LATER)


def test_the_pre_execution_gate_acts_as_it_reads() -> None:
    held = policy(text_of("pattern-1-approval-gate"))
    deploy = judged(held, "job.deploy.api", risk_tags=["write"])
    assert (deploy.decision, deploy.rule) == (Decision.REQUIRE_APPROVAL, "approve-prod-deploys")
    assert deploy.constraints == {"max_runtime_sec": 900}
    call = {"topic": "job.sync.external-api", "risk_tags": ["egress"]}
    assert (
        judged(held, **call, payload={"url": "https://api.github.com/x"}).decision
        is Decision.ALLOW_WITH_CONSTRAINTS
    )
    assert judged(held, **call, payload={"url": "https://evil.example/x"}).decision is Decision.DENY
    assert judged(held, "job.crm.read").decision is Decision.ALLOW
    assert judged(held, "job.crm.contacts.list").decision is Decision.ALLOW
    assert judged(held, "job.crm.write").rule == "default"
    assert judged(held, "job.deploy.api").rule == "default"


def test_exception_based_escalation_acts_as_it_reads() -> None:
    allow = {"rules": [{"id": "all", "match": {"topics": ["*"]}, "decision": "allow"}]}
    held = policy(text_of("pattern-2-exception-based"), allow)
    calm = {"confidence": 0.95, "anomaly_score": 0.1}
    assert judged(held, **calm).decision is Decision.ALLOW
    assert judged(held, **{**calm, "confidence": 0.3}).rule == "low-confidence-escalation"
    assert judged(held, "job.sales.x", **{**calm, "confidence": 0.3}).decision is Decision.ALLOW
    assert judged(held, **{**calm, "anomaly_score": 0.9}).rule == "anomaly-escalation"
    assert judged(held, **calm, counted_retries=3).rule == "retry-escalation"
    assert judged(held, confidence=0.95).rule == "anomaly-escalation"


def test_the_approval_queue_acts_as_it_reads() -> None:
    """Its contract asks for nothing that an agent sends: who decides is on record, and that is a person."""
    groups = [f"  {name}-approvers: {{members: [ana, bo]}}\n" for name in ("finance", "security", "ops")]
    directory = people(PEOPLE.replace("groups:\n", "groups:\n" + "".join(groups)))
    held = policy((EXAMPLES / "approval-queue" / "policy.json").read_text(), directory=directory)
    assert held.contract == EvidenceContract(
        required=("policy_snapshot", "job_hash", "approver_id", "decision_ts"), reject=True
    )
    assert held.care.cooldown_after == 80
    asked = judged(held, "job.pay", amount_usd=10)
    assert (asked.decision, asked.plan and asked.plan.groups) == (
        Decision.REQUIRE_APPROVAL,
        ("finance-approvers",),
    )


def test_draft_only_mode_acts_as_it_reads() -> None:
    held = policy(text_of("draft-only"))
    assert judged(held, "job.sales.draft-email").decision is Decision.ALLOW
    assert judged(held, "job.sales.send-email").remediations[0].id == "draft"


def test_the_refund_workflow_acts_as_it_reads() -> None:
    held = policy(text_of("refund-workflow"))
    small = {"amount": 60, "prior_refunds": 1}
    assert judged(held, "job.support.analyze-refund").decision is Decision.ALLOW_WITH_CONSTRAINTS
    assert judged(held, "job.support.process-refund", small).rule == "auto-approve"
    for payload in ({**small, "amount": 100}, {**small, "prior_refunds": 3}, {"amount": 60}):
        assert judged(held, "job.support.process-refund", payload).rule == "human-review"
    assert judged(held, "job.support.process-refund", {**small, "amount": 10_001}).decision is Decision.DENY


def test_the_three_gates_act_as_they_read() -> None:
    held = policy(text_of("confidence-gates"))
    sound = {
        "fetched": ["2026-03-04T11:00:00Z"],
        "rationale": "x",
        "evidence": [("Invoice total", "5"), ("Order total", "5")],
    }
    from gate.domain.risk import Risk

    def rule(**more: object) -> str:
        return judged(held, **{**sound, **more}).rule

    assert rule(confidence=0.95, risk=Risk.LOW) == "confident-and-low"
    assert rule(confidence=0.95, risk=Risk.LOW, rationale=None) == "context-gate"
    assert (
        rule(confidence=0.95, risk=Risk.LOW, evidence=[("Invoice total", "5"), ("Order total", "6")])
        == "context-gate"
    )
    assert rule(confidence=0.8, risk=Risk.MEDIUM) == "queue-for-review"
    assert rule(confidence=0.5, risk=Risk.LOW) == "escalate-to-expert"
