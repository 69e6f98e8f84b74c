"""The gate as `gate serve` runs it, with a line beside it on which votes come without Slack.

`ACTION PERSON` on a line casts that person's approval of version 1 by the very use-case that a click on the card ends
in. No gate has such a road: who somebody is would be their own word. It is here to tell what the gate takes from what
Slack takes.
"""

from __future__ import annotations

import asyncio
import json

from gate.cli.serving import run_loop, settle_memory
from gate.config import load_settings
from gate.domain.request import Choice
from gate.logs import set_up_logging
from gate.usecases.commands import CastVote, Done
from gate.usecases.decide import decide
from gate.wiring import process


def main() -> None:
    settings = load_settings()
    set_up_logging(form=settings.log_format, level=settings.log_level)
    gate = process.build(settings)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert gate.deps is not None
        try:
            while line := await reader.readline():
                action, person = line.decode().split()
                vote = CastVote(action_id=action, version=1, person=person, choice=Choice.APPROVE)
                done = await decide(gate.deps, vote)
                writer.write(b"approved\n" if isinstance(done, Done) else f"{done}\n".encode())
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def beside() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            told = {"api": gate.url, "votes": server.sockets[0].getsockname()[1]}
            print(json.dumps(told), flush=True)
            await server.serve_forever()

    run_loop(process.serve(gate, started=settle_memory, beside=beside))


if __name__ == "__main__":
    main()
