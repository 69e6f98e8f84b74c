"""The `approval` of a rule resolved against the directory, and what is wrong with it; plans are made by `plans`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from gate.domain.people import APPROVERS, Directory
from gate.domain.risk import Risk
from gate.domain.verdict import LadderStep
from gate.policy.documents import did_you_mean
from gate.policy.durations import say_duration
from gate.policy.grammar import Approval
from gate.policy.plans import CRITICAL_QUORUM, Ask, Asked
from gate.policy.source import Path
from gate.policy.when import Expression, compile_expression
from gate.policy.when_syntax import SyntaxProblem

Report = Callable[[Path, str], None]


def ask_of(
    approval: Approval | None,
    directory: Directory,
    low_risk_timeout: bool,
    report: Report,
    remind_after_sec: int | None = None,
) -> Ask:
    """People, groups, ladder and evidence by name to what they stand for; unknown names are reported."""
    if approval is None:
        return Ask(
            directory=directory,
            asked=Asked(),
            low_risk_timeout=low_risk_timeout,
            remind_after_sec=remind_after_sec,
        )
    assignees: list[str] = []
    for index, name in enumerate(approval.assignees or []):
        person = directory.find(name)
        if person is None:
            words = [w for p in directory.people.values() for w in (p.id, p.email, *p.aliases)]
            report(("assignees", index), f"assignees: unknown person '{name}'{did_you_mean(name, words)}")
        elif person.id not in assignees:
            assignees.append(person.id)
    asked = Asked(
        assignees=tuple(assignees),
        groups=_groups(approval.groups, "groups", directory, report),
        distinct_groups=_groups(approval.distinct_groups, "distinct_groups", directory, report),
    )
    if approval.route is not None and not asked.nobody:
        report(("route",), "route: give either a route or the people and groups themselves")
    return Ask(
        directory=directory,
        asked=asked,
        approval=approval,
        ladder=_ladder(approval, directory, report),
        evidence=tuple(_evidence(approval, report)),
        low_risk_timeout=low_risk_timeout,
        remind_after_sec=remind_after_sec,
    )


def _groups(names: list[str] | None, key: str, directory: Directory, report: Report) -> tuple[str, ...]:
    found: list[str] = []
    for index, name in enumerate(names or []):
        if name not in directory.groups:
            report((key, index), f"{key}: unknown group '{name}'{did_you_mean(name, directory.groups)}")
        elif name not in found:
            found.append(name)
    return tuple(found)


def _ladder(approval: Approval, directory: Directory, report: Report) -> tuple[LadderStep, ...] | None:
    if approval.escalation is None:
        return None
    steps: list[LadderStep] = []
    for index, item in enumerate(approval.escalation):
        here: Path = ("escalation", index)
        if item.after > approval.sla:
            report(
                (*here, "after"),
                f"escalation: a step after {say_duration(item.after)} never comes, "
                f"the sla is {say_duration(approval.sla)}",
            )
        to = tuple(
            resolved
            for place, name in enumerate(item.to)
            if (resolved := addressee(name, directory, (*here, "to", place), report)) is not None
        )
        steps.append(LadderStep(after_sec=item.after, to=to, via=tuple(item.via)))
    return tuple(sorted(steps, key=lambda step: step.after_sec))


def addressee(
    name: str, directory: Directory, path: Path, report: Report, key: str = "escalation"
) -> str | None:
    """A target of a ladder or of `break_glass`, its person by id; None where it is unknown, which is reported."""
    if name == "assignees":
        return name
    kind, colon, rest = name.partition(":")
    known: Mapping[str, Iterable[str]] = {"group": directory.groups, "oncall": directory.rotas}
    if colon and kind in known:
        if rest in known[kind]:
            return name
        word = "group" if kind == "group" else "rota"
        report(path, f"{key}: unknown {word} '{rest}'{did_you_mean(rest, known[kind])}")
        return None
    person = directory.find(name)
    if person is None:
        words = ["assignees", *directory.people, *(f"group:{g}" for g in directory.groups)]
        report(path, f"{key}: unknown person '{name}'{did_you_mean(name, words)}")
        return None
    return person.id


def _evidence(approval: Approval, report: Report) -> Iterator[tuple[str, Expression, str]]:
    for index, item in enumerate(approval.evidence or []):
        try:
            yield item.label, compile_expression(item.value), item.tone
        except SyntaxProblem as error:
            report(("evidence", index, "value"), f"evidence: {error}")


def people_problems(
    ask: Ask,
    routed: str | None,
    table: Mapping[str, str],
    risk: Risk | None,
    floor: Risk | None,
    approval: Approval | None,
) -> Iterator[tuple[Path, str]]:
    """What keeps a rule from ever being decided, or would let a timer approve what it must not.

    `risk` is the rule's own, `floor` the lowest effective risk at which its match can hold.
    """
    groups = set[str]()
    if ask.asked.nobody:
        groups = {routed} if routed is not None else {*table.values(), table.get("default", APPROVERS)}
    least = max(
        (level for level in (risk, floor) if level is not None), key=lambda level: level.rank, default=None
    )
    escalates = (
        approval.on_timeout == "escalate"
        if approval is not None and approval.on_timeout
        else (least is None or least <= Risk.MEDIUM)
    )
    if (APPROVERS in groups or escalates) and not _somebody(APPROVERS, ask.directory):
        why = "asks" if APPROVERS in groups else "escalates to"
        yield (), f"{why} the group '{APPROVERS}', and people.yaml has no such group with active members"
        return
    if approval is not None and approval.on_timeout == "allow" and least is not None and least > Risk.LOW:
        yield (
            ("approval", "on_timeout"),
            f"approval.on_timeout: allow is for low risk only, and this is {least.value} (INV-09)",
        )
    quorum = approval.quorum if approval is not None and approval.quorum is not None else 1
    if least is Risk.CRITICAL:
        quorum = max(quorum, CRITICAL_QUORUM)
    quorum = max(quorum, len(ask.asked.distinct_groups))
    for group in sorted(groups) or [""]:
        if ask.open_ended(group):
            continue  # how many they are is known while it runs; a request nobody could decide is denied then
        able = len(ask.eligible(group))
        if able < quorum:
            asked = f"group '{group}' and the approvers" if group else "those asked and the approvers"
            yield ("approval",) if approval else (), f"needs {quorum} people, but {asked} are {able}"
            return
    for group in (*ask.asked.groups, *ask.asked.distinct_groups):
        if not _somebody(group, ask.directory):
            yield ("approval", "groups"), f"approval: nobody in group '{group}' is active"


def _somebody(group: str, directory: Directory) -> bool:
    """Whether the group has active members, or gets them from elsewhere."""
    return directory.filled_elsewhere(group) or bool(directory.members(group))
