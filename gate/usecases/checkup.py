"""What `gate doctor` can say from rules and directory alone: lint, quorums, on-call; it asks nobody outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from gate.domain.coverage import Spell, gaps
from gate.domain.people import APPROVERS, Directory
from gate.domain.risk import Risk
from gate.domain.verdict import LadderStep
from gate.policy.cases import Case
from gate.policy.lint import lint
from gate.policy.rulings import CompiledRule
from gate.policy.snapshot import PolicySet
from gate.usecases.ports import Rules

COVERED = timedelta(days=14)
"""How far ahead on-call coverage is looked at."""


class Health(Enum):
    """How one thing stands. Only FAIL makes the whole check-up fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One check: what was looked at, how it stands, what that means, and what to do where it is not well."""

    area: str
    subject: str
    health: Health
    says: str
    todo: str = ""


def ok(area: str, subject: str, says: str) -> Line:
    return Line(area=area, subject=subject, health=Health.OK, says=says)


def warn(area: str, subject: str, says: str, todo: str) -> Line:
    return Line(area=area, subject=subject, health=Health.WARN, says=says, todo=todo)


def fail(area: str, subject: str, says: str, todo: str) -> Line:
    return Line(area=area, subject=subject, health=Health.FAIL, says=says, todo=todo)


def lint_line(rules: Rules, cases: Sequence[Case]) -> Line:
    """What lint found, counted."""
    found = lint(rules.policy, rules.directory, cases)
    errors = sum(finding.severity == "error" for finding in found)
    size = f"{len(rules.policy.documents)} documents, {len(rules.policy.rules)} rules"
    if not found:
        return ok("policy", "lint", f"{size}, no findings")
    return warn(
        "policy",
        "lint",
        f"{size}; {errors} errors and {len(found) - errors} warnings, the first: "
        f"{found[0].file}:{found[0].line} {found[0].message}",
        "Read them with gate policy lint; each is legal, and likely a mistake.",
    )


def group_lines(directory: Directory, reachable: Mapping[str, bool]) -> Iterator[Line]:
    """Each group: does it have an active member, and can one of them be reached. `reachable` may know only some
    people; whom it does not know counts as reachable, so that an outage of Slack is reported once and not per group.
    """
    for group in directory.groups.values():
        members = directory.members(group.name)
        there = [person for person in members if reachable.get(person.id, True)]
        if not members:
            yield fail(
                "people",
                f"group {group.name}",
                "It has no active member, so nobody of it is ever asked.",
                f"Add members to the group {group.name} in people.yaml.",
            )
        elif not there:
            yield fail(
                "people",
                f"group {group.name}",
                f"None of its {len(members)} members can be reached.",
                "Repair the people named above, or add a member who can be reached.",
            )
        else:
            yield ok(
                "people", f"group {group.name}", f"{len(there)} of {len(members)} members can be reached"
            )


def quorum_lines(policy: PolicySet, directory: Directory, reachable: Mapping[str, bool]) -> Iterator[Line]:
    """Each rule that asks people and could not get enough of them; one line where all can."""
    asked = short = 0
    for rule in _asking(policy):
        asked += 1
        for problem in _shortage(rule, directory, reachable):
            short += 1
            yield problem
    if not short:
        yield ok("people", "quorums", f"each of the {asked} rules that ask people can get enough of them")


def _shortage(rule: CompiledRule, directory: Directory, reachable: Mapping[str, bool]) -> Iterator[Line]:
    assert rule.ask is not None  # noqa: S101 - only rules that ask come here
    risk = rule.risk or Risk.LOW
    if not rule.ask.asked.nobody:
        routes = {""}
    elif rule.routed is not None:
        routes = {rule.routed}
    else:
        routes = set(rule.table.values()) or {APPROVERS}
    where = f"{rule.document}:{rule.line} {rule.id}" if rule.document else "what no rule covers"
    for route in sorted(routes):
        plan = rule.ask.plan(risk, route)
        asked = (*rule.ask.asked.groups, *rule.ask.asked.distinct_groups) or (route,) * bool(route)
        able = set(rule.ask.asked.assignees)
        able.update(person.id for name in (*asked, APPROVERS) for person in directory.members(name))
        there = [person for person in able if reachable.get(person, True)]
        via = f" (routed to {route})" if route else ""
        if len(there) < plan.quorum:
            yield fail(
                "people",
                where,
                f"It needs {plan.quorum} people{via}, and {len(there)} who could decide can be reached.",
                "Add people to the groups it asks, or repair those named above.",
            )
            continue
        for name in plan.distinct_groups:
            if not any(reachable.get(person.id, True) for person in directory.members(name)):
                yield fail(
                    "people",
                    where,
                    f"Nobody of {name} can be reached, and one of them has to agree.",
                    f"Add a person to {name} who can be reached.",
                )


def oncall_lines(rules: Rules, now: datetime) -> Iterator[Line]:
    """Each rota over the next fourteen days, and whether it is one that ladders page."""
    directory = rules.directory
    used = _rotas_used(rules.policy)
    if not directory.rotas:
        yield warn(
            "on-call",
            "rotas",
            "There is no rota, so ladders can only page people and groups.",
            "Add on_call to people.yaml if somebody has to be woken.",
        )
    for name, rota in directory.rotas.items():
        empty = gaps(rota, directory, now, now + COVERED)
        if not empty:
            yield ok("on-call", f"rota {name}", "somebody has it at every hand-off of the next 14 days")
            continue
        line = fail if name in used else warn
        means = (
            "a ladder that pages it then reaches nobody" if name in used else "no ladder pages it at present"
        )
        yield line(
            "on-call",
            f"rota {name}",
            f"{len(empty)} spells without anybody in the next 14 days, the first {_spell(empty[0])}; {means}.",
            f"Give {name} a rotation of active people, or an override for that time.",
        )


def _spell(spell: Spell) -> str:
    nobody = "" if spell.person is None else f" ({spell.person} is not active)"
    return f"from {spell.start:%a %d %b %H:%M} to {spell.end:%a %d %b %H:%M} UTC{nobody}"


def _rotas_used(policy: PolicySet) -> set[str]:
    """The rotas that some rule's ladder pages; that each exists is asked when a set is compiled."""
    return {
        target.removeprefix("oncall:")
        for rule in _asking(policy)
        for step in _ladder(rule)
        for target in step.to
        if target.startswith("oncall:")
    }


def _asking(policy: PolicySet) -> Iterator[CompiledRule]:
    """Every rule, guardrail and default that asks people."""
    defaults = (
        d.default for d in policy.compiled if d.default is not None and d.default is not policy.fallback
    )
    return (rule for rule in (*policy.rules, policy.fallback, *defaults) if rule.ask is not None)


def _ladder(rule: CompiledRule) -> Sequence[LadderStep]:
    assert rule.ask is not None  # noqa: S101 - only rules that ask come here
    return rule.ask.plan(rule.risk or Risk.LOW, rule.routed or APPROVERS).ladder
