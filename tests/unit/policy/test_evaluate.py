"""How one answer comes of many rules: order, strictness, defaults, scopes, derived facts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.domain.action import Claims, Proposal, Subject, Velocity
from gate.domain.people import Directory
from gate.domain.risk import Risk
from gate.domain.verdict import Decision, Effective, Verdict
from gate.policy.derive import claimed
from gate.policy.evaluate import evaluate, probes
from tests.unit.policy.building import AGENT, NOW, judged, one_rule, policy, subject

ANY: dict[str, Any] = {"topics": ["*"]}
ORDER = ["allow", "allow_with_constraints", "require_approval", "throttle", "deny"]


def rule(name: str, decision: str, match: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": name, "match": ANY if match is None else match, "decision": decision, **more}


def test_the_first_matching_rule_of_a_document_wins() -> None:
    held = policy({"rules": [rule("a", "allow", {"topics": "x"}), rule("b", "allow"), rule("c", "deny")]})
    assert judged(held).rule == "b"


@pytest.mark.parametrize("guard", ORDER)
@pytest.mark.parametrize("own", ORDER)
def test_the_strictest_of_guardrails_and_rules_decides(guard: str, own: str) -> None:
    held = policy({"guardrails": [rule("g", guard)], "rules": [rule("r", own)]})
    verdict = judged(held)
    assert verdict.decision.value == max(guard, own, key=ORDER.index)
    assert verdict.rule == ("g" if ORDER.index(guard) >= ORDER.index(own) else "r")


def test_every_guardrail_is_asked() -> None:
    held = policy(
        {"guardrails": [rule("a", "require_approval"), rule("b", "deny")], "rules": [rule("r", "allow")]}
    )
    assert judged(held).rule == "b"


def test_a_guardrail_that_would_allow_does_not_stand_in_for_a_rule() -> None:
    """INV-15: with no rule that covers it an action is never allowed."""
    held = policy({"guardrails": [rule("g", "allow_with_constraints", constraints={"read_only": True})]})
    verdict = judged(held)
    assert (verdict.decision, verdict.rule) == (Decision.REQUIRE_APPROVAL, "default")
    assert verdict.constraints == {"read_only": True}


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        pytest.param("allow", Decision.ALLOW, id="plain"),
        pytest.param("Require-Approval", Decision.REQUIRE_APPROVAL, id="dashes"),
        pytest.param("ALLOW_WITH_CONSTRAINTS", Decision.ALLOW_WITH_CONSTRAINTS, id="capitals"),
        pytest.param("deny", Decision.DENY, id="deny"),
    ],
)
def test_case_and_dashes_of_a_decision_do_not_matter(text: str, decision: Decision) -> None:
    assert judged(one_rule(ANY, text)).decision is decision


def test_without_documents_nothing_is_allowed() -> None:
    """INV-15"""
    verdict = judged(policy())
    assert verdict.decision is Decision.REQUIRE_APPROVAL
    assert verdict.reason == "No policy is loaded"
    assert verdict.plan is not None
    assert verdict.plan.groups == ("approvers",)


def test_without_documents_and_people_everything_is_denied() -> None:
    """INV-15"""
    verdict = judged(policy(directory=Directory()))
    assert (verdict.decision, verdict.plan) == (Decision.DENY, None)


def test_what_no_rule_covers_asks_people() -> None:
    """INV-15"""
    verdict = judged(one_rule({"topics": "other"}, "allow"))
    assert (verdict.decision, verdict.rule) == (Decision.REQUIRE_APPROVAL, "default")
    assert verdict.trigger == "no rule covers job.support.refund"


def test_of_the_defaults_of_documents_that_speak_the_strictest_holds() -> None:
    held = policy(
        {"default": {"decision": "require_approval"}},
        {"default": {"decision": "deny", "reason": "closed"}, "scope": {"topics": ["job.*"]}},
    )
    assert judged(held).reason == "closed"
    assert judged(held, "tool.x").decision is Decision.REQUIRE_APPROVAL


def test_a_default_does_not_outvote_a_rule_of_another_document() -> None:
    held = policy({"default": {"decision": "deny"}}, {"rules": [rule("r", "allow")]})
    assert judged(held).rule == "r"


def test_a_document_speaks_only_inside_its_scope() -> None:
    held = policy(
        {
            "scope": {"topics": ["job.support.*"]},
            "guardrails": [rule("g", "deny")],
            "rules": [rule("d", "deny")],
        },
        {"rules": [rule("r", "allow")]},
    )
    assert judged(held, "job.support.x").decision is Decision.DENY
    assert judged(held, "job.sales.x").rule == "r"


@pytest.mark.parametrize(
    ("scope", "action", "speaks"),
    [
        pytest.param({"teams": ["support"]}, {}, True, id="team"),
        pytest.param({"teams": ["sales"]}, {}, False, id="other team"),
        pytest.param({"environments": ["prod"]}, {"environment": "dev"}, False, id="other environment"),
        pytest.param({"environments": ["prod"]}, {}, True, id="an unknown environment tightens"),
    ],
)
def test_a_scope_may_name_teams_and_environments(
    scope: dict[str, Any], action: dict[str, Any], speaks: bool
) -> None:
    held = policy({"scope": scope, "rules": [rule("g", "deny")]}, {"rules": [rule("r", "allow")]})
    assert (judged(held, **action).rule == "g") is speaks


def test_two_documents_of_one_strictness_merge_to_what_keeps_both() -> None:
    held = policy(
        {
            "rules": [
                rule(
                    "a",
                    "allow_with_constraints",
                    constraints={"max_runtime_sec": 60, "redact": ["ssn"], "x": 1},
                )
            ]
        },
        {
            "rules": [
                rule(
                    "b",
                    "allow_with_constraints",
                    constraints={"max_runtime_sec": 30, "redact": ["iban"], "read_only": True},
                )
            ]
        },
    )
    assert judged(held).constraints == {
        "max_runtime_sec": 30,
        "redact": ["ssn", "iban"],
        "x": 1,
        "read_only": True,
    }


def test_the_higher_quorum_of_two_that_ask_holds() -> None:
    held = policy(
        {"rules": [rule("a", "require_approval", approval={"sla": "1h", "groups": ["finance"]})]},
        {
            "rules": [
                rule("b", "require_approval", approval={"sla": "1h", "groups": ["security"], "quorum": 2})
            ]
        },
    )
    plan = judged(held).plan
    assert plan is not None
    assert (plan.groups, plan.quorum) == (("finance",), 2)


def test_throttling_says_when_to_ask_again() -> None:
    velocity = {"velocity": {"max": 5, "per": "10m"}}
    assert judged(one_rule(velocity, "throttle")).retry_after_sec == 600
    assert judged(one_rule(ANY, "throttle")).retry_after_sec == 60
    assert judged(one_rule(ANY, "throttle", retry_after="5m")).retry_after_sec == 300
    assert judged(one_rule(ANY, "deny")).retry_after_sec is None


def test_probes_are_the_questions_of_those_who_may_speak() -> None:
    held = policy(
        {
            "rules": [
                rule("a", "deny", {"topics": ["job.*"], "velocity": {"max": 1, "per": "1h"}}),
                rule("b", "deny", {"topics": ["tool.*"], "velocity": {"max": 1, "per": "2h"}}),
                rule(
                    "c",
                    "deny",
                    {"not": {"any": [{"velocity": {"max": 1, "per": "3h", "sum": "amount_usd"}}]}},
                ),
                rule("d", "allow", constraints={"rate": {"max": 5, "per": "4h", "key": ["topic", "agent"]}}),
            ]
        }
    )
    asked = probes(held, Proposal(topic="job.x", payload={}, summary="s"), AGENT)
    assert asked == {
        Velocity(per_sec=3600, key=("agent",)),
        Velocity(per_sec=10_800, key=("agent",), sum_of="amount_usd"),
        Velocity(per_sec=14_400, key=("agent", "topic")),
    }


CLASSIFY: dict[str, Any] = {
    "classify": [
        {
            "match": {"tools": ["stripe.*"]},
            "risk": "high",
            "risk_tags": ["financial"],
            "facts": {"amount_usd": "payload.amount / 100", "affected_users": "size(payload.to)"},
        },
        {"match": {"topics": ["job.*"]}, "risk_tags": ["write"], "facts": {"confidence": "payload.sure"}},
        {"match": {"topics": ["job.*"], "risk_at_least": "high"}, "risk_tags": ["claimed-high"]},
    ],
    "rules": [rule("r", "require_approval")],
}


def test_derived_facts_only_raise_what_is_claimed() -> None:
    payload = {"amount": 140_050, "to": ["a", "b"], "sure": 0.6}
    e = judged(
        policy(CLASSIFY), payload=payload, tool="stripe.refund", risk=Risk.LOW, amount_usd=5.0, confidence=0.9
    ).effective
    assert (e.risk, e.amount_usd, e.affected_users, e.confidence) == (Risk.HIGH, 1400.5, 2, 0.6)
    assert e.risk_tags == {"financial", "write"}
    assert e.verified >= {
        "risk",
        "risk_tags",
        "amount_usd",
        "affected_users",
        "confidence",
        "first_time",
        "retry_count",
    }


def test_claims_above_what_is_derived_stand_and_are_claims() -> None:
    payload = {"amount": 100, "to": [], "sure": 0.9}
    e = judged(
        policy(CLASSIFY),
        payload=payload,
        tool="stripe.refund",
        risk=Risk.CRITICAL,
        amount_usd=5000.0,
        affected_users=7,
        confidence=0.2,
        risk_tags=["pii"],
        retry_count=4,
    ).effective
    assert (e.risk, e.amount_usd, e.affected_users, e.confidence) == (Risk.CRITICAL, 5000.0, 7, 0.2)
    assert e.risk_tags == {"financial", "write", "pii", "claimed-high"}
    assert e.verified == {"first_time"}


def test_an_entry_of_classify_does_not_see_what_another_derives() -> None:
    e = judged(policy(CLASSIFY), payload={"amount": 1, "to": [], "sure": 1}, tool="stripe.refund").effective
    assert "claimed-high" not in e.risk_tags


def test_a_class_is_given_only_for_what_is_known() -> None:
    assert judged(policy(CLASSIFY), payload={"sure": 1}).effective.risk_tags == {"write"}


@pytest.mark.parametrize(
    ("payload", "amount"),
    [
        pytest.param({}, 5.0, id="no amount in the payload"),
        pytest.param({"amount": "lots"}, 5.0, id="not a number"),
        pytest.param({"amount": None}, 5.0, id="null"),
    ],
)
def test_a_small_claim_does_not_stand_in_for_a_fact_that_cannot_be_derived(
    payload: dict[str, Any], amount: float
) -> None:
    """INV-15: leaving the amount out of the payload is treated as an unknown amount."""
    held = policy(
        {
            "classify": [{"match": ANY, "facts": {"amount_usd": "payload.amount"}}],
            "rules": [
                rule("small", "allow", {"not": {"amount_usd_above": 100}}),
                rule("large", "deny", {"amount_usd_above": 100}),
            ],
        }
    )
    verdict = judged(held, payload=payload, amount_usd=amount)
    assert verdict.rule == "large"
    assert verdict.trigger == "amount_usd 5 is only claimed: deriving it failed"
    assert "amount_usd" not in verdict.effective.verified
    assert judged(held, payload={"amount": 7}, amount_usd=amount).rule == "small"


def test_a_rules_own_risk_raises_the_effective_risk() -> None:
    held = one_rule(ANY, risk="high")
    assert judged(held).effective.risk is Risk.HIGH
    assert judged(held, risk=Risk.CRITICAL).effective.risk is Risk.CRITICAL
    assert judged(one_rule(ANY, risk="low")).effective.risk is Risk.LOW
    assert judged(one_rule(ANY, risk="low"), risk=Risk.HIGH).effective.risk is Risk.HIGH
    assert "risk" in judged(held).effective.verified
    assert "risk" not in judged(held, risk=Risk.CRITICAL).effective.verified


def test_a_guardrails_risk_counts_though_a_rule_decides() -> None:
    held = policy(
        {"guardrails": [rule("g", "allow", risk="critical")], "rules": [rule("r", "require_approval")]}
    )
    verdict = judged(held)
    assert verdict.effective.risk is Risk.CRITICAL
    assert verdict.plan is not None
    assert verdict.plan.quorum == 2


def test_the_two_ways_of_making_effective_facts_give_the_same_fields() -> None:
    made = claimed(subject(amount_usd=1.0, retry_count=2))
    usual = Effective(amount_usd=1.0, retry_count=2, first_time=False, verified=frozenset({"first_time"}))
    assert made == usual
    assert vars(made) == vars(usual)
    assert vars(judged(one_rule(ANY, "allow"))).keys() == Verdict.__dataclass_fields__.keys()


def test_a_subject_that_cannot_be_judged_is_not_allowed() -> None:
    """INV-15: evaluation never raises."""
    broken = Subject(proposal=Proposal(topic="x", payload=None, summary="s"), agent=AGENT)  # type: ignore[arg-type]
    verdict = evaluate(one_rule({"when": "payload.x > 1"}, "allow"), broken, NOW)
    assert verdict.decision is Decision.REQUIRE_APPROVAL
    assert "Could not evaluate" in verdict.reason


# Properties

TAGS = st.frozensets(st.sampled_from(["prod", "pii", "write", "delete"]), max_size=3)
NUMBER = st.none() | st.floats(0, 2000, allow_nan=False)
SHARE = st.none() | st.floats(0, 1, allow_nan=False)
CLAIMS = st.builds(
    Claims,
    risk=st.none() | st.sampled_from(list(Risk)),
    risk_tags=TAGS,
    confidence=SHARE,
    anomaly_score=SHARE,
    amount_usd=NUMBER,
    affected_users=st.none() | st.integers(0, 500),
    retry_count=st.none() | st.integers(0, 5),
)
TIGHTENING = st.sampled_from(
    [
        {"confidence_below": 0.7},
        {"anomaly_score_above": 0.8},
        {"amount_usd_above": 100},
        {"affected_users_above": 50, "topics": ["job.*"]},
        {"retry_count_above": 2},
        {"risk_tags": ["prod", "delete"]},
        {"risk_tags_all": ["prod", "delete"]},
        {"risk_at_least": "high"},
        {"any": [{"amount_usd_above": 500}, {"risk_tags": ["pii"]}]},
        {"all": [{"amount_usd_above": 20}, {"confidence_below": 0.9}]},
        {"when": "facts.amount_usd > 300.0"},
    ]
)
STRICT = st.sampled_from(["require_approval", "throttle", "deny"])
GUARDS = st.lists(st.tuples(TIGHTENING, STRICT), max_size=4)
PAYLOAD = st.fixed_dictionaries(
    {}, optional={"amount": st.integers(0, 2000) | st.text(max_size=2), "sure": st.just(0.5)}
)


def guarded(guards: list[tuple[dict[str, Any], str]]) -> Any:
    """A set whose conditions only have lower bounds on what is alarming; everything else passes."""
    return policy(
        {
            "classify": [
                {"match": ANY, "facts": {"amount_usd": "payload.amount"}},
                {"match": {"risk_tags": ["delete"]}, "risk": "high"},
            ],
            "guardrails": [rule(f"g{n}", decision, match) for n, (match, decision) in enumerate(guards)],
            "rules": [rule("rest", "allow")],
        }
    )


@settings(max_examples=150, deadline=None)
@given(guards=GUARDS, claims=CLAIMS, payload=PAYLOAD)
def test_the_same_input_has_the_same_verdict_for_ever(
    guards: Any, claims: Claims, payload: dict[str, Any]
) -> None:
    """INV-16: a fresh compilation, a warm cache and a cold one all say the same."""
    s = Subject(proposal=Proposal(topic="job.x", payload=payload, summary="s", claims=claims), agent=AGENT)
    held = guarded(guards)
    first = evaluate(held, s, NOW)
    for other in range(5):
        evaluate(held, subject(f"job.y{other}"), NOW)
    assert evaluate(held, s, NOW) == first == evaluate(guarded(guards), s, NOW)


@settings(max_examples=300, deadline=None)
@given(guards=GUARDS, low=CLAIMS, high=CLAIMS, payload=PAYLOAD)
def test_raising_a_claim_never_makes_the_answer_less_strict(
    guards: Any, low: Claims, high: Claims, payload: dict[str, Any]
) -> None:
    """An agent's word only raises scrutiny: of two claims the more alarming gets at least as strict an answer."""

    def larger(one: Any, other: Any) -> Any:
        return one if one is None else other if other is not None and other > one else one

    raised = Claims(
        risk=larger(low.risk, high.risk),
        risk_tags=low.risk_tags | high.risk_tags,
        confidence=low.confidence if low.confidence is None else min(low.confidence, high.confidence or 0.0),
        anomaly_score=larger(low.anomaly_score, high.anomaly_score),
        amount_usd=larger(low.amount_usd, high.amount_usd),
        affected_users=larger(low.affected_users, high.affected_users),
        retry_count=max(low.retry_count or 0, high.retry_count or 0),
    )
    held = guarded(guards)

    def judge(claims: Claims) -> Verdict:
        proposal = Proposal(topic="job.x", payload=payload, summary="s", claims=claims)
        return evaluate(held, Subject(proposal=proposal, agent=AGENT), NOW)

    before, after = judge(low), judge(raised)
    assert after.decision.strictness >= before.decision.strictness
    e = after.effective
    assert raised.risk is None or e.risk >= raised.risk
    assert e.risk_tags >= raised.risk_tags
    assert e.retry_count >= (raised.retry_count or 0)
    for name in ("anomaly_score", "amount_usd", "affected_users"):
        own = getattr(raised, name)
        assert own is None or getattr(e, name) >= own
    assert raised.confidence is None or (e.confidence is not None and e.confidence <= raised.confidence)
