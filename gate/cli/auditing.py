"""`gate audit checkpoint`, `export` and `proof`: what is handed out of the record, to be kept elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gate.cli.bundles import write_bundle
from gate.cli.kept import opened_note, own_keys
from gate.cli.output import Exit, fail, say, show
from gate.cli.record import app
from gate.cli.session import at_desk
from gate.domain.verification import Continuation
from gate.usecases.auditing import continued, exported
from gate.wiring.desk import Desk

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@app.command()
def checkpoint(
    keys: Annotated[bool, typer.Option("--keys", help="Print the public keys instead, one a line.")] = False,
    as_json: AsJson = False,
) -> None:
    """The last signed checkpoint, to be kept elsewhere."""
    known = own_keys(as_json=as_json)
    if keys:
        texts = [key.text() for key in known]
        show(texts) if as_json else say("\n".join(texts))
        return

    async def last(desk: Desk) -> str | None:
        async with desk.store.reading() as tx:
            latest = await tx.tree.latest()
        return None if latest is None else latest.note

    note = at_desk(last, as_json=as_json)
    if note is None:
        fail("Nothing was signed yet.", as_json=as_json, kind="no_checkpoint")
    found = opened_note(note, known, "the checkpoint in the database", as_json=as_json)
    if as_json:
        show({"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": note})
    else:
        print(note, end="")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; compressed where it ends in .gz.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole record with all that is needed to verify it without this gate."""
    known = own_keys(as_json=as_json)

    async def write(desk: Desk) -> int:
        return await write_bundle(file, exported(desk.store, keys=known, now=desk.deps.clock.now()))

    try:
        count = at_desk(write, as_json=as_json)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}.", code=Exit.CANNOT, as_json=as_json, kind="file")
    if as_json:
        show({"file": str(file), "records": count})
    else:
        say(f"{count} records in {file}")


@app.command()
def proof(
    first: Annotated[int, typer.Argument(metavar="FROM", min=0, help="How many records there were then.")],
    second: Annotated[
        int | None, typer.Argument(metavar="TO", min=0, help="And later; those of the last checkpoint.")
    ] = None,
) -> None:
    """Prove that the record of one size goes on to that of another, in JSON, for gate audit verify --proof."""

    async def prove(desk: Desk) -> Continuation | None:
        async with desk.store.reading() as tx:
            latest = await tx.tree.latest()
        end = second if second is not None else 0 if latest is None else latest.size
        try:
            return await continued(desk.store, first, end)
        except (ValueError, LookupError):
            return None

    found = at_desk(prove)
    if found is None:
        fail("The record has no such sizes, in this order.", kind="proof")
    show({"from": found.first, "to": found.second, "proof": [part.hex() for part in found.path]})
