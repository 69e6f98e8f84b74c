"""Judges one action under one snapshot: total, pure, never more permissive for what it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gate.domain.action import Agent, Proposal, Subject, Velocity
from gate.domain.verdict import OUTSIDE, TROUBLE, Decision, Effective, Verdict
from gate.policy.accountable import accountable
from gate.policy.conditions import used
from gate.policy.constraints import Violation, tightened
from gate.policy.derive import claimed, effective, with_risk
from gate.policy.facts import Scratch
from gate.policy.rulings import CompiledRule, RuleTrouble, View
from gate.policy.snapshot import PolicySet

_new = object.__new__
_NO_NOTES = Scratch()
"""Shared by evaluations that take no notes; nothing writes to it."""
_NO_OTHERS: list[CompiledRule] = []
"""Shared by evaluations in which one rule matches; nothing writes to it."""
_CHECKED = (Decision.ALLOW, Decision.ALLOW_WITH_CONSTRAINTS, Decision.REQUIRE_APPROVAL)
SENTENCES_SHOWN = 3


def probes(policy: PolicySet, proposal: Proposal, agent: Agent) -> frozenset[Velocity]:
    """The questions to the gate's history that judging this proposal may need answered."""
    return policy.view(proposal.topic, proposal.tool).velocities


def evaluate(policy: PolicySet, subject: Subject, now: datetime) -> Verdict:
    """The strictest of what guardrails, rules and evidence contract say. Never raises: trouble gives a verdict that
    does not allow.

    `now` is an aware instant; the same arguments give an equal verdict for ever (INV-15, INV-16).
    """
    verdict = _judged(policy, subject, now)
    return verdict if policy.contract is None else accountable(policy.contract, verdict, subject)


def _judged(policy: PolicySet, subject: Subject, now: datetime) -> Verdict:
    try:
        proposal = subject.proposal
        view = policy.view(proposal.topic, proposal.tool)
        x = Scratch() if view.notes else _NO_NOTES
        e = effective(view.classify, subject, now, x) if view.classify else claimed(subject)
        first: CompiledRule | None = None
        others: list[CompiledRule] = _NO_OTHERS
        for test, rule in view.guardrails:
            outcome = test(e, subject, now, x)
            if outcome is not False and (outcome is True or rule.holds(outcome)):
                if first is None:
                    first = rule
                else:
                    others = [*others, rule]
        covered = False
        for rules in view.rules:
            for test, rule in rules:
                outcome = test(e, subject, now, x)
                if outcome is not False and (outcome is True or rule.holds(outcome)):
                    covered = True
                    if first is None:
                        first = rule
                    else:
                        others = [*others, rule]
                    break
        if not covered:
            rule = default_of(view, e, subject, now, x)
            if first is None:
                first = rule
            else:
                others = [*others, rule]
        if first is None:
            raise LookupError("no rule and no default")
        settled = x.editable is None and x.mask is None and x.subjects is None
        if not others and first.plain and settled:
            verdict = _new(Verdict)
            fields = verdict.__dict__
            fields.update(first.fields)
            fields["effective"] = e
            if first.tightens:
                fields["trigger"] = trigger(first, e, subject, now, x)
                if first.ask is not None:
                    fields["plan"] = first.plan(e, None)
            return verdict
        return _settled([first, *others], e, subject, now, x)
    except RuleTrouble as trouble:
        return _troubled(policy, subject, trouble.rule, trouble.message)
    except Exception as error:
        return _troubled(policy, subject, "", f"{type(error).__name__}: {error}")


def default_of(view: View, e: Effective, s: Subject, now: datetime, x: Scratch) -> CompiledRule:
    """The strictest default among the documents that speak here, else the built-in one."""
    for test, rule in view.defaults:
        outcome = test(e, s, now, x)
        if outcome is True or (outcome is not False and rule.holds(outcome)):
            return rule
    return view.fallback


def winner_of(hits: list[CompiledRule]) -> CompiledRule:
    """The strictest; of equals the first, guardrails before rules, documents by name."""
    return max(hits, key=lambda rule: rule.strictness) if len(hits) > 1 else hits[0]


