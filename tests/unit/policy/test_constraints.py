"""Constraints the gate checks itself: breaking one denies, and what cannot be checked never passes."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.action import Velocity
from gate.domain.verdict import Decision
from gate.policy.constraints import check, tightened
from gate.policy.hosts import host_of
from tests.unit.policy.building import judged, one_rule, policy

ANY: dict[str, Any] = {"topics": ["*"]}
LIST = [
    "api.slack.com",
    "*.github.com",
    "bücher.example",
    "192.0.2.7",
    "[2001:db8::1]",
    "internal.example:8443",
]


@pytest.mark.parametrize(
    ("url", "passes"),
    [
        pytest.param("https://api.slack.com/x", True, id="listed"),
        pytest.param("HTTPS://API.SLACK.COM:443/x", True, id="capitals and port"),
        pytest.param("https://api.slack.com./x", True, id="trailing dot"),
        pytest.param("https://api.slack.com.evil.example/x", False, id="a longer name"),
        pytest.param("https://evil-api.slack.com/x", False, id="a neighbour"),
        pytest.param("https://api.slack.com@evil.example/", False, id="user information"),
        pytest.param("https://evil.example#@api.slack.com/", False, id="fragment"),
        pytest.param("https://evil.example\\@api.slack.com/", False, id="back-slash"),
        pytest.param("https:\\\\evil.example/", False, id="back-slashes for slashes"),
        pytest.param("https:/evil.example/", False, id="one slash"),
        pytest.param("https:///evil.example/", False, id="three slashes"),
        pytest.param("//evil.example/x", False, id="without a scheme"),
        pytest.param("https://ev\til.example/", False, id="a tab within"),
        pytest.param("https://uploads.github.com/x", True, id="below a wildcard"),
        pytest.param("https://github.com/x", False, id="the wildcard's own parent"),
        pytest.param("https://github.com.evil.example/x", False, id="beyond the wildcard"),
        pytest.param("https://BÜCHER.example/", True, id="international name"),
        pytest.param("https://xn--bcher-kva.example/", True, id="punycode"),
        pytest.param("https://аpi.slack.com/", False, id="look-alike letter"),
        pytest.param("https://api。slack。com/", True, id="ideographic dots"),
        pytest.param("https://ａｐｉ.slack.com/", True, id="full-width letters"),
        pytest.param("https://api%2eslack%2ecom/", True, id="percent-encoded"),
        pytest.param("http://192.0.2.7/", True, id="address"),
        pytest.param("http://3221225991/", True, id="the same as one number"),
        pytest.param("http://0xC0.0.2.7/", True, id="the same in hexadecimal"),
        pytest.param("http://0300.0.2.07/", True, id="the same in octal"),
        pytest.param("http://127.1/", False, id="a short loopback"),
        pytest.param("http://2130706433/", False, id="loopback as one number"),
        pytest.param("http://[2001:db8:0::1]:80/", True, id="IPv6"),
        pytest.param("http://[::ffff:192.0.2.7]/", True, id="mapped IPv4"),
        pytest.param("http://[::1]/", False, id="other IPv6"),
        pytest.param("http://[oops/", False, id="broken IPv6"),
        pytest.param("https://internal.example:8443/", True, id="listed with a port"),
        pytest.param("https://internal.example/", False, id="without that port"),
        pytest.param("https://api.slack.com:99999999/", False, id="impossible port"),
        pytest.param("ftp://evil.example/x", False, id="another scheme"),
        pytest.param("www.evil.example/x", False, id="a bare www"),
        pytest.param("see https://api.slack.com/x, then https://evil.example", False, id="the second of two"),
        pytest.param("mail me at www@api.example", True, id="no link at all"),
        pytest.param("ratio a//b or 1/2", True, id="slashes between words are no link"),
        pytest.param("plain words. And more.", True, id="no link"),
    ],
)
def test_hosts_are_read_as_a_client_would_read_them(url: str, passes: bool) -> None:
    broken = check({"network_allowlist": LIST}, {"body": {"text": [url]}})
    assert (broken == ()) is passes, broken
    assert all(violation.pointer == "/body/text/0" for violation in broken)


@pytest.mark.parametrize(
    "key", ["url", "callbackUrl", "webhook_url", "host", "endpoint", "URI", "target-domain"]
)
def test_a_bare_host_counts_where_the_key_says_so(key: str) -> None:
    assert check({"network_allowlist": ["api.slack.com"]}, {key: "evil.example"})
    assert not check({"network_allowlist": ["api.slack.com"]}, {key: "api.slack.com/x"})


def test_links_in_keys_count() -> None:
    (violation,) = check({"network_allowlist": []}, {"https://evil.example": 1})
    assert violation.sentence == "evil.example is not on the network allowlist"


def test_a_flood_of_links_is_not_followed_for_ever() -> None:
    payload = {"text": "https://api.slack.com " * 5_000}
    (violation,) = check({"network_allowlist": ["api.slack.com"]}, payload)
    assert "more URLs than are checked" in violation.sentence


@pytest.mark.parametrize(
    "text", ["", "https://", "http://%", "http://a b/", "http://ex ample", "http://..", "\x00", "http://[::1"]
)
def test_what_is_no_host_is_none(text: str) -> None:
    host, _ = host_of(text)
    assert host is None or "a" in host or "ex" in host


@pytest.mark.parametrize(
    ("amount", "decision"),
    [
        pytest.param(500.0, Decision.ALLOW_WITH_CONSTRAINTS, id="at the limit"),
        pytest.param(500.01, Decision.DENY, id="over it"),
        pytest.param(None, Decision.DENY, id="not known"),
    ],
)
def test_an_amount_over_the_limit_or_unknown_does_not_pass(amount: float | None, decision: Decision) -> None:
    """INV-15"""
    held = one_rule(ANY, "allow_with_constraints", constraints={"max_amount_usd": 500, "note": "x"})
    verdict = judged(held, amount_usd=amount)
    assert verdict.decision is decision
    assert verdict.constraints == ({} if decision is Decision.DENY else {"max_amount_usd": 500, "note": "x"})


def test_a_denial_by_constraint_names_rule_and_number_and_offers_the_rules_way_out() -> None:
    held = one_rule(
        ANY,
        "allow_with_constraints",
        constraints={"max_amount_usd": 500},
        remediations=[{"id": "credit", "title": "Store credit", "replacement_topic": "job.credit"}],
    )
    verdict = judged(held, amount_usd=1400.0)
    assert (
        verdict.reason == "Outside the constraints of rule 'r': amount_usd 1,400 is over max_amount_usd 500"
    )
    assert [item.id for item in verdict.remediations] == ["credit"]
    assert verdict.rule == "r"


def test_people_may_decide_where_the_amount_is_unknown_but_not_over_the_limit() -> None:
    held = one_rule(ANY, "require_approval", constraints={"max_amount_usd": 500})
    assert judged(held).decision is Decision.REQUIRE_APPROVAL
    assert judged(held, amount_usd=501.0).decision is Decision.DENY


def test_a_constraint_of_a_guardrail_binds_what_a_rule_allows() -> None:
    held = policy(
        {
            "guardrails": [
                {
                    "id": "g",
                    "match": ANY,
                    "decision": "allow_with_constraints",
                    "constraints": {"network_allowlist": []},
                }
            ],
            "rules": [{"id": "r", "match": ANY, "decision": "allow"}],
        }
    )
    assert judged(held, payload={"url": "https://x.example"}).decision is Decision.DENY
    assert judged(held, payload={}).constraints == {"network_allowlist": []}


def test_the_payload_is_held_against_a_schema() -> None:
    schema = {
        "type": "object",
        "required": ["to"],
        "properties": {"to": {"type": "string", "pattern": "^[a-z]+$"}},
    }
    held = one_rule(ANY, "allow_with_constraints", constraints={"payload_schema": schema})
    assert judged(held, payload={"to": "ana"}).decision is Decision.ALLOW_WITH_CONSTRAINTS
    assert judged(held, payload={"to": "A"}).reason.endswith("/to is not of the form ^[a-z]+$")
    assert judged(held, payload={}).reason.endswith("/to is required")


def test_a_rate_denies_when_exceeded_or_unknown() -> None:
    """INV-15"""
    held = one_rule(
        ANY, "allow_with_constraints", constraints={"rate": {"max": 5, "per": "1h", "key": "agent"}}
    )
    hour = Velocity(per_sec=3600, key=("agent",))
    assert judged(held, velocity={hour: 4}).decision is Decision.ALLOW_WITH_CONSTRAINTS
    assert judged(held, velocity={hour: 5}).reason.endswith("rate: 6 actions per agent in 1h, over 5")
    assert judged(held).decision is Decision.DENY


def test_constraints_that_cannot_be_read_are_a_violation() -> None:
    assert [v.code for v in check({"rate": {"max": 1}}, {})] == ["constraints"]


def test_merging_keeps_the_stricter_of_both() -> None:
    merged = tightened(
        {"max_amount_usd": 5, "network_allowlist": ["a", "b"], "read_only": False, "other": 1},
        {"max_amount_usd": 9, "network_allowlist": ["b", "c"], "read_only": True, "other": 2, "new": 3},
    )
    assert merged == {
        "max_amount_usd": 5,
        "network_allowlist": ["b"],
        "read_only": True,
        "other": 1,
        "new": 3,
    }
