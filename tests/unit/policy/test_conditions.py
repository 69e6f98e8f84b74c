"""Every key of `match`: when it holds, when it does not, and what it says to the reviewer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gate.domain.action import Velocity
from gate.domain.risk import Risk
from gate.domain.verdict import Decision
from tests.unit.policy.building import AGENT, NOW, judged, one_rule

HOUR = Velocity(per_sec=3600, key=("agent",))
SPENT = Velocity(per_sec=86400, key=("agent", "topic"), sum_of="amount_usd")


@pytest.mark.parametrize(
    ("match", "action", "holds"),
    [
        pytest.param({"topics": ["job.*.read"]}, {"topic": "job.a.b.read"}, True, id="a star crosses dots"),
        pytest.param({"topics": ["job.*.read"]}, {"topic": "job..read"}, False, id="a star is one or more"),
        pytest.param({"topics": ["job.*"]}, {"topic": "job."}, False, id="nothing after the star"),
        pytest.param({"topics": ["*"]}, {"topic": "x"}, True, id="everything"),
        pytest.param({"topics": ["a*b*c"]}, {"topic": "a1b2c"}, True, id="several stars"),
        pytest.param({"topics": ["a*b*c"]}, {"topic": "abc"}, False, id="several stars, nothing between"),
        pytest.param({"topics": ["Job.x"]}, {"topic": "job.x"}, False, id="case counts"),
        pytest.param({"topics": ["job.x+"]}, {"topic": "job.xx"}, False, id="no pattern but the star"),
        pytest.param({"topics": "job.x"}, {"topic": "job.x"}, True, id="a lone string"),
        pytest.param({"tools": ["stripe.*"]}, {"tool": "stripe.refund"}, True, id="tool"),
        pytest.param({"tools": ["stripe.*"]}, {"tool": "mail.send"}, False, id="other tool"),
        pytest.param({"agents": ["help*"]}, {}, True, id="agent by name"),
        pytest.param({"agents": ["agt_1"]}, {}, True, id="agent by id"),
        pytest.param({"agents": ["other"]}, {}, False, id="other agent"),
        pytest.param({"teams": ["support", "sales"]}, {}, True, id="team"),
        pytest.param({"environments": ["prod*"]}, {"environment": "production"}, True, id="environment"),
        pytest.param({"environments": ["prod"]}, {"environment": "dev"}, False, id="other environment"),
        pytest.param({"risk_tags": ["a", "b"]}, {"risk_tags": ["b"]}, True, id="any tag"),
        pytest.param({"risk_tags_all": ["a", "b"]}, {"risk_tags": ["b"]}, False, id="not all tags"),
        pytest.param({"risk_tags_all": ["a", "b"]}, {"risk_tags": ["b", "a", "c"]}, True, id="all tags"),
        pytest.param({"risk_tags_none": ["a"]}, {"risk_tags": ["b"]}, True, id="none of the tags"),
        pytest.param({"risk_tags_none": ["a"]}, {"risk_tags": ["a"]}, False, id="one of the tags"),
        pytest.param({"risk_at_least": "HIGH"}, {"risk": Risk.CRITICAL}, True, id="risk above"),
        pytest.param({"risk_at_least": "high"}, {"risk": Risk.MEDIUM}, False, id="risk below"),
        pytest.param({"risk_at_least": "medium"}, {}, True, id="unset risk is medium"),
        pytest.param({"labels": {"region": ["eu*"]}}, {"labels": {"region": "eu-1"}}, True, id="label"),
        pytest.param({"labels": {"region": "eu"}}, {"labels": {"region": "us"}}, False, id="other label"),
        pytest.param({"confidence_below": 0.7}, {"confidence": 0.62}, True, id="confidence"),
        pytest.param({"confidence_below": 0.7}, {"confidence": 0.7}, False, id="confidence at the limit"),
        pytest.param({"anomaly_score_above": 0.8}, {"anomaly_score": 0.9}, True, id="anomaly"),
        pytest.param({"anomaly_score_above": 0.8}, {"anomaly_score": 0.8}, False, id="anomaly at the limit"),
        pytest.param({"retry_count_above": 2}, {"retry_count": 3}, True, id="claimed retries"),
        pytest.param(
            {"retry_count_above": 2}, {"retry_count": 0, "counted_retries": 3}, True, id="counted retries"
        ),
        pytest.param({"retry_count_above": 2}, {}, False, id="retries are never missing"),
        pytest.param({"amount_usd_above": 100}, {"amount_usd": 1400.0}, True, id="amount"),
        pytest.param({"affected_users_above": 10}, {"affected_users": 10}, False, id="users at the limit"),
        pytest.param({"first_time_action": True}, {"first_time": True}, True, id="first time"),
        pytest.param({"first_time_action": False}, {"first_time": True}, False, id="not the first time"),
        pytest.param({"missing": ["sources"]}, {}, True, id="sources missing"),
        pytest.param(
            {"missing": ["rationale", "evidence"]},
            {"rationale": "x", "evidence": [("A", "1")]},
            False,
            id="all",
        ),
        pytest.param({"missing": ["model"]}, {"model": "m-1"}, False, id="model given"),
        pytest.param({"missing": "rationale"}, {"rationale": "  "}, True, id="blank rationale"),
        pytest.param(
            {"conflicting": ["Order", "Invoice"]},
            {"evidence": [("order", "12"), ("Invoice", "13")]},
            True,
            id="conflict",
        ),
        pytest.param(
            {"conflicting": ["Order", "Invoice"]},
            {"evidence": [("Order", "12"), ("Invoice", " 12")]},
            False,
            id="agree",
        ),
        pytest.param({"stale_after": "1h"}, {"fetched": ["2026-03-04T10:00:00Z"]}, True, id="stale"),
        pytest.param({"stale_after": "1h"}, {"fetched": ["2026-03-04T11:30:00Z"]}, False, id="fresh"),
        pytest.param(
            {"velocity": {"max": 20, "per": "1h"}}, {"velocity": {HOUR: 20}}, True, id="one too many"
        ),
        pytest.param(
            {"velocity": {"max": 20, "per": "1h"}}, {"velocity": {HOUR: 19}}, False, id="the last one"
        ),
        pytest.param({"velocity": {"max": 20, "per": "1h"}}, {}, True, id="no answer counts as exceeded"),
        pytest.param(
            {"velocity": {"max": 500, "per": "1d", "key": ["topic", "agent"], "sum": "amount_usd"}},
            {"velocity": {SPENT: 480}, "amount_usd": 30.0},
            True,
            id="a sum",
        ),
        pytest.param({"any": [{"topics": "x"}, {"risk_tags": "a"}]}, {"risk_tags": ["a"]}, True, id="any"),
        pytest.param({"any": [{"topics": "x"}, {"risk_tags": "a"}]}, {}, False, id="none of any"),
        pytest.param(
            {"all": [{"topics": "job.*"}, {"risk_tags": "a"}]}, {"risk_tags": ["a"]}, True, id="all of"
        ),
        pytest.param({"not": {"risk_tags": "a"}}, {"risk_tags": ["a"]}, False, id="not"),
        pytest.param({"when": "payload.n > 3"}, {"payload": {"n": 4}}, True, id="when"),
        pytest.param(
            {"when": "facts.risk == 'medium' && facts.topic.startsWith('job.')"}, {}, True, id="facts"
        ),
        pytest.param({}, {}, True, id="nothing asked"),
    ],
)
def test_a_condition_holds_or_does_not(match: dict[str, Any], action: dict[str, Any], holds: bool) -> None:
    verdict = judged(one_rule(match, "deny"), **action)
    assert (verdict.rule == "r") is holds


MISSING: list[tuple[str, dict[str, Any]]] = [
    ("tool", {"tools": ["stripe.*"]}),
    ("environment", {"environments": ["prod"]}),
    ("label", {"labels": {"region": "eu"}}),
    ("confidence", {"confidence_below": 0.7}),
    ("anomaly", {"anomaly_score_above": 0.8}),
    ("amount", {"amount_usd_above": 100}),
    ("users", {"affected_users_above": 100}),
    ("evidence", {"conflicting": ["A", "B"]}),
    ("sources", {"stale_after": "1h"}),
    ("field", {"when": "payload.gone > 1"}),
    ("sum", {"velocity": {"max": 5, "per": "1h", "sum": "affected_users"}}),
    ("under not", {"not": {"confidence_below": 0.7}}),
    ("under any", {"any": [{"confidence_below": 0.7}, {"topics": "other"}]}),
    ("under all", {"all": [{"confidence_below": 0.7}, {"topics": "*"}]}),
]
_HISTORY = {"velocity": {Velocity(per_sec=3600, key=("agent",), sum_of="affected_users"): 0}}


@pytest.mark.parametrize(("match"), [pytest.param(m, id=name) for name, m in MISSING])
@pytest.mark.parametrize(
    ("on_missing", "decision", "holds"),
    [
        pytest.param(None, "deny", True, id="tightens"),
        pytest.param(None, "throttle", True, id="throttles"),
        pytest.param(None, "require_approval", True, id="asks"),
        pytest.param(None, "allow", False, id="allows"),
        pytest.param(None, "allow_with_constraints", False, id="constrains"),
        pytest.param("match", "allow", True, id="allows, match"),
        pytest.param("skip", "deny", False, id="tightens, skip"),
    ],
)
def test_a_missing_value_tightens_unless_the_rule_says_otherwise(
    match: dict[str, Any], on_missing: str | None, decision: str, holds: bool
) -> None:
    """INV-15: what is unknown matches in a rule that tightens and not in one that allows."""
    whole = match if on_missing is None else {**match, "on_missing": on_missing}
    assert (judged(one_rule(whole, decision), **_HISTORY).rule == "r") is holds


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_on_missing_error_never_allows_and_names_the_rule(decision: str) -> None:
    """INV-15: an evaluator error asks people and says which rule it was."""
    verdict = judged(one_rule({"amount_usd_above": 1, "on_missing": "error"}, decision))
    assert verdict.decision is Decision.REQUIRE_APPROVAL
    assert verdict.reason == "Could not evaluate rule 'r': a value it needs is missing"
    assert verdict.rule == "r"
    assert verdict.plan is not None


@pytest.mark.parametrize("nested", ["match", "skip"])
def test_a_nested_match_may_settle_its_own_missing_values(nested: str) -> None:
    held = one_rule({"any": [{"confidence_below": 0.7, "on_missing": nested}]}, "deny")
    assert (judged(held).rule == "r") is (nested == "match")


@pytest.mark.parametrize(
    ("decision", "holds"),
    [("deny", True), ("require_approval", True), ("allow", False), ("allow_with_constraints", False)],
)
@pytest.mark.parametrize("on_missing", [None, "match", "skip"])
@pytest.mark.parametrize(
    "when",
    [
        pytest.param("payload.n > 'a'", id="types"),
        pytest.param("1 / int(payload.zero) > 1", id="division"),
        pytest.param("payload.n", id="not a truth"),
        pytest.param("payload.list.all(a, payload.list.all(b, a == b))", id="too much work"),
    ],
)
def test_an_error_in_an_expression_never_allows(
    when: str, on_missing: str | None, decision: str, holds: bool
) -> None:
    """INV-15: trouble is no match in a rule that allows and a match in one that tightens, whatever on_missing says."""
    match = {"when": when} if on_missing is None else {"when": when, "on_missing": on_missing}
    verdict = judged(one_rule(match, decision), payload={"n": 1, "zero": 0, "list": [1] * 3000})
    assert (verdict.rule == "r") is holds
    assert verdict.decision not in (Decision.ALLOW, Decision.ALLOW_WITH_CONSTRAINTS)


BERLIN = {"days": ["mon-fri"], "hours": "09:00-18:00", "tz": "Europe/Berlin"}
NIGHT = {"days": ["fri"], "hours": "22:00-06:00", "tz": "UTC"}


@pytest.mark.parametrize(
    ("window", "at", "holds"),
    [
        pytest.param(BERLIN, "2026-03-04T08:00:00Z", True, id="nine in Berlin"),
        pytest.param(BERLIN, "2026-03-04T07:59:59Z", False, id="before nine"),
        pytest.param(BERLIN, "2026-03-04T17:00:00Z", False, id="six in the evening is over"),
        pytest.param(BERLIN, "2026-07-01T07:00:00Z", True, id="summer time"),
        pytest.param(BERLIN, "2026-03-07T11:00:00Z", False, id="Saturday"),
        pytest.param(NIGHT, "2026-03-06T23:00:00Z", True, id="Friday night"),
        pytest.param(NIGHT, "2026-03-07T05:59:00Z", True, id="still Friday's night"),
        pytest.param(NIGHT, "2026-03-07T06:00:00Z", False, id="morning"),
        pytest.param(NIGHT, "2026-03-06T05:00:00Z", False, id="Thursday's night"),
        pytest.param({"days": ["sat-mon"]}, "2026-03-08T12:00:00Z", True, id="days that wrap"),
        pytest.param({"days": ["sat-mon"]}, "2026-03-10T12:00:00Z", False, id="Tuesday"),
        pytest.param({"hours": "00:00-24:00"}, "2026-03-10T23:59:59Z", True, id="the whole day"),
    ],
)
def test_a_window_of_the_week(window: dict[str, Any], at: str, holds: bool) -> None:
    verdict = judged(one_rule({"time": window}, "deny"), now=datetime.fromisoformat(at))
    assert (verdict.rule == "r") is holds


@pytest.mark.parametrize(
    ("match", "action", "says"),
    [
        pytest.param(
            {"amount_usd_above": 100}, {"amount_usd": 1400.0}, "amount_usd 1,400 > 100", id="amount"
        ),
        pytest.param(
            {"confidence_below": 0.7}, {"confidence": 0.62}, "confidence 0.62 below 0.7", id="confidence"
        ),
        pytest.param({"confidence_below": 0.7}, {}, "confidence is not known", id="missing"),
        pytest.param(
            {"first_time_action": True}, {"first_time": True}, "first time this agent does this", id="first"
        ),
        pytest.param({"missing": ["sources", "model"]}, {"model": "m"}, "no sources given", id="sources"),
        pytest.param({"risk_tags": ["prod", "pii"]}, {"risk_tags": ["pii", "x"]}, "tagged pii", id="tags"),
        pytest.param(
            {"risk_at_least": "high"}, {"risk": Risk.CRITICAL}, "risk critical is at least high", id="risk"
        ),
        pytest.param(
            {"velocity": {"max": 20, "per": "1h"}},
            {"velocity": {HOUR: 20}},
            "21 actions per agent in 1h > 20",
            id="velocity",
        ),
        pytest.param(
            {"stale_after": "1h"},
            {"fetched": [(NOW - timedelta(hours=3)).isoformat()]},
            "source s0 is 3h old, over 1h",
            id="stale",
        ),
        pytest.param(
            {"conflicting": ["A", "B"]},
            {"evidence": [("A", "1"), ("B", "2")]},
            "A 1, B 2 disagree",
            id="conflicting",
        ),
        pytest.param({"when": "payload.n > 3"}, {"payload": {"n": 4}}, "payload.n > 3", id="when"),
        pytest.param({"topics": ["job.*"]}, {}, "", id="topic alone"),
        pytest.param(
            {"topics": ["job.*"], "amount_usd_above": 5, "confidence_below": 0.9},
            {"amount_usd": 6.5, "confidence": 0.5},
            "confidence 0.5 below 0.9, amount_usd 6.5 > 5",
            id="several",
        ),
        pytest.param(
            {"any": [{"amount_usd_above": 100}, {"confidence_below": 0.7}]},
            {"amount_usd": 5.0, "confidence": 0.5},
            "confidence 0.5 below 0.7",
            id="of any the one that holds",
        ),
        pytest.param(
            {"any": [{"affected_users_above": 100}, {"confidence_below": 0.7}], "on_missing": "skip"},
            {"confidence": 0.5},
            "confidence 0.5 below 0.7",
            id="of any the one that holds, not the one that is unknown",
        ),
        pytest.param({}, {}, "this rule stops every action", id="nothing asked"),
    ],
)
def test_the_reviewer_is_told_what_stopped_it_in_words_with_numbers(
    match: dict[str, Any], action: dict[str, Any], says: str
) -> None:
    assert judged(one_rule(match), **action).trigger == says


def test_an_agent_is_matched_by_its_own_team() -> None:
    held = one_rule({"teams": ["finance"]}, "deny")
    assert judged(held, agent=AGENT).rule == "default"


def test_the_same_instant_in_any_zone_is_the_same() -> None:
    held = one_rule({"time": BERLIN}, "deny")
    assert judged(held, now=datetime(2026, 3, 4, 8, tzinfo=UTC)) == judged(
        held, now=datetime.fromisoformat("2026-03-04T03:00:00-05:00")
    )
