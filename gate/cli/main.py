"""The command line as a whole: which verbs there are; each family of them has a file of its own."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated

import typer

from gate.cli import agents, auditing, outbox, people, policy, record, releases, report, serving
from gate.cli.demo import command as demo
from gate.cli.doctor import command as doctor

app = typer.Typer(
    name="gate",
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


app.command()(demo.run)
app.command()(demo.demo)
app.command()(serving.serve)
app.command()(serving.sandbox)
app.command()(serving.migrate)
app.command()(doctor.doctor)
app.command()(report.report)
app.add_typer(policy.app, name="policy")
app.add_typer(people.app, name="people")
app.add_typer(agents.app, name="agents")
app.add_typer(releases.app, name="grants")
app.add_typer(outbox.app, name="outbox")
record.app.command()(auditing.checkpoint)
record.app.command()(auditing.export)
record.app.command()(auditing.verify)
app.add_typer(record.app, name="audit")


def main() -> None:
    """The entry point of `gate`. Whatever it writes (database, keys, workspace) is for its owner alone."""
    os.umask(0o077)
    app()


if __name__ == "__main__":
    main()
