"""`gate people check`: whether people.yaml holds, and who would be asked for an action; who that is, the core says."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gate.cli.output import Exit, fail, say, show, table
from gate.cli.seen import Seen, seen_people
from gate.cli.session import explained
from gate.config import Settings, load_settings
from gate.domain.action import Agent, Proposal, Subject
from gate.domain.audit import timestamp
from gate.domain.care import Care
from gate.domain.people import Directory
from gate.domain.routing import COOLING, FULL
from gate.policy.cases import answered, parse_action
from gate.policy.documents import Document, PolicyError
from gate.policy.durations import say_duration
from gate.policy.explain import explain
from gate.policy.plain import plain
from gate.usecases.soundness import GroupState, RotaState, groups, rotas
from gate.usecases.whom import Named, Step, Whom, whom
from gate.workers.reload import Loaded, PolicyFiles, read_text

app = typer.Typer(no_args_is_help=True, help="Who is who, and who would be asked.")

UNOWNED = "nobody"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The action asked about, and on whose behalf."""

    proposal: Proposal
    agent: Agent


@app.callback()
def _people() -> None:
    pass


@app.command("check")
def check(
    topic: Annotated[str | None, typer.Option("--topic", help="Who would be asked: the topic.")] = None,
    payload: Annotated[str, typer.Option("--payload", help="With --topic: the payload as JSON.")] = "{}",
    file: Annotated[
        str | None,
        typer.Option("--file", help="Instead: an action as sent to POST /v1/actions; - for stdin."),
    ] = None,
    agent: Annotated[
        str, typer.Option("--agent", help="The agent's name; one that has a key brings owner and team.")
    ] = "agent",
    team: Annotated[str, typer.Option("--team", help="The team of an agent without a key.")] = "team",
    owner: Annotated[
        str | None, typer.Option("--owner", help="The owner of an agent without a key, id or address.")
    ] = None,
    policies: Annotated[Path | None, typer.Option("--policies", help="The folder of policies.")] = None,
    people: Annotated[Path | None, typer.Option("--people", help="The file of people.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Check people.yaml; with an action, show who would be asked for it, and why. Nothing is stored."""
    with explained(as_json=as_json):
        settings = load_settings()
        loaded = _loaded(settings, policies, people, as_json)
        proposal = _proposal(topic, payload, file, as_json)
        seen = asyncio.run(seen_people(settings, loaded.directory, agent=agent, care=loaded.policy.care))
    if proposal is None:
        _show_directory(seen, as_json)
        return
    who = seen.agent or Agent(id=agent, name=agent, team=team, owner=owner or UNOWNED)
    _show_action(loaded, seen, _Asked(proposal=proposal, agent=who), as_json)


def _loaded(settings: Settings, policies: Path | None, people: Path | None, as_json: bool) -> Loaded:
    try:
        return PolicyFiles(policies or settings.policies, people or settings.people).load()
    except PolicyError as error:
        if as_json:
            show({"ok": False, "problems": plain(error.problems)})
        else:
            for problem in error.problems:
                print(str(problem), file=sys.stderr)
        raise typer.Exit(int(Exit.REFUSED)) from None


def _proposal(topic: str | None, payload: str, file: str | None, as_json: bool) -> Proposal | None:
    if topic is None and file is None:
        return None
    if topic is not None and file is not None:
        fail("give either --topic or --file", code=Exit.USAGE, as_json=as_json, kind="usage")
    try:
        if topic is not None:
            text = json.dumps({"topic": topic, "payload": json.loads(payload)})
            return parse_action(Document(name="--payload", text=text))
        name = file or "-"
        text = sys.stdin.read() if name == "-" else read_text(Path(name))
        return parse_action(Document(name="stdin" if name == "-" else name, text=text))
    except json.JSONDecodeError as error:
        fail(f"--payload is not JSON: {error}", code=Exit.USAGE, as_json=as_json, kind="usage")
    except PolicyError as error:
        fail(str(error), code=Exit.USAGE, as_json=as_json, kind="usage")


def _show_directory(seen: Seen, as_json: bool) -> None:
    found, duty = groups(seen.directory), rotas(seen.directory, seen.at)
    ok = not any(each.problem for each in (*found, *duty))
    if as_json:
        show(_json({"ok": ok, "people": len(seen.directory.people), "groups": found, "on_call": duty}))
    else:
        active = sum(person.active for person in seen.directory.people.values())
        say(f"people.yaml is valid: {len(seen.directory.people)} people, {active} of them active\n")
        table(
            ("group", "members", "from", "read", "counts up to", "problem"),
            [_group_row(each) for each in found],
            empty="There are no groups.",
        )
        say("")
        table(
            ("rota", "now", "until", "then", "from", "read", "problem"),
            [_rota_row(each) for each in duty],
            empty="There are no rotas.",
        )
    if not ok:
        raise typer.Exit(int(Exit.REFUSED))


def _group_row(state: GroupState) -> dict[str, Any]:
    members = ", ".join(state.members)
    if state.strangers:
        members += f" and {state.strangers} whom people.yaml does not have"
    return {
        "group": state.name,
        "members": members or None,
        "from": state.source,
        "read": _age(state.age_sec),
        "counts up to": state.counts_up_to,
        "problem": state.problem,
    }


def _rota_row(state: RotaState) -> dict[str, Any]:
    return {
        "rota": state.name,
        "now": state.now,
        "until": _when(state.until),
        "then": state.then,
        "from": state.source,
        "read": _age(state.age_sec),
        "problem": state.problem,
    }


def _when(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _age(seconds: int | None) -> str | None:
    return None if seconds is None else f"{say_duration(seconds)} ago"


def _show_action(loaded: Loaded, seen: Seen, asked: _Asked, as_json: bool) -> None:
    subject = answered(loaded.policy, Subject(proposal=asked.proposal, agent=asked.agent))
    explanation = explain(loaded.policy, subject, seen.at)
    found = whom(
        explanation.verdict,
        agent=asked.agent,
        proposal=asked.proposal,
        directory=seen.directory,
        now=seen.at,
        care=loaded.policy.care,
        loads=seen.loads,
    )
    if as_json:
        show(_json({"ok": found.enough, **plain(found), "filled_in": explanation.filled_in}))
    else:
        _print(found, explanation.filled_in, seen.directory, asked.agent)
        _print_care(found, loaded.policy.care)
    if not found.enough:
        raise typer.Exit(int(Exit.REFUSED))


def _print(found: Whom, filled_in: tuple[str, ...], directory: Directory, agent: Agent) -> None:
    verdict, plan = found.verdict, found.plan
    say(
        f"{verdict.decision.value} by {verdict.rule} at {verdict.effective.risk.value} risk: {verdict.reason}"
    )
    if plan is None:
        say("Nobody is asked.")
        return
    for line in filled_in:
        say(f"filled in: {line}")
    if agent.owner == UNOWNED:
        say("The agent's owner is not known here (--owner), so nobody is left out as owner.")
    for each in found.lists:
        age = _age(each.age_sec) or "never"
        say(f"group {each.group}, from Slack, read {age}: {'counts' if each.counts else 'does not count'}")
    say("")
    table(
        ("person", "by", "open", "asked", "note"),
        [
            {
                "person": _name(each.person, directory),
                "by": each.by,
                "open": "?" if each.open is None else str(each.open),
                "asked": "yes" if each.person in found.asked else "no",
                "note": _note(each, found, directory),
            }
            for each in found.named
        ],
        empty="The plan names nobody.",
    )
    slots = f", one each of {', '.join(plan.distinct_groups)}" if plan.distinct_groups else ""
    say(f"\n{plan.quorum} must agree{slots}; the card goes to {plan.channel}\n")
    table(
        ("after", "at", "to", "via", "calls now", "nobody for"),
        [_step_row(step, directory) for step in found.ladder],
        empty="There is no ladder.",
    )
    say(f"\nat {_when(found.sla_at)}, after {say_duration(plan.sla_sec)}: {found.at_the_end}")
    able = ", ".join(_name(person, directory) for person in found.could_decide) or "nobody"
    say(f"who could ever decide: {able}")
    if not found.enough:
        say("These are too few: such an action is denied at once.")


def _note(each: Named, found: Whom, directory: Directory) -> str | None:
    """Why somebody is not asked; of those who are, until when they are left in peace."""
    if each.left_out is not None:
        return each.left_out
    if each.person in found.asked:
        return _quiet(each, directory)
    if each.skipped == COOLING:
        return f"needs a break until {_when(each.cooling_until)}"
    return "enough waits for them already" if each.skipped == FULL else "may decide, not asked"


def _quiet(each: Named, directory: Directory) -> str | None:
    person = directory.people.get(each.person)
    if each.quiet_until is None or person is None or person.quiet is None:
        return None
    zone = person.quiet.tz
    return f"quiet until {each.quiet_until.astimezone(ZoneInfo(zone)):%H:%M} {zone}"


def _print_care(found: Whom, care: Care) -> None:
    """How the choice came about, as far as the policy cares for reviewers' time."""
    if found.plan is None:
        return
    if not found.loads_known:
        say("There is no database here, so what waits for whom is not known, and others may be asked.")
    if care.rebalance:
        say("Only as many as are needed are asked, the least loaded first.")
    if care.second_review_rate > 0 and found.plan.people_needed == 1:
        say(f"For {care.second_review_rate:.0%} of such actions a second person is asked to look, blind.")


def _step_row(step: Step, directory: Directory) -> dict[str, Any]:
    return {
        "after": say_duration(step.after_sec),
        "at": _when(step.at),
        "to": step.to,
        "via": step.via,
        "calls now": [_name(person, directory) for person in step.calls] or None,
        "nobody for": [f"{target} ({why.replace('_', ' ')})" for target, why in step.unreached] or None,
    }


def _name(person_id: str, directory: Directory) -> str:
    person = directory.people.get(person_id)
    return person_id if person is None else f"{person.name} ({person_id})"


def _json(document: dict[str, Any]) -> Any:
    return _stamped(plain(document))


def _stamped(value: Any) -> Any:
    """Instants as text."""
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, dict):
        return {key: _stamped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_stamped(item) for item in value]
    return value
