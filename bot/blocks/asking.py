"""Knows how it is said who asks for what, why it stopped here and how long there is to decide."""

from __future__ import annotations

from typing import Any

from bot.blocks import parts
from bot.blocks.text import head, shown
from bot.blocks.words import STATE_WORDS, between, count, risk_word, utc
from gate.domain.request import Result, Status
from gate.usecases.views import ActionView

Json = dict[str, Any]


def headline(view: ActionView) -> str:
    """At most 150 units: the risk, or how it ended, and then what would happen in the agent's words."""
    symbol, state = STATE_WORDS[view.status]
    front = risk_word(view.risk) if view.status is Status.PENDING else f"{symbol} {state.upper()}"
    if view.emergency is not None:
        front = "🚨 RELEASED IN AN EMERGENCY"
    if view.status is Status.PENDING and view.held:
        front = f"{front}, OVERDUE"
    cut = head(view.summary, 150 - len(front) - 8)
    return f"{front} · {cut.text}{' …' if cut.rest else ''}"


def summary_is_cut(view: ActionView) -> bool:
    """Whether the headline could not hold the whole summary."""
    return headline(view).endswith(" …")


def overdue(view: ActionView) -> bool:
    """Whether it still waits past its time."""
    return view.status is Status.PENDING and (
        view.held or (view.sla_at is not None and view.sla_at <= view.now)
    )


def time_left(view: ActionView) -> list[Json]:
    """One line: until when there is time to decide, or since when there is none left."""
    if view.sla_at is None:
        found = [parts.words("No deadline")]
    elif overdue(view):
        found = [parts.words("⏰ "), parts.words("Overdue", bold=True), parts.words(" since: ")]
        found.append(parts.when(view.sla_at, parts.COUNTDOWN))
    else:
        found = [parts.words("⏳ Decide by: "), parts.when(view.sla_at, parts.COUNTDOWN)]
    if view.held:
        found.append(parts.words(" · held until a person decides"))
    if view.escalation_step:
        found.append(parts.words(f" · escalated, step {view.escalation_step}"))
    return found


def asker(view: ActionView, *, scale: float = 1.0) -> list[Json]:
    """One line: the agent, its team and owner, the workflow it is in, and since when it waits."""
    limit = int(80 * scale)
    found = [
        parts.words(shown(view.agent_name, limit), bold=True),
        parts.words(f" (team {shown(view.agent_team, limit)}, owner {parts.name(view.owner)})"),
        parts.words(" asks, the headline is in its words"),
    ]
    where = ", ".join(
        f"{label} {shown(value, limit)}"
        for label, value in (("workflow", view.workflow), ("step", view.workflow_step))
        if value
    )
    if where:
        found.append(parts.words(f" · {where}"))
    found += [parts.words(" · asked "), parts.when(view.created_at, parts.CLOCK)]
    return found


def stopped_by(view: ActionView, *, scale: float = 1.0) -> list[Json]:
    """One line: the rule, its reason and the condition that made it stop here."""
    reason = f": “{shown(view.reason, int(300 * scale))}”" if view.reason else ""
    trigger = f" ({shown(view.trigger, int(240 * scale))})" if view.trigger else ""
    return [
        parts.words("Stopped by "),
        parts.words(shown(view.rule, 100), bold=True),
        parts.words(f"{reason}{trigger}"),
    ]


_RAN = {Result.SUCCEEDED: "Ran", Result.FAILED: "Tried to run", Result.UNKNOWN: "May have run"}


def runs(view: ActionView) -> str:
    """`Would run` while it waits; what came of that once it is decided."""
    done = view.execution
    if view.status is Status.PENDING:
        return "Would run"
    if done is not None and done.result is not None:
        return _RAN[done.result]
    if done is not None and done.redeemed_at is not None:
        return "Handed to the executor:"
    taken_back = view.decision is not None and view.decision.taken_back
    return "Cleared to run" if view.status.released and not taken_back else "Would have run"


def what_runs(view: ActionView) -> str:
    """The tool, else the topic: what the gate knows of the thing that would be done."""
    name = shown(view.tool or view.topic, 100)
    return f"{name} in {shown(view.environment, 40)}" if view.environment else name


def needed(view: ActionView) -> str:
    """`2 people of security or legal`, without a full stop."""
    if view.slots:
        return f"{count(view.quorum, 'person', 'people')}, one each of " + ", ".join(
            _group(slot.group, view) for slot in view.slots[:10]
        )
    whom = " or ".join(_group(group, view) for group in view.groups[:6])
    if len(view.groups) > 6:
        whom += f" or {len(view.groups) - 6} more groups"
    return count(view.quorum, "person", "people") + (f" of {whom}" if whom else "")


def _group(group: str, view: ActionView) -> str:
    """A group by name; where Slack keeps its members, with the time they were read."""
    if group not in view.lists_read:
        return shown(group, 60)
    read_at = view.lists_read[group]
    return f"{shown(group, 60)} (members {f'as of {utc(read_at)}' if read_at else 'not read yet'})"


def plain_fallback(view: ActionView) -> str:
    """What notifications and screen readers get while it waits: whole sentences, not yet made inert."""
    if view.sla_at is None:
        time = ""
    elif overdue(view):
        time = f" Overdue since {utc(view.sla_at)}."
    else:
        time = f" Decide within {between(view.created_at, view.sla_at)}, by {utc(view.sla_at)}."
    return (
        f"{view.risk.value.upper()} risk: {shown(view.agent_name, 80)} (team {shown(view.agent_team, 80)}) asks for "
        f"approval of “{shown(view.summary, 600)}”. It would run {what_runs(view)}.{time} Needs {needed(view)}."
    )
