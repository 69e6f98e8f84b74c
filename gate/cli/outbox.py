"""The outbox from the outside: what waits, what is dead, trying again, and letting go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gate.cli.output import fail, say, show, table
from gate.cli.session import at_desk
from gate.domain.audit import timestamp
from gate.usecases.ports import Message
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Messages on their way out, and dead letters.")

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
MessageIds = Annotated[list[str], typer.Argument(metavar="MSG…", help="Ids of messages, msg_…")]


@app.command("list")
def list_(
    every: Annotated[
        bool, typer.Option("--all", help="Also what still waits, not only dead letters.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Dead letters, the oldest first."""

    async def read(desk: Desk) -> tuple[tuple[Message, ...], tuple[int, int]]:
        async with desk.store.reading() as tx:
            return await tx.outbox.rows(dead_only=not every, limit=limit), await tx.outbox.depth()

    messages, (waiting, dead) = at_desk(read, as_json=as_json)
    rows = [_row(message) for message in messages]
    if as_json:
        show({"waiting": waiting, "dead": dead, "messages": rows})
        return
    columns = ("id", "action", "channel", "kind", "state", "attempts", "due", "error")
    table(columns, rows, empty="No dead letters." if not every else "The outbox is empty.")
    say(f"{waiting} waiting, {dead} dead")


@app.command()
def retry(messages: MessageIds, as_json: AsJson = False) -> None:
    """Send dead letters again, with a fresh count of attempts."""

    async def change(desk: Desk) -> list[str]:
        now = desk.deps.clock.now()
        async with desk.store.writing() as tx:
            return [each for each in messages if await tx.outbox.revive(each, now=now)]

    _tell(messages, at_desk(change, as_json=as_json), "on its way again", "is no dead letter", as_json)


@app.command()
def drop(messages: MessageIds, as_json: AsJson = False) -> None:
    """Let messages go without delivering them; for cards, the next change of the action brings them up to date."""

    async def change(desk: Desk) -> list[str]:
        async with desk.store.writing() as tx:
            return [each for each in messages if await tx.outbox.drop(each)]

    _tell(messages, at_desk(change, as_json=as_json), "dropped", "is not in the outbox", as_json)


def _tell(asked: list[str], done: list[str], did: str, did_not: str, as_json: bool) -> None:
    missed = [each for each in asked if each not in done]
    if as_json:
        show({"done": done, "not_done": missed})
    else:
        for each in done:
            say(f"{each}: {did}")
    if missed and as_json:
        raise typer.Exit(1)
    if missed:
        fail("; ".join(f"{each} {did_not}" for each in missed))


def _row(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "action": message.action_id,
        "channel": message.channel,
        "kind": message.kind,
        "state": "dead" if message.dead else "waiting",
        "attempts": message.attempts,
        "due": timestamp(message.due_at),
        "error": message.last_error,
    }
