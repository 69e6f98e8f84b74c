"""Why a verdict is what it is, rule by rule and in words; it decides nothing that `evaluate` has not decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gate.domain.action import Subject
from gate.domain.verdict import ApprovalPlan, Effective, OnTimeout, Verdict
from gate.policy.derive import effective
from gate.policy.durations import say_duration
from gate.policy.evaluate import default_of, evaluate
from gate.policy.facts import Outcome, Scratch, Trouble
from gate.policy.globs import compile_globs
from gate.policy.matching import CompiledMatch, all_of
from gate.policy.plain import plain
from gate.policy.rulings import CompiledClassify, CompiledRule, RuleTrouble
from gate.policy.snapshot import CompiledDocument, PolicySet


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One rule and what came of it.

    `kind` is guardrail, rule, default or classify. `outcome` is matched, decides (matched, and it is the answer),
    not matched, not reached (an earlier rule of its document matched), out of scope or trouble. `why` is one
    sentence; `conditions` one for each key of its match.
    """

    kind: str
    id: str
    file: str
    line: int
    decision: str | None
    outcome: str
    why: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """A verdict, how every rule took the action, and what of the plan was filled in without the rule saying it."""

    verdict: Verdict
    trace: tuple[Trace, ...]
    filled_in: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The whole as JSON types."""
        return {
            "verdict": plain(self.verdict),
            "trace": [plain(line) for line in self.trace],
            "filled_in": list(self.filled_in),
        }


def explain(policy: PolicySet, subject: Subject, now: datetime) -> Explanation:
    """The verdict of `evaluate` with its reasons. Never raises."""
    verdict = evaluate(policy, subject, now)
    x = Scratch()
    trace: list[Trace] = []
    entries = [
        entry for document in policy.compiled if _in_scope(document, subject) for entry in document.classify
    ]
    try:
        e = effective(tuple((_whole(entry.match), entry) for entry in entries), subject, now, x)
    except RuleTrouble:
        e = verdict.effective
    for document in policy.compiled:
        trace += _document(policy, document, verdict, e, subject, now, x)
    if verdict.rule == policy.fallback.id and not any(line.outcome == "decides" for line in trace):
        trace.append(
            Trace(
                kind="default",
                id=policy.fallback.id,
                file="",
                line=0,
                decision=policy.fallback.decision.value,
                outcome="decides",
                why="no document says otherwise, and what nobody covers is never allowed",
            )
        )
    return Explanation(verdict=verdict, trace=tuple(trace), filled_in=_filled_in(policy, verdict))


def _in_scope(document: CompiledDocument, s: Subject) -> bool:
    return document.scope_topics is None or compile_globs(document.scope_topics)(s.proposal.topic)


def _whole(match: CompiledMatch) -> Any:
    """The test of a match with its topics and tools, which the index settles for `evaluate`."""
    return all_of((*(part.test for part in match.placed), match.test))


def _document(
    policy: PolicySet,
    document: CompiledDocument,
    verdict: Verdict,
    e: Effective,
    s: Subject,
    now: datetime,
    x: Scratch,
) -> list[Trace]:
    if not _in_scope(document, s):
        scope = ", ".join(document.scope_topics or ())
        why = f"topic {s.proposal.topic} is outside its scope {scope}"
        return [
            Trace(
                kind="document",
                id=document.name,
                file=document.name,
                line=1,
                decision=None,
                outcome="out of scope",
                why=why,
            )
        ]
    lines = [_classified(entry, s, now) for entry in document.classify]
    covered = False
    for rule in (*document.guardrails, *document.rules):
        if covered and not rule.guardrail:
            lines.append(_line(rule, "not reached", "an earlier rule of this document matched"))
            continue
        line, matched = _traced(rule, verdict, e, s, now, x)
        covered = covered or (matched and not rule.guardrail)
        lines.append(line)
    if document.default is not None and verdict.rule == document.default.id:
        decides = default_of(policy.view(s.proposal.topic, s.proposal.tool), e, s, now, x) is document.default
        why = "no rule matched" + ("" if decides else "; another document's default is stricter")
        lines.append(_line(document.default, "decides" if decides else "matched", why))
    return lines


def _line(rule: CompiledRule, outcome: str, why: str, conditions: tuple[str, ...] = ()) -> Trace:
    return Trace(
        kind="guardrail" if rule.guardrail else "default" if rule.id == "default" else "rule",
        id=rule.id,
        file=rule.document,
        line=rule.line,
        decision=rule.decision.value,
        outcome=outcome,
        why=why,
        conditions=conditions,
    )


def _said(
    match: CompiledMatch, e: Effective, s: Subject, now: datetime, x: Scratch
) -> list[tuple[Outcome, str]]:
    return [
        (part.test(e, s, now, x), part.words(e, s, now, x)) for part in (*match.placed, *match.conditions)
    ]


def _traced(
    rule: CompiledRule, verdict: Verdict, e: Effective, s: Subject, now: datetime, x: Scratch
) -> tuple[Trace, bool]:
    said = _said(rule.match, e, s, now, x)
    outcome = _whole(rule.match)(e, s, now, x)
    words = tuple(f"{_mark(result)}: {text}" for result, text in said)
    try:
        matched = rule.holds(outcome)
    except RuleTrouble as trouble:
        return _line(rule, "trouble", trouble.message, words), False
    if outcome is True:
        why = " and ".join(text for _, text in said) or "it asks for nothing, so it matches everything"
    elif outcome is False:
        why = " and ".join(text for result, text in said if result is False)
    elif outcome is None:
        unknown = " and ".join(text for result, text in said if result is None)
        why = f"{unknown}; a missing value {_taken(rule, matched)}"
    else:
        why = f"{outcome.message}; trouble in a rule that {'tightens matches' if matched else 'allows is no match'}"
    state = "not matched" if not matched else "decides" if verdict.rule == rule.id else "matched"
    return _line(rule, state, why, words), matched


def _taken(rule: CompiledRule, matched: bool) -> str:
    if rule.match.on_missing is not None:
        return f"is taken as on_missing says: {rule.match.on_missing}"
    return "matches in a rule that tightens" if matched else "does not match in a rule that allows"


def _mark(outcome: Outcome) -> str:
    if isinstance(outcome, Trouble):
        return "trouble"
    return {True: "yes", False: "no", None: "missing"}[outcome]


def _classified(entry: CompiledClassify, s: Subject, now: datetime) -> Trace:
    """Entries are judged on the claims alone, as `derive` does."""
    x = Scratch()
    e = effective((), s, now, x)
    said = _said(entry.match, e, s, now, x)
    outcome = _whole(entry.match)(e, s, now, x)
    try:
        matched = entry.holds(outcome)
    except RuleTrouble as trouble:
        matched, outcome = False, Trouble(trouble.message)
    given = [
        *([f"risk {entry.risk.value}"] if entry.risk is not None else []),
        *([f"tags {', '.join(sorted(entry.risk_tags))}"] if entry.risk_tags else []),
        *([f"derives {', '.join(name for name, _ in entry.facts)}"] if entry.facts else []),
        *([f"masks {', '.join(entry.mask)}"] if entry.mask else []),
        *(["names a data subject"] if entry.subject is not None else []),
    ]
    why = (
        "; ".join(given)
        if matched
        else " and ".join(text for result, text in said if result is not True)
        or "a value it needs is missing"
    )
    return Trace(
        kind="classify",
        id=f"classify[{entry.number}]",
        file=entry.document,
        line=entry.line,
        decision=None,
        outcome="matched" if matched else "not matched",
        why=why,
        conditions=tuple(f"{_mark(result)}: {text}" for result, text in said),
    )


def _filled_in(policy: PolicySet, verdict: Verdict) -> tuple[str, ...]:
    """Parts of the plan the deciding rule left open, with what holds instead and why."""
    plan = verdict.plan
    if plan is None:
        return ()
    rule = next((rule for rule in policy.rules if rule.id == verdict.rule), None)
    approval = rule.ask.approval if rule is not None and rule.ask is not None else None
    risk = verdict.effective.risk.value
    lines: list[str] = []
    if rule is None or rule.ask is None or rule.ask.asked.nobody:
        source = (
            f"route {approval.route}" if approval is not None and approval.route is not None else "routing"
        )
        lines.append(f"asks group {', '.join(plan.groups)} ({source})")
    if approval is None:
        lines.append(f"sla {say_duration(plan.sla_sec)} (risk {risk})")
    if approval is None or approval.quorum is None:
        lines.append(f"quorum {plan.quorum} (risk {risk})")
    elif approval.quorum < plan.quorum:
        lines.append(f"quorum {plan.quorum} instead of {approval.quorum} (risk {risk})")
    if approval is None or approval.escalation is None:
        steps = "; ".join(
            f"after {say_duration(step.after_sec)} {', '.join(step.to)}" for step in plan.ladder
        )
        lines.append(f"reminders: {steps}")
    if approval is None or approval.on_timeout is None:
        lines.append(f"on_timeout {_timeout(plan)} (risk {risk})")
    elif approval.on_timeout != plan.on_timeout.value:
        lines.append(f"on_timeout {_timeout(plan)} instead of {approval.on_timeout} (risk {risk})")
    if plan.editable.paths is None:
        lines.append("every field of the payload may be edited")
    if approval is None or approval.channel is None:
        lines.append(f"channel {plan.channel}")
    return tuple(lines)


def _timeout(plan: ApprovalPlan) -> str:
    return {
        OnTimeout.DENY: "deny",
        OnTimeout.ESCALATE: "escalate to approvers, then deny",
        OnTimeout.HOLD: "hold and page",
        OnTimeout.ALLOW: "allow, logged",
    }[plan.on_timeout]
