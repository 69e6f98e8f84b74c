"""Which rules an action reaches, whether or not they decide; lint asks this for the coverage of cases."""

from __future__ import annotations

from datetime import datetime

from gate.domain.action import Subject
from gate.policy.derive import effective
from gate.policy.facts import Scratch
from gate.policy.rulings import RuleTrouble
from gate.policy.snapshot import PolicySet


def rules_reached(policy: PolicySet, s: Subject, now: datetime) -> frozenset[str]:
    """Ids of every guardrail that matches and of the first matching rule of each document."""
    view = policy.view(s.proposal.topic, s.proposal.tool)
    x = Scratch()
    found: set[str] = set()
    try:
        e = effective(view.classify, s, now, x)
        found.update(rule.id for test, rule in view.guardrails if rule.holds(test(e, s, now, x)))
        for rules in view.rules:
            first = next((rule.id for test, rule in rules if rule.holds(test(e, s, now, x))), None)
            if first is not None:
                found.add(first)
    except RuleTrouble as trouble:
        found.add(trouble.rule)
    return frozenset(found)
