"""Where checkpoints are kept outside the database: a folder, a webhook, a Slack channel; when is the publisher's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson
from standardwebhooks import Webhook

from gate.delivery.guarded import Caller
from gate.delivery.webhook import signed_with
from gate.domain.audit import timestamp
from gate.domain.checkpoint import parse_checkpoint, parse_note
from gate.usecases.ports import OUTBOX, Clock, Ids, Message, NotPublished, SealedCheckpoint, Store, Wakeups
from gate.whole_file import whole_file

FOLLOWS = "record"
"""What messages about the record stand for in the outbox's line, where others have their action."""


class Folder:
    """Implements `ports.Place`: one file for each checkpoint, named by its size, whole and on disk or not there."""

    def __init__(self, path: Path, *, every_sec: float) -> None:
        self._path = path
        self.name = place_name("folder", str(path))
        self.every_sec = every_sec

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Raises NotPublished."""
        try:
            await asyncio.to_thread(self._write, checkpoint)
        except OSError as error:
            raise NotPublished(f"the folder cannot be written: {error.strerror}") from None

    def _write(self, checkpoint: SealedCheckpoint) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        path = self._path / f"{checkpoint.size:012d}.checkpoint"
        if path.exists():
            if path.read_text(encoding="utf-8").split("\n\n")[0] == checkpoint.note.split("\n\n")[0]:
                return
            raise NotPublished(
                f"it holds another checkpoint of {checkpoint.size} records; one of the two was made up"
            )
        with whole_file(path, mode=0o644) as file:
            file.write(checkpoint.note.encode())


class ToWebhook:
    """Implements `ports.Place`: one POST for each checkpoint, signed by the rules of Standard Webhooks."""

    def __init__(
        self,
        url: str,
        *,
        every_sec: float,
        secrets: Sequence[str],
        clock: Clock,
        caller: Caller,
        source: str = "",
    ) -> None:
        self._url = url
        self._signatures = [Webhook(secret) for secret in secrets]
        self._clock = clock
        self._caller = caller
        self._source = source
        self.name = place_name("webhook", url)
        self.every_sec = every_sec

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Raises NotPublished. The id is that of the checkpoint, so a receiver can pass over what it has."""
        event = f"checkpoint-{checkpoint.size}-{checkpoint.root.hex()[:16]}"
        body = orjson.dumps(self._event(event, checkpoint))
        now = self._clock.now()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": "signoff-webhooks/1",
            "webhook-id": event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed_with(self._signatures, event, now, body),
        }
        status, _ = await self._caller.post(self._url, body, headers)
        if not 200 <= status < 300:
            raise NotPublished(f"the webhook answered {status}")

    def _event(self, event: str, checkpoint: SealedCheckpoint) -> dict[str, object]:
        found = parse_checkpoint(parse_note(checkpoint.note).text)
        return {
            "specversion": "1.0",
            "id": event,
            "source": self._source or "urn:signoff",
            "type": "io.signoff.record.checkpoint.v1",
            "subject": found.origin,
            "time": timestamp(checkpoint.at),
            "datacontenttype": "application/json",
            "data": {
                "origin": found.origin,
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "note": checkpoint.note,
            },
        }


class ToSlack:
    """Implements `ports.Place`: a message through the outbox, which the bot posts in the channel named."""

    def __init__(
        self, channel: str, *, every_sec: float, store: Store, ids: Ids, clock: Clock, wakeups: Wakeups
    ) -> None:
        self._channel = channel
        self._store = store
        self._ids = ids
        self._clock = clock
        self._wakeups = wakeups
        self.name = place_name("slack", channel)
        self.every_sec = every_sec

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Leaves the rest to the outbox, which tries until it is posted or visibly dead."""
        now = self._clock.now()
        async with self._store.writing() as tx:
            await tx.outbox.add(
                Message(
                    id=self._ids.new("msg"),
                    action_id=FOLLOWS,
                    channel="slack",
                    kind="checkpoint",
                    body={"channel": self._channel, "size": checkpoint.size, "place": self.name},
                    created_at=now,
                    due_at=now,
                )
            )
        self._wakeups.notify(OUTBOX)


def place_name(kind: str, target: str) -> str:
    """Names a place where it is kept how far it got; the address, which may hold a secret, shows in no row."""
    return f"{kind}:{hashlib.sha256(target.encode()).hexdigest()[:16]}"
