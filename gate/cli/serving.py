"""The verb that serves the gate, and what any verb that serves does."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Annotated, Any

import typer
import uvloop

from gate.cli.output import say, show
from gate.cli.session import explained, settings
from gate.logs import set_up_logging
from gate.wiring import process

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
