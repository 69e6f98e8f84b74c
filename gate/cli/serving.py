"""The verbs that serve: the gate, and the sandbox workspace alone."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from gate.cli.output import say, show
from gate.cli.session import explained, settings
from gate.config import Address, Settings
from gate.logs import set_up_logging
from gate.policy.people import parse_people
from gate.wiring import process
from gate.wiring.sandbox import start_sandbox

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop: it serves about twice as many requests."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def settle_memory() -> None:
    """Leave what was made at the start out of every later search for garbage, and search less often: each search of the
    policies and the schema would hold up the requests of a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def serve(as_json: AsJson = False) -> None:
    """Serve the API, the bot and, without Slack tokens, a sandbox workspace, until told to stop."""
    chosen = settings(as_json=as_json)
    set_up_logging(form=chosen.log_format, level=chosen.log_level)
    gate = process.build(chosen)

    def started() -> None:
        settle_memory()
        if as_json:
            show({"api": gate.url, "sandbox": gate.sandbox.url if gate.sandbox else None})
        else:
            for line in banner(gate):
                say(line)

    with explained(as_json=as_json):
        run_loop(process.serve(gate, started=started))


def banner(gate: process.Gate) -> list[str]:
    """Where things are, and loudly what is only a stand-in."""
    lines = [f"API        {gate.url}", f"docs       {gate.url}/docs"]
    if gate.sandbox is not None:
        lines = [
            "No Slack tokens are set, so this is the SANDBOX: a stand-in for Slack where anybody can be anybody.",
            f"workspace  {gate.sandbox.url}",
            *lines,
        ]
    return lines


def sandbox(
    bind: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; GATE_SANDBOX_BIND by default.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="The file that keeps it; GATE_SANDBOX_STATE by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the stand-in Slack workspace alone, for a gate that runs elsewhere."""
    chosen = settings(as_json=as_json)
    set_up_logging(form=chosen.log_format, level=chosen.log_level)
    try:
        where = Address.parse(bind) if bind else chosen.sandbox_bind
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--bind") from None
    chosen = chosen.model_copy(update={"sandbox_bind": where, "sandbox_state": state or chosen.sandbox_state})
    with explained(as_json=as_json):
        run_loop(_sandbox_alone(chosen, as_json))


async def _sandbox_alone(chosen: Settings, as_json: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    directory = parse_people(chosen.people.read_text(encoding="utf-8"), chosen.people.name)
    workspace = await start_sandbox(chosen, directory)
    try:
        app = workspace.workspace.app
        if as_json:
            show(
                {
                    "workspace": workspace.url,
                    "api": workspace.api_url,
                    "bot_token": app.bot_token,
                    "app_token": app.app_token,
                }
            )
        else:
            say(f"workspace  {workspace.url}")
            say("Let a gate use it with:")
            say(f"  SLACK_API_URL={workspace.api_url}")
            say(f"  SLACK_BOT_TOKEN={app.bot_token}")
            say(f"  SLACK_APP_TOKEN={app.app_token}")
        await stopped.wait()
    finally:
        await workspace.stop()
