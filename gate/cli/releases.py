"""What an operator may do about a release that was given: take it back while it is unused."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli.output import fail, say, show
from gate.cli.session import at_desk, operator
from gate.domain.refusal import Refused
from gate.usecases import revoke as usecase
from gate.usecases.commands import Done, RevokeGrants
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Grants that were handed out.")


@app.command()
def revoke(
    action: Annotated[str, typer.Argument(metavar="ACT", help="The id of the action, act_…")],
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Take back the release of an action: its grant is dead at once, and none follows."""

    async def change(desk: Desk) -> Done | Refused:
        return await usecase.revoke(
            desk.deps, RevokeGrants(action_id=action, operator=operator(), reason=reason)
        )

    result = at_desk(change, as_json=as_json)
    if isinstance(result, Refused):
        fail(result.sentence, as_json=as_json, kind=result.code)
    if as_json:
        show({"action": action, "revoked": True})
    else:
        say(f"The release of {action} is taken back; nothing more is issued for it.")
