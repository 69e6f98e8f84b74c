"""What is legal in a policy set but likely a mistake; what is illegal was refused when the set was compiled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gate.domain.payload_paths import path_parts, standing_at
from gate.domain.people import APPROVERS, Directory
from gate.domain.risk import Risk
from gate.domain.verdict import OnTimeout
from gate.policy.cases import Case, answered
from gate.policy.derive import Derived, claimed
from gate.policy.facts import Scratch
from gate.policy.globs import compile_glob
from gate.policy.plans import CRITICAL_QUORUM, PRIMARY
from gate.policy.pointers import ABSENT
from gate.policy.reached import rules_reached
from gate.policy.rulings import PERMISSIVE, CompiledClassify, CompiledRule, RuleTrouble
from gate.policy.snapshot import CompiledDocument, PolicySet


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Finding:
    """One thing to look at. `severity` is error or warning; `code` is stable, `message` helps."""

    file: str
    line: int
    rule: str
    code: str
    severity: str
    message: str


CODES = {
    "unreachable": "an earlier rule of the same document always matches first",
    "outside_scope": "its topics lie outside the scope of its document, so it never speaks",
    "allow_on_timeout": "a timer may approve on the agent's word that the risk is low",
    "quorum_raised": "a quorum of one is raised to two, since the risk is critical",
    "single_assignee": "one person alone is asked, and nobody covers for them",
    "group_only": "high risk is asked of a group, so everybody may think somebody else will answer",
    "no_escalation": "critical, and nobody else is told before time runs out",
    "too_few_people": "at critical risk two people decide, and fewer could",
    "matches_everything": "an allowing rule that asks for nothing",
    "allows_unknown": "an allowing rule that takes a missing value for a match",
    "masks_nothing": "no case it matches has anything in a place that it masks",
    "names_nobody": "no case it matches has the data subject it names",
    "untested": "no case reaches this rule",
}


def lint(policy: PolicySet, directory: Directory, cases: Sequence[Case]) -> tuple[Finding, ...]:
    """Every finding, by file and line."""
    found: list[Finding] = []
    for document in policy.compiled:
        found += _order(document)
        for rule in (*document.guardrails, *document.rules):
            found += _asking(rule, directory)
            found += _allowing(rule)
        found += _data(policy, document, cases)
    reached = {
        rule for case in cases for rule in rules_reached(policy, answered(policy, case.subject), case.now)
    }
    found += [
        _finding(rule, "untested", "warning", "no case reaches this rule; add one to cases/")
        for rule in policy.rules
        if rule.id not in reached
    ]
    return tuple(sorted(found))


def _finding(rule: CompiledRule, code: str, severity: str, message: str) -> Finding:
    return Finding(
        file=rule.document, line=rule.line, rule=rule.id, code=code, severity=severity, message=message
    )


def _data(policy: PolicySet, document: CompiledDocument, cases: Sequence[Case]) -> Iterator[Finding]:
    """Masked places and data subjects that are not there: most likely the words are wrong, so that a value is shown, or
    somebody's data is never found."""

    def said(entry: CompiledClassify, code: str, message: str) -> Finding:
        return Finding(
            file=entry.document,
            line=entry.line,
            rule=f"classify[{entry.number}]",
            code=code,
            severity="warning",
            message=message,
        )

    for entry in document.classify:
        if not entry.mask and entry.subject is None:
            continue
        matched = [case for case in cases if _is_of(entry, policy, case)]
        for path in entry.mask if matched else ():
            parts = path_parts(path)
            payloads = (case.subject.proposal.payload for case in matched)
            if all(next(standing_at(payload, parts), ABSENT) is ABSENT for payload in payloads):
                message = f"no case that this matches has anything at {path or 'the payload'}"
                yield said(entry, "masks_nothing", message)
        alone = replace(entry, mask=(), facts=())
        if entry.subject is not None and matched and not any(_subjects(alone, case) for case in matched):
            yield said(entry, "names_nobody", "no case that this matches has the data subject it names")


def _subjects(entry: CompiledClassify, case: Case) -> tuple[str, ...]:
    derived = Derived()
    derived.take(entry, claimed(case.subject), case.subject, Scratch())
    return derived.subjects


def _is_of(entry: CompiledClassify, policy: PolicySet, case: Case) -> bool:
    s = answered(policy, case.subject)
    near = policy.view(s.proposal.topic, s.proposal.tool).classify
    try:
        return any(
            each is entry and each.holds(test(claimed(s), s, case.now, Scratch())) for test, each in near
        )
    except RuleTrouble:
        return False


