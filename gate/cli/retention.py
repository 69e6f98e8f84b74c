"""`gate retention`: which months of the record are there, one as a bundle, and taking one out that is past its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gate.cli.output import Exit, fail, say, show, table
from gate.cli.session import at_desk, explained, operator, settings
from gate.cli.taking_out import NotDone, export_month, finish, take_out
from gate.domain.audit import timestamp
from gate.domain.months import label, read_label
from gate.domain.refusal import Refused
from gate.keyring.checkpoints import CheckpointSigner, load_checkpoint_signer
from gate.logs import set_up_logging
from gate.usecases.ports import Pruning
from gate.usecases.retention import Standing, standings, survey, unfinished
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Old months of the record: kept, exported, taken out.")

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Month = Annotated[
    str, typer.Argument(metavar="MONTH", help="2026-11, or first for what is older than months.")
]


@app.command()
def status(as_json: AsJson = False) -> None:
    """The months of the record that are here and how long each stays, and those that were taken out."""
    months = settings(as_json=as_json).retention_months

    async def look(desk: Desk) -> tuple[tuple[Standing, ...], tuple[Pruning, ...]]:
        there = await standings(desk.store, now=desk.deps.clock.now(), months=months)
        async with desk.store.reading() as tx:
            return there, await tx.retention.prunings()

    there, gone = at_desk(look, as_json=as_json)
    here = [
        {
            "month": label(each.stretch.month),
            "first": each.stretch.first,
            "last": each.stretch.last,
            "newest": timestamp(each.stretch.newest),
            "stays": list(each.reasons) if not each.announced else ["its removal broke off"],
        }
        for each in there
    ]
    out = [
        {
            "month": label(each.month),
            "first": each.first,
            "last": each.last,
            "at": timestamp(each.at),
            "by": each.by,
            "bundle": each.bundle,
            "sha256": each.bundle_sha256,
        }
        for each in gone
    ]
    if as_json:
        show({"retention_months": months, "here": here, "taken_out": out})
        return
    table(("month", "first", "last", "newest", "stays"), here, empty="There are no records.")
    if out:
        say("\nTaken out")
        table(("month", "first", "last", "at", "by", "bundle", "sha256"), out, empty="")


@app.command()
def export(
    month: Month,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; compressed where it ends in .gz.")],
    as_json: AsJson = False,
) -> None:
    """Write a bundle of one month, and verify it."""
    block = _block(month, as_json=as_json)
    signer = _signer(as_json=as_json)

    async def write(desk: Desk) -> str:
        async with desk.store.reading() as tx:
            found = [each for each in await tx.retention.stretches() if each.month == block]
        if not found or found[0].first is None or found[0].last is None:
            fail(f"There is no numbered record of {month} here.", as_json=as_json, kind="unknown_month")
        return await export_month(desk, signer, file, found[0].first, found[0].last)

    sha256 = _done(write, as_json=as_json)
    show({"file": str(file), "sha256": sha256}) if as_json else say(f"{month} is in {file}, SHA-256 {sha256}")


@app.command()
def prune(
    month: Month,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Where the bundle of the month goes; required."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export a month that is past its retention, verify the bundle, name it on the record, and take it out."""
    block = _block(month, as_json=as_json)
    chosen = settings(as_json=as_json)
    set_up_logging(form=chosen.log_format, level=chosen.log_level)  # the part that signs writes a log
    months = chosen.retention_months
    signer = _signer(as_json=as_json)

    async def run(desk: Desk) -> dict[str, object]:
        begun = [each for each in await unfinished(desk.store) if each.month == block]
        if begun:
            if yes:
                await finish(desk, signer, begun[0])
            return {"month": month, "done": yes, "bundle": begun[0].bundle, "sha256": begun[0].bundle_sha256}
        found = await survey(desk.store, block, now=desk.deps.clock.now(), months=months)
        if isinstance(found, Refused):
            fail(found.sentence, as_json=as_json, kind=found.code)
        if to is None or not to.is_dir():
            fail("--to names the folder for the bundle.", code=Exit.USAGE, as_json=as_json, kind="usage")
        file = to / f"record-{month}.jsonl.gz"
        told: dict[str, object] = {
            "month": month,
            "first": found.first,
            "last": found.last,
            "bundle": file.name,
        }
        if not yes:
            return told | {"done": False}
        sha256 = await export_month(desk, signer, file, found.first, found.last)
        await take_out(desk, signer, found, month=block, file=file, sha256=sha256, by=operator())
        return told | {"done": True, "sha256": sha256}

    done = _done(run, as_json=as_json)
    if as_json:
        show(done)
    elif done["done"]:
        say(f"{month} was taken out; it is in {done['bundle']}, SHA-256 {done['sha256']}. Keep that file.")
    else:
        say(f"{month} may be taken out, into {done['bundle']}. Nothing was done; do it with --yes.")


def _done(verb: Callable[[Desk], Awaitable[T]], *, as_json: bool) -> T:
    try:
        return at_desk(verb, as_json=as_json)
    except NotDone as problem:
        fail(str(problem), as_json=as_json, kind=problem.kind)


def _block(month: str, *, as_json: bool) -> int:
    try:
        return read_label(month)
    except ValueError as problem:
        fail(f"MONTH: {problem}.", code=Exit.USAGE, as_json=as_json, kind="usage")


def _signer(*, as_json: bool) -> CheckpointSigner:
    with explained(as_json=as_json):
        return load_checkpoint_signer(settings(as_json=as_json).keys)
