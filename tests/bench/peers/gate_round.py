"""The approval round trip through the gate over HTTP: submit, wait, a person's vote, the answer with its grant, redeem.

The vote goes to the gate's own process by `--votes PORT` (see voting.py), or is a click on the card in the stand-in
workspace by `--workspace URL`. It imports nothing of the gate: what it measures must not share its code.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

sys.path.insert(0, str(Path(__file__).parent))
from rounds import payload, run

Json = dict[str, Any]
Vote = Callable[[int, str], Awaitable[Awaitable[Any]]]
"""Sends a worker's vote on an action; what comes back is awaited for the voter's own answer."""


class Http:
    """One connection, one request at a time: sent at once, answered later."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        )

    async def open(self) -> Http:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        return self

    def send(self, method: str, path: str, body: Json | None = None, more: str = "") -> None:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{more}Content-Length: {len(content)}\r\n\r\n"
        self._writer.write(head.encode() + content)

    async def answer(self, *expected: int) -> Json:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        at = head.index("content-length:") + 15
        content = await self._reader.readexactly(int(head[at : head.index("\r\n", at)]))
        status = int(head[9:12])
        assert status in expected, (status, content[:1_500])
        return json.loads(content)


async def by_line(port: int, clients: int) -> Vote:
    """Every worker is a person with a line of their own to the gate's process."""
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]

    async def vote(worker: int, action: str) -> Awaitable[Any]:
        reader, writer = lines[worker]
        writer.write(f"{action} p{worker}\n".encode())

        async def told() -> None:
            said = await reader.readline()
            assert said == b"approved\n", said

        return told()

    return vote


async def by_click(url: str, clients: int) -> Vote:
    """Every worker is a person who clicks as soon as the card is there."""
    port = urlsplit(url).port
    assert port is not None
    hands = [await Http(port, "none").open() for _ in range(clients)]
    cards: dict[str, asyncio.Future[Json]] = defaultdict(asyncio.get_running_loop().create_future)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    writer.write(f"GET /sandbox/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")

    async def follow() -> None:
        while not writer.is_closing() and (line := await reader.readline()):
            if not line.startswith(b"data:") or b"signoff_card" not in line:
                continue
            message = json.loads(line[5:])
            metadata = message.get("metadata")
            if isinstance(metadata, dict) and metadata.get("event_type") == "signoff_card":
                card = cards[metadata["event_payload"]["action_id"]]
                if not card.done():
                    card.set_result(message)

    following = asyncio.create_task(follow())

    async def vote(worker: int, action: str) -> Awaitable[Any]:
        assert not following.done(), following
        card = await asyncio.wait_for(cards[action], 60)
        told = {"act": "click", "user": f"U0P{worker}", "channel": card["channel"], "ts": card["ts"]}
        hands[worker].send("POST", "/sandbox/act", told | {"action_id": "approve"})
        return hands[worker].answer(200)

    return vote


async def measured(options: argparse.Namespace) -> Json:
    agents = [await Http(options.port, options.key).open() for _ in range(options.clients)]
    waiting = [await Http(options.port, options.key).open() for _ in range(options.clients)]
    if options.workspace:
        vote = await by_click(options.workspace, options.clients)
    else:
        vote = await by_line(options.votes, options.clients)

    lane = "clicks" if options.workspace else "votes"

    async def once(worker: int, name: str) -> None:
        agent, waiter = agents[worker], waiting[worker]
        proposed = {
            "topic": f"work.{lane}-{worker}",
            "summary": "Refund the second payment of an order",
            "payload": payload(name),
        }
        agent.send("POST", "/v1/actions", proposed, f"Idempotency-Key: {name}\r\n")
        action = (await agent.answer(202))["id"]
        waiter.send("GET", f"/v1/actions/{action}", more="Prefer: wait=60\r\n")
        told = await vote(worker, action)
        approved = await waiter.answer(200)
        assert approved["status"] == "approved", approved
        agent.send(
            "POST", "/v1/grants/redeem", {"token": approved["grant"]["token"], "payload": approved["payload"]}
        )
        await agent.answer(200)
        await told

    return await run(once, options)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--votes", type=int, default=0)
    parser.add_argument("--workspace", default="")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--each", type=int, default=0)
    print(json.dumps(uvloop.run(measured(parser.parse_args()))))


if __name__ == "__main__":
    main()