def _order(document: CompiledDocument) -> Iterator[Finding]:
    """Rules that can never be first: behind one that always matches where they would."""
    for number, rule in enumerate(document.rules):
        for earlier in document.rules[:number]:
            if _always_before(earlier, rule):
                message = f"rule '{earlier.id}' on line {earlier.line} always matches first"
                yield _finding(rule, "unreachable", "error", message)
                break
    if document.scope_topics is None:
        return
    for rule in (*document.guardrails, *document.rules):
        topics = rule.match.topics
        if topics is not None and not any(
            _overlap(topic, scope) for topic in topics for scope in document.scope_topics
        ):
            listed = ", ".join(document.scope_topics)
            yield _finding(
                rule, "outside_scope", "error", f"its topics lie outside the document's scope {listed}"
            )


def _always_before(earlier: CompiledRule, rule: CompiledRule) -> bool:
    """Whether everything `rule` matches, `earlier` matches without asking more than `rule` does."""
    if earlier.match.tools is not None and earlier.match.tools != rule.match.tools:
        return False
    asked = {(part.key, part.spec) for part in rule.match.conditions}
    if any((part.key, part.spec) not in asked for part in earlier.match.conditions):
        return False
    if earlier.match.topics is None:
        return True
    topics = rule.match.topics
    return topics is not None and all(
        any(_includes(wide, topic) for wide in earlier.match.topics) for topic in topics
    )


def _includes(wide: str, narrow: str) -> bool:
    """Whether one glob matches all that another does; says no where that is hard to tell."""
    if wide in ("*", narrow):
        return True
    if "*" not in narrow:
        return compile_glob(wide)(narrow)
    # A `*` of the narrow glob is one character or more, none of which the wide one may look at.
    return wide.count("*") == 1 and wide.endswith("*") and narrow.partition("*")[0].startswith(wide[:-1])


def _overlap(one: str, other: str) -> bool:
    """Whether two globs can match the same text, as far as their literal heads and tails tell."""
    if "*" not in one:
        return compile_glob(other)(one)
    if "*" not in other:
        return compile_glob(one)(other)
    heads = sorted((one.partition("*")[0], other.partition("*")[0]), key=len)
    tails = sorted((one.rpartition("*")[2], other.rpartition("*")[2]), key=len)
    return heads[1].startswith(heads[0]) and tails[1].endswith(tails[0])


def _asking(rule: CompiledRule, directory: Directory) -> Iterator[Finding]:
    ask = rule.ask
    if ask is None:
        return
    approval, asked = ask.approval, ask.asked
    least = Risk(rule.match.risk_floor) if rule.match.risk_floor is not None else Risk.LOW
    risk = max(rule.risk or Risk.LOW, least, key=lambda level: level.rank)
    if approval is not None and approval.on_timeout == OnTimeout.ALLOW.value and rule.risk is not Risk.LOW:
        message = (
            "on_timeout: allow holds wherever the agent claims low risk; say risk: low or classify the action"
        )
        yield _finding(rule, "allow_on_timeout", "warning", message)
    if approval is not None and approval.quorum == 1 and risk is Risk.CRITICAL:
        yield _finding(rule, "quorum_raised", "warning", "quorum 1 is raised to 2: the risk is critical")
    covered = bool(asked.groups or asked.distinct_groups) or any(
        name != "assignees" for step in ask.ladder or () for name in step.to
    )
    if len(asked.assignees) == 1 and not covered:
        message = (
            f"only {asked.assignees[0]} is asked, without cover; name a second person, a group or a ladder"
        )
        yield _finding(rule, "single_assignee", "warning", message)
    if risk >= Risk.HIGH and asked.nobody and not rule.table and rule.routed is None:
        message = f"{risk.value} risk is asked of '{APPROVERS}' only; name people, a group for this kind, or a route"
        yield _finding(rule, "group_only", "warning", message)
    if risk is Risk.CRITICAL and ask.ladder is not None and not ask.ladder:
        yield _finding(rule, "no_escalation", "warning", "critical, with an empty escalation")
    if risk is Risk.CRITICAL and ask.ladder is None and PRIMARY not in directory.rotas:
        message = f"critical, and there is no rota '{PRIMARY}' to page before time runs out"
        yield _finding(rule, "no_escalation", "warning", message)
    groups = (
        sorted({*rule.table.values(), APPROVERS})
        if asked.nobody and rule.routed is None
        else [rule.routed or ""]
    )
    if any(not ask.open_ended(g) and len(ask.eligible(g)) < CRITICAL_QUORUM for g in groups):
        message = "should such an action be critical, two people must decide, and fewer could"
        yield _finding(rule, "too_few_people", "warning", message)


def _allowing(rule: CompiledRule) -> Iterator[Finding]:
    if rule.decision not in PERMISSIVE:
        return
    if (
        rule.match.topics in (None, ("*",))
        and rule.match.tools in (None, ("*",))
        and not rule.match.conditions
    ):
        yield _finding(rule, "matches_everything", "warning", "allows everything that comes to it")
    if rule.match.on_missing == "match":
        yield _finding(
            rule, "allows_unknown", "warning", "on_missing: match lets an action pass for what it lacks"
        )
