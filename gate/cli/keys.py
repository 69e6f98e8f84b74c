"""`gate keys`: which keys seal what is stored and which sign, a new one, and bringing everything under it."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli.output import fail, say, show
from gate.cli.session import at_desk, explained, settings
from gate.cli.signing import list_signing, rotate_signing
from gate.keyring.rotation import KINDS
from gate.keyring.sealing import load_sealing_keys
from gate.wiring.desk import Desk

app = typer.Typer(
    no_args_is_help=True,
    help="The keys that seal payloads, evidence and context, and those the gate signs with.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]

PAGE = 200
SEALING = "sealing"


@app.command("show")
def show_(as_json: AsJson = False) -> None:
    """The ids of the sealing keys, and how much is not sealed under the last of them."""

    async def count(desk: Desk) -> int:
        async with desk.store.reading() as tx:
            return await tx.seals.left()

    chosen = settings(as_json=as_json)
    with explained(as_json=as_json):
        keys = load_sealing_keys(chosen.keys, chosen.key_command)
    left = at_desk(count, as_json=as_json)
    if as_json:
        show(
            {
                "keys": list(keys.ids),
                "current": keys.current[0],
                "stale": left,
                "plain_refused": not keys.plain,
            }
        )
        return
    say("\n".join(f"{each}{'  current' if each == keys.current[0] else ''}" for each in keys.ids))
    say(f"{left} actions are plain or under an older key" + ("; run gate keys seal." if left else "."))
    if not keys.plain:
        say("Everything has to be sealed here; what is not is refused.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The keys the gate signs with: id, file, and what each does from the next start on."""
    list_signing(as_json=as_json)


@app.command()
def rotate(
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help=f"{SEALING}, {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    ] = SEALING,
    as_json: AsJson = False,
) -> None:
    """Make a new key; running gates use it from their next start, and accept what it made at once."""
    if kind != SEALING:
        rotate_signing(kind, as_json=as_json)
        return
    chosen = settings(as_json=as_json)
    with explained(as_json=as_json):
        made = load_sealing_keys(chosen.keys, chosen.key_command).rotate()
    if as_json:
        show({"current": made})
    else:
        say(f"{made} is the current key. Back up {chosen.keys}, restart the gates, then run gate keys seal.")


@app.command()
def seal(as_json: AsJson = False) -> None:
    """Bring every action under the current key: seal what is plain, wrap the keys of the others anew."""

    async def renew(desk: Desk) -> tuple[int, int]:
        renewed, after = 0, ""
        while True:
            async with desk.store.writing() as tx:
                page = await tx.seals.stale(after=after, limit=PAGE)
                for action_id in page:
                    renewed += await tx.seals.renew(action_id)
            if not page:
                break
            after = page[-1]
        async with desk.store.reading() as tx:
            left = await tx.seals.left()
        await desk.store.scrub()
        return renewed, left

    chosen = settings(as_json=as_json)
    renewed, left = at_desk(renew, as_json=as_json)
    if left:
        fail(f"{left} actions were written meanwhile; run it again.", as_json=as_json, kind="busy")
    with explained(as_json=as_json):
        load_sealing_keys(chosen.keys, chosen.key_command).refuse_plain()
    if as_json:
        show({"renewed": renewed, "plain_refused": True})
    else:
        say(
            f"{renewed} actions were brought under the current key. A gate that starts now refuses what is not sealed."
        )
