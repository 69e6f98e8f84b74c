"""Bringing the database to the present schema."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli.output import say, show
from gate.cli.session import explained, settings
from gate.store.migrate import upgrade

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version. Have a backup first; on SQLite, stop the gate."""
    chosen = settings(as_json=as_json)
    with explained(as_json=as_json):
        revision = upgrade(chosen.database_url)
    if as_json:
        show({"revision": revision})
    else:
        say(f"The database has the schema of this version ({revision}).")
