"""The verb that serves the sandbox workspace alone."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from gate.addresses import Address
from gate.cli.output import say, show
from gate.cli.serving import run_loop
from gate.cli.session import explained, settings
from gate.config import Settings
from gate.logs import set_up_logging
from gate.policy.people import parse_people
from gate.wiring.sandbox import start_sandbox

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


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
