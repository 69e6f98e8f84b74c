"""The command line as a whole: which verbs there are; each family of them has a file of its own."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

VERBS = {
    "run": "gate.cli.demo.command:run",
    "demo": "gate.cli.demo.command:demo",
    "serve": "gate.cli.serving:serve",
    "sandbox": "gate.cli.workspace:sandbox",
    "migrate": "gate.cli.schema:migrate",
    "doctor": "gate.cli.doctor.command:doctor",
    "report": "gate.cli.report:report",
    "policy": "gate.cli.policy:app",
    "people": "gate.cli.people:app",
    "agents": "gate.cli.agents:app",
    "grants": "gate.cli.releases:app",
    "outbox": "gate.cli.outbox:app",
    "keys": "gate.cli.keys:app",
    "shred": "gate.cli.shredding:shred",
    "audit": "gate.cli.verifying:app",
    "retention": "gate.cli.retention:app",
}
"""Each verb, and where it is found: a function, or a family of verbs."""


def _imported(module: str) -> ModuleType:
    """Nothing that an import makes is garbage, and looking for some again and again takes a quarter of a start."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


class _Verbs(TyperGroup):
    """Imports a verb when it is called for: a key is made without Slack, and a policy checked without a database."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # typer names the type only in private
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        found = getattr(_imported(module), attribute)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = None
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(cmd_name)(found)
            command = typer.main.get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="gate",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may hold secrets
    rich_markup_mode=None,
    help="Signoff: the gate AI agents cannot walk around, run from Slack.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"signoff {version('signoff')}")
        raise typer.Exit


@app.callback()
def _root(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point of `gate`. Whatever it writes (database, keys, workspace) is for its owner alone."""
    os.umask(0o077)
    app()


if __name__ == "__main__":
    main()
