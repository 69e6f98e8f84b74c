"""The signing keys of `gate keys` at the terminal; what each kind of key signs is the keyring's."""

from __future__ import annotations

from gate.cli.output import Exit, fail, say, show, table
from gate.cli.session import at_desk, explained, operator, settings
from gate.domain.audit import AuditRecord, timestamp
from gate.keyring.folder import open_folder
from gate.keyring.rotation import KINDS, KeyState, listed, rotated
from gate.usecases.ports import RECORD
from gate.wiring.desk import Desk


def list_signing(*, as_json: bool) -> None:
    """Every key by kind: its id, its file, and what it does from the next start on."""
    with explained(as_json=as_json):
        found = listed(open_folder(settings(as_json=as_json).keys))
    rows = [_row(state) for state in found]
    if as_json:
        show(rows)
    else:
        table(
            ("kind", "id", "file", "use", "made_at"),
            rows,
            empty="There are no keys; the first start makes them.",
        )


def rotate_signing(kind: str, *, as_json: bool) -> None:
    """Make the successor of a key. It is used from the next start on; what the earlier ones signed stays valid."""
    if kind not in KINDS:
        fail(f"KIND is sealing or one of {', '.join(KINDS)}.", code=Exit.USAGE, as_json=as_json, kind="usage")
    folder = settings(as_json=as_json).keys

    async def change(desk: Desk) -> KeyState:
        # On record or not made: what fails here takes the record back, and a file that is there is found by its number.
        async with desk.store.writing() as tx:
            made = rotated(open_folder(folder), kind)
            detail = {"kind": kind, "key": made.id}
            at = desk.deps.clock.now()
            await tx.audit.append(
                AuditRecord(kind="key.rotated", actor=f"operator:{operator()}", at=at, detail=detail)
            )
        desk.deps.wakeups.notify(RECORD)
        return made

    made = at_desk(change, as_json=as_json)
    if as_json:
        show(_row(made))
    else:
        say(
            f"{made.file} holds the new {kind} key {made.id}; restart the gate, replica by replica, to use it."
        )


def _row(state: KeyState) -> dict[str, str]:
    return {
        "kind": state.kind,
        "id": state.id,
        "file": state.file,
        "use": state.use,
        "made_at": timestamp(state.made_at),
    }