def _settled(hits: list[CompiledRule], e: Effective, s: Subject, now: datetime, x: Scratch) -> Verdict:
    """The verdict of everything that matched: the strictest decision, every constraint, the highest risk."""
    winner = winner_of(hits)
    for rule in hits:
        if rule.risk is not None:
            e = with_risk(e, s, rule.risk)
    fields: dict[str, Any] = dict(winner.fields)
    fields["effective"] = e
    fields["mask"] = x.mask
    fields["subjects"] = x.subjects
    if winner.decision in _CHECKED:
        for rule in hits:
            if not rule.limits.none and (broken := _broken(rule, winner, e, s, x)):
                return _denied(rule, broken, fields)
            if rule is not winner and rule.constraints:
                fields["constraints"] = tightened(fields["constraints"], rule.constraints)
        if fields["constraints"] and winner.decision is Decision.ALLOW:
            fields["decision"] = Decision.ALLOW_WITH_CONSTRAINTS
    if winner.tightens:
        fields["trigger"] = trigger(winner, e, s, now, x)
    if winner.ask is not None:
        plan = winner.plan(e, x.editable)
        if len(hits) > 1:
            quorum = max(rule.plan(e, None).quorum for rule in hits if rule.ask is not None)
            plan = replace(plan, quorum=quorum) if quorum > plan.quorum else plan
        if winner.ask.evidence:
            plan = replace(plan, evidence=winner.ask.shown(e, s, now, x))
        fields["plan"] = plan
    verdict = _new(Verdict)
    verdict.__dict__.update(fields)
    return verdict


def _broken(
    rule: CompiledRule, winner: CompiledRule, e: Effective, s: Subject, x: Scratch
) -> tuple[Violation, ...]:
    return rule.limits.broken(
        s.proposal.payload,
        amount_usd=None if "amount_usd" in x.uncertain else e.amount_usd,
        must_know_amount=not winner.tightens,
        used=_history(e, s, x),
    )


def _history(e: Effective, s: Subject, x: Scratch) -> Callable[[Velocity], float | None]:
    def answer(velocity: Velocity) -> float | None:
        try:
            return None if velocity.sum_of in x.uncertain else used(velocity, e, s)
        except KeyError:
            return None

    return answer


def _denied(rule: CompiledRule, broken: tuple[Violation, ...], fields: Mapping[str, Any]) -> Verdict:
    """A broken constraint denies, in the name of the rule that set it, with its way out."""
    said = "; ".join(dict.fromkeys(violation.sentence for violation in broken[:SENTENCES_SHOWN]))
    more = f"; and {len(broken) - SENTENCES_SHOWN} more" if len(broken) > SENTENCES_SHOWN else ""
    verdict = _new(Verdict)
    verdict.__dict__.update(fields)
    verdict.__dict__.update(
        decision=Decision.DENY,
        rule=rule.id,
        reason=f"{OUTSIDE} '{rule.id}': {said}{more}",
        trigger=said + more,
        constraints={},
        remediations=rule.fields["remediations"],
        plan=None,
        retry_after_sec=None,
    )
    return verdict


def trigger(rule: CompiledRule, e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
    """What made the rule stop the action, in words with numbers; empty where it stops everything of its topics."""
    if rule.document == "" or (not rule.match.conditions and not rule.match.placed):
        return (
            f"no rule covers {s.proposal.topic}" if rule.id == "default" else "this rule stops every action"
        )
    if len(rule.match.told) == 1:
        return rule.match.told[0](e, s, now, x)
    return ", ".join([words(e, s, now, x) for words in rule.match.told])


def _every_mask(policy: PolicySet) -> tuple[str, ...] | None:
    """All that any entry masks: where judging failed it is not known which of them are meant."""
    entries = (entry for document in policy.compiled for entry in document.classify)
    return tuple(dict.fromkeys(path for entry in entries for path in entry.mask)) or None


def _troubled(policy: PolicySet, s: Subject, rule: str, message: str) -> Verdict:
    """The verdict where judging failed: people decide, or nobody where there are none to ask."""
    where = f"rule '{rule}'" if rule else "the policy set"
    try:
        e = claimed(s)
    except Exception:
        e = Effective()
    fallback = policy.fallback
    fields: dict[str, Any] = dict(fallback.fields)
    fields["effective"] = e
    fields["rule"] = rule or fallback.id
    fields["reason"] = f"{TROUBLE} {where}: {message}"[:500]
    fields["trigger"] = f"{where} could not be evaluated"
    fields["mask"] = _every_mask(policy)
    try:
        fields["plan"] = fallback.plan(e, None) if fallback.ask is not None else None
    except Exception:
        fields["decision"] = Decision.DENY
    verdict = _new(Verdict)
    verdict.__dict__.update(fields)
    return verdict
