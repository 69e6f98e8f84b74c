"""Takes a month of the record out, step by step, at a desk beside gates that may be running; it prints nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gate.cli.bundles import discard, file_sha256, lines_of, write_bundle
from gate.domain.checkpoint import opened
from gate.domain.pruning import Surveyed
from gate.domain.refusal import Refused
from gate.keyring.checkpoints import CheckpointSigner, is_signature
from gate.metrics import Metrics
from gate.usecases.auditing import continued, examined_bundle, exported
from gate.usecases.ports import Pruning, StoreUnavailable
from gate.usecases.retention import announce, clear, is_signed
from gate.wiring.desk import Desk
from gate.workers.sequencer import Sequencer

TRIES = 60
AGAIN_SEC = 0.5
"""Others are waited for in steps of this."""


class NotDone(Exception):
    """A step could not be done, and those before it stand; the message says why."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


async def export_month(desk: Desk, signer: CheckpointSigner, file: Path, first: int, last: int) -> str:
    """Write the bundle of these leaves; its SHA-256, once it has proved itself against the last checkpoint. Raises
    NotDone, and leaves no file then."""
    async with desk.store.reading() as tx:
        end, latest = await tx.tree.sealed(last + 1), await tx.tree.latest()
    if end is None or latest is None:
        raise NotDone("no_checkpoint", "No signed checkpoint covers all of it yet.")
    lines = exported(desk.store, keys=signer.keys, now=desk.deps.clock.now(), start=first, end=end.size)
    try:
        count = await write_bundle(file, lines, anew=True)
    except FileExistsError:
        raise NotDone("file", f"{file} is there already.") from None
    except OSError as error:
        raise NotDone("file", f"{file} cannot be written: {error.strerror}.") from None
    report = examined_bundle(
        lambda: lines_of(file),
        keys=signer.keys,
        pinned=[opened(latest.note, signer.keys, is_signature)],
        verify=is_signature,
        proofs=[await continued(desk.store, end.size, latest.size)],
    )
    if report.found or count != end.size - first:
        discard(file)
        why = f"{report.found[0].kind} at {report.found[0].where}" if report.found else "records are missing"
        raise NotDone("unsound", f"The bundle does not verify: {why}. Nothing was done.")
    return file_sha256(file)


async def take_out(
    desk: Desk, signer: CheckpointSigner, found: Surveyed, *, month: int, file: Path, sha256: str, by: str
) -> None:
    """Name an exported month on the record, and remove it. Raises NotDone."""
    pruning = await announce(desk.deps, found, month=month, bundle=file.name, bundle_sha256=sha256, by=by)
    if isinstance(pruning, Refused):
        raise NotDone(pruning.code, pruning.sentence)
    await finish(desk, signer, pruning)


async def finish(desk: Desk, signer: CheckpointSigner, pruning: Pruning) -> None:
    """Remove a month that the record names, once that is signed. Raises NotDone; may be repeated."""
    if not await _signed(desk, signer, pruning):
        raise NotDone(
            "no_checkpoint",
            "The record that names the month is not signed yet: is the sequencer well? Repeat this verb to go on.",
        )
    for _ in range(TRIES):
        try:
            async for _ in clear(desk.store, pruning):
                pass
            return
        except StoreUnavailable:  # somebody reads or writes it at this moment
            await asyncio.sleep(AGAIN_SEC)
    raise NotDone("busy", "Others are in the way of removing it. Repeat this verb to go on.")


async def _signed(desk: Desk, signer: CheckpointSigner, pruning: Pruning) -> bool:
    """Sign it here, unless a running gate is about it."""
    own = Sequencer(
        store=desk.store,
        clock=desk.deps.clock,
        wakeups=desk.deps.wakeups,
        notary=signer,
        metrics=Metrics(),
    )
    for _ in range(TRIES):
        await own.look(at_once=True)
        if await is_signed(desk.store, pruning):
            return True
        await asyncio.sleep(AGAIN_SEC)
    return False
