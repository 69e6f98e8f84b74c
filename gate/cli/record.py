"""The audit record of one action, as it was written."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gate.cli.output import fail, show, table
from gate.cli.session import at_desk
from gate.domain.audit import AuditRecord, digest, timestamp
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="The append-only record.")


@app.command("show")
def show_(
    action: Annotated[str, typer.Argument(metavar="ACT", help="The id of an action, act_…")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Everything that happened to one action, in order."""

    async def read(desk: Desk) -> tuple[AuditRecord, ...]:
        async with desk.store.reading() as tx:
            return await tx.audit.of_action(action)

    records = at_desk(read, as_json=as_json)
    if not records:
        fail(f"There is no record of {action}.", as_json=as_json, kind="unknown_action")
    rows = [
        {
            "at": timestamp(record.at),
            "kind": record.kind,
            "actor": record.actor,
            "detail": record.detail,
            "sha256": digest(record),
        }
        for record in records
    ]
    if as_json:
        show(rows)
        return
    for row in rows:
        row["detail"] = json.dumps(row["detail"], ensure_ascii=False, sort_keys=True)
        row["sha256"] = str(row["sha256"])[:16]
    table(("at", "kind", "actor", "detail", "sha256"), rows, empty="")
