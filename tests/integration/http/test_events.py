"""The event stream: the state now, then every change, until the decision; nothing is lost on a reconnect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gate.keyring.checkpoints import CheckpointSigner
from tests.integration.http.door import POLICY_HERE, Door, eventually, open_door, secret


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    kind: str
    document: dict[str, Any]


class Stream:
    """Reads a stream block by block; comments are counted."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments = 0

    async def next(self) -> Event | None:
        """The next event, None at the end."""
        while True:
            lines: list[str] = []
            while (line := (await self.answer.content.readline()).decode()) not in ("\n", ""):
                lines.append(line.rstrip("\n"))
            if not lines:
                return None
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            self.comments += sum(line.startswith(":") for line in lines)
            if "data" in fields:
                return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))


@asynccontextmanager
async def stream(
    door: Door, path: str, *, last: int | None = None, key: str = "bot"
) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {secret(key)}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    async with door.session.get(f"{door.url}{path}/events", headers=headers) as answer:
        yield Stream(answer)


async def test_a_stream_tells_the_state_then_every_change_and_ends_with_the_decision(
    door: Door, notary: CheckpointSigner
) -> None:
    made = (await door.propose("pay.wire")).body
    async with stream(door, made["links"]["self"]) as events:
        assert events.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert events.answer.headers["Cache-Control"] == "no-store"
        first = await events.next()
        assert first is not None
        assert (first.kind, first.document["status"]) == ("action", "pending")
        await door.approve(made["id"], "ana")
        second = await events.next()
        assert second is not None
        assert second.id > first.id
        assert len(second.document["approval"]["votes"]) == 1
        await door.approve(made["id"], "bo")
        await door.sign(notary)
        last = await events.next()
        assert last is not None
        assert last.document["status"] == "approved"
        assert last.document["grant"] is not None
        assert await events.next() is None
    assert last.document == (await door.get(made["links"]["self"])).body


async def test_a_reconnect_resumes_after_the_last_event_seen(door: Door, notary: CheckpointSigner) -> None:
    made = (await door.propose("pay.wire")).body
    async with stream(door, made["links"]["self"]) as events:
        first = await events.next()
        assert first is not None
    async with stream(door, made["links"]["self"], last=first.id) as events:
        await eventually(lambda: door.app_waits() > 0)
        await door.approve(made["id"], "ana")
        second = await events.next()
        assert second is not None
        assert second.id > first.id
    await door.approve(made["id"], "bo")
    await door.sign(notary)
    async with stream(door, made["links"]["self"], last=second.id) as events:
        last = await events.next()
        assert last is not None
        assert last.document["status"] == "approved"
    async with stream(door, made["links"]["self"], last=last.id) as events:
        assert events.answer.status == 204


async def test_no_reconnect_tells_of_a_hidden_first_vote(door: Door) -> None:
    """Under a blind second review neither an event nor its id says that somebody approved."""
    door.world.source.load(POLICY_HERE + "fatigue_controls: {sampled_second_review_rate: 1}\n")
    made = (await door.propose()).body
    async with stream(door, made["links"]["self"]) as events:
        first = await events.next()
        assert first is not None
    await door.approve(made["id"], "ana")
    async with stream(door, made["links"]["self"]) as events:
        assert await events.next() == first
    async with stream(door, made["links"]["self"], last=first.id) as events:
        await eventually(lambda: door.app_waits() > 0)
        await door.approve(made["id"], "bo")
        last = await events.next()
        assert last is not None
        assert (last.document["status"], last.id > first.id) == ("approved", True)


async def test_an_id_the_action_never_had_starts_over(door: Door) -> None:
    made = (await door.propose()).body
    async with stream(door, made["links"]["self"], last=10**9) as events:
        first = await events.next()
        assert first is not None
        assert first.document["status"] == "pending"


async def test_a_decided_action_is_told_once(door: Door) -> None:
    made = (await door.propose("db.drop")).body
    async with stream(door, made["links"]["self"]) as events:
        only = await events.next()
        assert only is not None
        assert only.document == made
        assert await events.next() is None


async def test_a_quiet_stream_is_kept_open_by_comments(door: Door) -> None:
    made = (await door.propose()).body
    async with stream(door, made["links"]["self"]) as events:
        await events.next()
        waiting = asyncio.create_task(events.next())
        await eventually(lambda: events.comments >= 2)
        await door.post(f"{made['links']['self']}/cancel", reason="enough")
        last = await waiting
        assert last is not None
        assert last.document["status"] == "cancelled"
    assert events.comments >= 2


async def test_a_reader_sees_the_stream_without_the_grant(door: Door) -> None:
    made = (await door.propose("crm.read")).body
    async with stream(door, made["links"]["self"], key="reader") as events:
        only = await events.next()
        assert only is not None
        assert only.document["grant"] is None


async def test_waits_are_bounded(tmp_path: Path) -> None:
    """Threat 23: past the bound a stream is refused and a wait is not honoured; nothing queues up."""
    async with open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys", wait_limit=1) as door:
        made = (await door.propose()).body
        async with stream(door, made["links"]["self"]) as events:
            await events.next()
            got = await door.get(f"{made['links']['self']}/events")
            assert (got.status, got.code) == (429, "too_many_streams")
            assert int(got.headers["Retry-After"]) > 0
            waited = await door.get(made["links"]["self"], headers={"Prefer": "wait=30"})
            assert waited.status == 200
            assert "Preference-Applied" not in waited.headers
