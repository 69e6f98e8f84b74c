"""The verb `gate doctor`: which checks there are, in which order, and how they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer

from gate.cli.doctor import trial
from gate.cli.doctor.machine import (
    callback_line,
    key_lines,
    running_lines,
    schema_line,
    settings_lines,
    store_lines,
)
from gate.cli.doctor.outside import outside_lines, schedules, with_lists
from gate.cli.output import Exit, say, show
from gate.cli.session import explained, settings
from gate.config import Settings
from gate.keyring.folder import KeyringError
from gate.policy.cases import parse_cases
from gate.policy.documents import Document, PolicyError
from gate.store import StoreError
from gate.usecases.checkup import (
    Health,
    Line,
    fail,
    group_lines,
    lint_line,
    ok,
    oncall_lines,
    quorum_lines,
    warn,
)
from gate.usecases.ports import Rules, StoreUnavailable
from gate.wiring.calling import unserved
from gate.wiring.checkup import examine_slack
from gate.wiring.desk import Desk, open_desk
from gate.workers.reload import PolicyFiles, read_text, servable

_SHOWN = {Health.OK: "ok  ", Health.WARN: "WARN", Health.FAIL: "FAIL"}


def doctor(
    no_test_card: Annotated[
        bool, typer.Option("--no-test-card", help="Post no test card; only look.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the gate runs; GATE_BIND by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Check everything an approval depends on, line by line, and send a test approval through the real path."""
    chosen = settings(as_json=as_json)
    with explained(as_json=as_json):
        lines = asyncio.run(_all(chosen, (url or chosen.bind.url).rstrip("/"), no_test_card, quiet=as_json))
    counts = {health.value: sum(line.health is health for line in lines) for health in Health}
    healthy = not counts["fail"]
    if as_json:
        show({"healthy": healthy, "counts": counts, "checks": [_document(line) for line in lines]})
    else:
        say(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed")
    raise typer.Exit(int(Exit.DONE if healthy else Exit.REFUSED))


async def _all(chosen: Settings, url: str, no_test_card: bool, *, quiet: bool) -> list[Line]:
    lines: list[Line] = []
    async for line in _checks(chosen, url, no_test_card):
        lines.append(line)
        if not quiet:
            _tell(line)
    return lines


async def _checks(chosen: Settings, url: str, no_test_card: bool) -> AsyncIterator[Line]:
    """Every line, as soon as it is known: looking at many people takes Slack's time."""
    keys = tuple(key_lines(chosen.keys))
    for line in (*settings_lines(chosen), callback_line(chosen), *keys):
        yield line
    rules, policy_lines = _policy(chosen)
    for line in policy_lines:
        yield line
    running, gate_lines = await running_lines(url)
    for line in gate_lines:
        yield line
    schema = await schema_line(chosen)
    yield schema
    if schema.health is not Health.OK:
        return
    if any(line.health is Health.FAIL for line in keys):
        yield warn(
            "keys", "the rest", "Slack, people and the outbox were not looked at.", "First repair the keys."
        )
        return
    try:
        async with open_desk(chosen) as desk:
            async for line in _at_desk(chosen, desk, rules, url if running else None, no_test_card):
                yield line
    except (StoreError, StoreUnavailable) as error:
        yield fail("database", "reachable", str(error), "Correct GATE_DATABASE_URL, or start the database.")
    except KeyringError as error:
        yield fail(
            "keys", str(chosen.keys), str(error), "Do what the sentence says; the gate does not start so."
        )


async def _at_desk(
    chosen: Settings, desk: Desk, rules: Rules | None, url: str | None, no_test_card: bool
) -> AsyncIterator[Line]:
    for line in await store_lines(desk):
        yield line
    if rules is None:
        return
    async for line in outside_lines(desk, chosen):
        yield line
    schedule_lines, turns = await schedules(desk, chosen, rules.directory)
    for line in schedule_lines:
        yield line
    directory = await with_lists(desk, rules.directory, usergroups={}, turns=turns)
    rules = Rules(policy=rules.policy, directory=directory)
    for line in oncall_lines(rules, desk.deps.clock.now()):
        yield line
    reachable: dict[str, bool] = {}
    sandbox = chosen.slack_mode == "sandbox"
    if sandbox:
        yield warn(
            "slack",
            "sandbox",
            "No Slack tokens are set: cards go to the sandbox workspace, where anybody can be anybody.",
            "Set the tokens of your workspace before real work depends on it.",
        )
    if not sandbox or url is not None:
        found = await examine_slack(desk, chosen, rules)
        reachable.update(found.reachable)
        for line in found.lines:
            yield line
        directory = await with_lists(desk, directory, usergroups=found.usergroups, turns=turns)
        rules = Rules(policy=rules.policy, directory=directory)
    for line in (*group_lines(directory, reachable), *quorum_lines(rules.policy, directory, reachable)):
        yield line
    if no_test_card:
        return
    if url is not None:
        yield await trial.over_http(desk, url)
    elif not sandbox:
        yield await trial.in_process(desk, chosen, rules)


def _policy(chosen: Settings) -> tuple[Rules | None, tuple[Line, ...]]:
    try:
        loaded = servable(PolicyFiles(chosen.policies, chosen.people).load(), unserved(chosen))
    except PolicyError as error:
        todo = (
            "Correct the file; a running gate goes on with the last good set, and a new one does not start."
        )
        return None, tuple(fail("policy", "loads", str(problem), todo) for problem in error.problems)
    rules = Rules(policy=loaded.policy, directory=loaded.directory)
    lines = [ok("policy", "loads", f"version {loaded.policy.version}, digest {loaded.policy.digest[:19]}…")]
    folder = chosen.policies / "cases"
    try:
        cases = [
            case
            for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
            for case in parse_cases(Document(name=path.name, text=read_text(path)))
        ]
    except PolicyError as error:
        lines.append(warn("policy", "cases", str(error), "Correct the case; it is used by no decision."))
        return rules, tuple(lines)
    return rules, (*lines, lint_line(rules, cases))


def _tell(line: Line) -> None:
    say(f"{_SHOWN[line.health]}  {line.area}: {line.subject}: {line.says}")
    if line.todo:
        say(f"        → {line.todo}")


def _document(line: Line) -> dict[str, Any]:
    return {
        "area": line.area,
        "subject": line.subject,
        "state": line.health.value,
        "says": line.says,
        "todo": line.todo or None,
    }
