"""The verbs `gate demo` and `gate run`: recorded agents against a gate, and a whole sandbox with them in it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gate.cli.agents import read_directory
from gate.cli.demo.cast import CastError, hire
from gate.cli.demo.script import TEAMS, Run, ScriptError, Step, recorded_runs, samples
from gate.cli.demo.show import JsonProgramme, Programme, farewell
from gate.cli.demo.stage import Stage
from gate.cli.demo.wire import GateGone, GateRefused, Keys, Wire
from gate.cli.output import Exit, fail, say
from gate.cli.serving import banner, run_loop
from gate.cli.session import explained, settings
from gate.config import Settings
from gate.domain.people import Person
from gate.logs import set_up_logging
from gate.wiring import process
from gate.wiring.desk import open_desk

OWNER = "own"

Pace = Annotated[float, typer.Option(min=0, help="Seconds between two proposals.")]
Owner = Annotated[str, typer.Option(help="Who owns the demo's agents, and so never decides for them.")]
File = Annotated[
    Path | None, typer.Option(help="Play the runs of this JSON Lines file instead of the samples.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many runs.")]


def demo(
    file: File = None,
    kind: Annotated[
        str | None, typer.Option(help="Only runs of this kind, such as benign or attack.")
    ] = None,
    limit: Limit = None,
    pace: Pace = 2.0,
    url: Annotated[
        str | None, typer.Option(help="A gate elsewhere; it needs --key and --executor-key.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="DEMO_AGENT_KEY", help="An agent's key for the gate at --url.")
    ] = None,
    executor_key: Annotated[
        str | None, typer.Option(envvar="DEMO_EXECUTOR_KEY", help="An executor's key for the gate at --url.")
    ] = None,
    owner: Owner = OWNER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> None:
    """Let recorded agents propose actions to a running gate, and execute what is released.

    Nothing real is executed. Ctrl-C leaves what waits for people waiting.
    """
    if (url is None) != (key is None) or (url is None) != (executor_key is None):
        raise typer.BadParameter(
            "--url, --key and --executor-key go together; without them the local gate is used"
        )
    runs = _runs(file, kind, limit)
    chosen = settings()
    set_up_logging(level="error")
    with explained(as_json=as_json):
        programme = JsonProgramme() if as_json else Programme()
        raise typer.Exit(asyncio.run(_demo(chosen, runs, programme, pace, url, key, executor_key, owner)))


def run(
    pace: Pace = 2.0,
    file: File = None,
    limit: Limit = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Start without the recorded agents.")] = False,
    owner: Owner = OWNER,
) -> None:
    """Try Signoff: the gate, a sandbox workspace and recorded agents, all in this terminal.

    Everything is kept under var/. Ctrl-C stops it; what waits for people waits for the next start.
    """
    runs = _runs(file, None, limit)
    chosen = settings()
    level = chosen.log_level if "log_level" in chosen.model_fields_set else "error"
    set_up_logging(form=chosen.log_format, level=level)
    gate = process.build(chosen)

    def started() -> None:
        for line in _welcome(gate):
            say(line)

    async def beside() -> None:
        try:
            await _play_in_house(gate, runs, pace, owner)
        except (CastError, GateGone, GateRefused) as error:
            say(f"The demo cannot go on: {error} The gate goes on serving.")

    with explained():
        run_loop(process.serve(gate, started=started, beside=None if no_demo else beside))
    say("Stopped. Everything is kept; start again to go on.")


def _runs(file: Path | None, kind: str | None, limit: int | None) -> tuple[Run, ...]:
    if file is None:
        if kind is not None:
            raise typer.BadParameter("only runs of a --file have a kind", param_hint="--kind")
        return samples()[:limit]
    try:
        runs = recorded_runs(file, kind=kind, limit=limit)
    except ScriptError as error:
        raise typer.BadParameter(str(error), param_hint="--file") from None
    if not runs:
        raise typer.BadParameter(f"{file} holds no such run", param_hint="--file")
    return runs


async def _demo(
    chosen: Settings,
    runs: Sequence[Run],
    programme: Programme,
    pace: float,
    url: str | None,
    key: str | None,
    executor_key: str | None,
    owner: str,
) -> int:
    address = url or chosen.public_url or chosen.bind.url
    async with Wire(address) as wire:
        try:
            await wire.greet()
            if key is not None and executor_key is not None:
                keys = Keys(agents={}, executor=executor_key, other=key)
            else:
                async with open_desk(chosen) as desk:
                    keys = await hire(desk, agents=_agents(runs), owner=_owner(chosen, owner))
        except (GateGone, GateRefused) as error:
            fail(f"{error} Start one with gate serve, or name one with --url.")
        except CastError as error:
            fail(str(error))
        stage = Stage(wire, keys, programme, pace_sec=pace)
        playing = asyncio.create_task(stage.play(runs))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
        async with programme.open(stage.tally):
            await asyncio.wait([playing])
        if not playing.cancelled():
            playing.result()
    if not isinstance(programme, JsonProgramme):
        say(farewell(stage.tally))
    return Exit.REFUSED if stage.tally.troubled else Exit.DONE


async def _play_in_house(gate: process.Gate, runs: Sequence[Run], pace: float, owner: str) -> None:
    """First what an earlier start left waiting, then the script anew."""
    if gate.desk is None:
        return
    names = [*TEAMS, *(name for name in _agents(runs) if name not in TEAMS)]
    keys = await hire(gate.desk, agents=names, owner=_owner(gate.settings, owner))
    programme = Programme()
    async with Wire(gate.url) as wire:
        stage = Stage(wire, keys, programme, pace_sec=pace)
        left = [
            (Step(agent=name, body={"summary": document["topic"]}), document)
            for name in names
            for document in await wire.pending(keys.of(name))
        ]
        try:
            async with programme.open(stage.tally):
                if left:
                    say(
                        f"{len(left)} requests of an earlier start still wait; new ones follow when they are decided."
                    )
                    await stage.resume(left)
                await stage.play(runs)
        finally:
            say(farewell(stage.tally))
        say("The gate goes on serving; gate demo in another terminal plays it again.")


def _agents(runs: Sequence[Run]) -> list[str]:
    return sorted({step.agent for each in runs for step in each.steps})


def _owner(chosen: Settings, name: str) -> Person:
    person = read_directory(chosen).find(name)
    if person is None:
        raise CastError(
            f"{name} is no person of people.yaml; name the owner of the demo's agents with --owner."
        )
    return person


def _welcome(gate: process.Gate) -> list[str]:
    lines = ["", "Signoff is running.", ""]
    if gate.sandbox is not None:
        lines += [
            f"  Open   {gate.sandbox.url}   the sandbox workspace: be one of the reviewers, and decide",
            f"  API    {gate.url}   docs at {gate.url}/docs",
            "  Stop   Ctrl-C",
            "",
            "No Slack tokens are set, so this workspace is a SANDBOX: in it, anybody can be anybody.",
        ]
    else:
        lines += banner(gate)
    return [*lines, ""]
