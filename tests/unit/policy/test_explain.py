"""Explanations say in words why each rule did or did not match, and what was filled in."""

from __future__ import annotations

import json

from gate.policy.evaluate import evaluate
from gate.policy.explain import Explanation, explain
from tests.unit.policy.building import NOW, policy, subject

SET = {
    "classify": [{"match": {"tools": ["stripe.*"]}, "risk": "high", "risk_tags": ["financial"]}],
    "guardrails": [{"id": "g", "match": {"risk_tags_all": ["prod", "delete"]}, "decision": "deny"}],
    "rules": [
        {"id": "other", "match": {"topics": ["tool.*"]}, "decision": "deny"},
        {
            "id": "unsure",
            "match": {"topics": ["job.*"], "confidence_below": 0.7},
            "decision": "require_approval",
        },
        {"id": "rest", "match": {"topics": ["job.*"]}, "decision": "allow"},
    ],
}


def told(**more: object) -> dict[str, tuple[str, str]]:
    return {line.id: (line.outcome, line.why) for line in explained(**more).trace}


def explained(**more: object) -> Explanation:
    return explain(policy(SET), subject(**more), NOW)  # type: ignore[arg-type]


def test_every_rule_is_accounted_for() -> None:
    assert told(confidence=0.62, tool="mail.send") == {
        "classify[0]": ("not matched", "tool mail.send is not in stripe.*"),
        "g": ("not matched", "not tagged prod, delete"),
        "other": ("not matched", "topic job.support.refund is not in tool.*"),
        "unsure": ("decides", "topic job.support.refund matches job.* and confidence 0.62 below 0.7"),
        "rest": ("not reached", "an earlier rule of this document matched"),
    }


def test_a_missing_value_is_said_with_what_it_did() -> None:
    assert told(tool="stripe.refund")["unsure"] == (
        "decides",
        "confidence is not known; a missing value matches in a rule that tightens",
    )
    assert told(tool="stripe.refund")["classify[0]"] == ("matched", "risk high; tags financial")


def test_what_was_filled_in_is_listed() -> None:
    assert explained(confidence=0.1).filled_in == (
        "asks group approvers (routing)",
        "sla 4h (risk medium)",
        "quorum 1 (risk medium)",
        "reminders: after 2h group:approvers; after 3h oncall:primary",
        "on_timeout escalate to approvers, then deny (risk medium)",
        "every field of the payload may be edited",
        "channel #approvals",
    )


def test_the_built_in_default_is_named() -> None:
    last = explained(topic="other").trace[-1]
    assert (last.kind, last.outcome) == ("default", "decides")


def test_the_verdict_is_that_of_evaluate_and_the_whole_is_json() -> None:
    s = subject(confidence=0.1, risk_tags=["b", "a"])
    explanation = explain(policy(SET), s, NOW)
    assert explanation.verdict == evaluate(policy(SET), s, NOW)
    again = json.loads(json.dumps(explanation.as_json()))
    assert again["verdict"]["decision"] == "require_approval"
    assert again["verdict"]["effective"]["risk_tags"] == ["a", "b"]
