"""Clients that leave and a server that stops: nothing acknowledged is lost, no wait stays behind (INV-46)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gate.domain.request import Status
from gate.usecases.ports import Deps, Store, Transaction
from tests.integration.http.door import Door, eventually, open_door, secret
from tests.integration.http.test_events import stream

BODY = json.dumps({"topic": "pay.refund", "summary": "Refund", "payload": {"amount": 1400}}).encode()


def _request(head: str, body: bytes = b"") -> bytes:
    lines = [head, "Host: g", f"Authorization: Bearer {secret('bot')}", "Prefer: wait=60"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_client_that_leaves_while_it_waits_loses_nothing(door: Door) -> None:
    """INV-46: the action is stored and pending, and the wait ends itself."""
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(_request("POST /v1/actions HTTP/1.1", BODY))
    await eventually(lambda: door.app_waits() == 1)
    writer.transport.abort()
    await eventually(lambda: door.app_waits() == 0)
    page = (await door.get("/v1/actions")).body
    assert [item["status"] for item in page["items"]] == ["pending"]
    await door.approve(page["items"][0]["id"])
    got = await door.get(page["items"][0]["links"]["self"])
    assert got.body["status"] == "approved"
    assert got.body["grant"] is not None


class Slow:
    """A store in front of a real one whose writers wait at the door until they are let in."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        return self._slowly(self.inner.writing())

    def together(self, turn: str, *, presuming: bool = False) -> AbstractAsyncContextManager[Transaction]:
        return self._slowly(self.inner.together(turn, presuming=presuming))

    @asynccontextmanager
    async def _slowly(self, inner: AbstractAsyncContextManager[Transaction]) -> AsyncIterator[Transaction]:
        self.arrived.set()
        await self.go.wait()
        async with inner as tx:
            yield tx

    @property
    def now(self) -> Transaction:
        return self.inner.now

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return self.inner.reading()

    async def check(self) -> None:
        await self.inner.check()


async def test_a_client_that_leaves_before_the_answer_finds_its_action_by_its_key(tmp_path: Path) -> None:
    """INV-46 with INV-40, threat 30: what was begun is finished whole, and the retry gets the one action."""
    made: list[Slow] = []

    def put_between(deps: Deps) -> Deps:
        made.append(Slow(deps.store))
        return replace(deps, store=made[0])

    async with open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys", change=put_between) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(_request("POST /v1/actions HTTP/1.1\r\nIdempotency-Key: lost", BODY))
        await made[0].arrived.wait()
        writer.transport.abort()
        made[0].go.set()

        async def stored() -> bool:
            async with door.world.store.reading() as tx:
                return await tx.actions.by_key("agt_bot", "lost") is not None

        await eventually(stored)
        await eventually(lambda: door.app_waits() == 0)
        got = await door.post("/v1/actions", data=BODY, headers={"Idempotency-Key": "lost"})
        assert got.headers["Idempotency-Replayed"] == "true"
        assert len((await door.get("/v1/actions")).body["items"]) == 1


async def test_half_a_body_is_no_proposal(door: Door) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(_request("POST /v1/actions HTTP/1.1", BODY)[:-5])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await door.get("/v1/actions")).body["items"] == []


async def test_an_abandoned_stream_ends_itself(door: Door) -> None:
    made = (await door.propose()).body
    async with stream(door, made["links"]["self"]) as events:
        await events.next()
        assert door.app_waits() == 1
        events.answer.close()
    await eventually(lambda: door.app_waits() == 0)
    async with door.world.store.reading() as tx:
        record = await tx.actions.get(made["id"])
    assert record is not None
    assert record.status is Status.PENDING


async def test_a_stopping_server_answers_whoever_waits(tmp_path: Path) -> None:
    async with open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys") as door:
        made = (await door.propose()).body
        waiting = asyncio.create_task(door.get(made["links"]["self"], headers={"Prefer": "wait=60"}))
        await eventually(lambda: door.app_waits() == 1)
        await door.app.shutdown()
        got = await waiting
        assert got.status == 202
        assert got.body["status"] == "pending"


async def test_a_body_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    async with open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys", body_timeout=0.05) as door:
        answer = await door.talk(_request("POST /v1/actions HTTP/1.1", BODY)[:-5])
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"body_timeout" in answer
