"""The load of a benchmark: a process of its own that keeps some connections busy and prints what came of it as JSON.

Started by path, it imports nothing of ours: what it measures must not share its code. Every request differs in its
payload and its `Idempotency-Key`. A closed loop sends the next request when the answer is there; with `--rate` requests
are due at fixed times, whatever the server does, and a latency counts from when the request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import cast

import uvloop

NOTE = "The customer was charged twice for the same order and asks for the second payment back. " * 8


@dataclass(slots=True)
class Run:
    """What all connections of one run share."""

    head: bytes
    body: tuple[bytes, bytes]
    prefix: str
    end: float
    number: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    taken: list[float] = field(default_factory=list)
    failed: str = ""
    idle: deque[Client] = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)
    paced: bool = False

    def request(self) -> bytes:
        self.number += 1
        key = f"{self.prefix}{self.number:08d}".encode()
        return self.head % key + self.body[0] + key + self.body[1]


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read = b""
        self._since = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own classes are not asyncio's
        self._next()

    def send(self, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(self._run.request())

    def data_received(self, data: bytes) -> None:
        self._read = self._read + data if self._read else data
        head = self._read.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._read.lower().find(b"content-length:", 0, head)
        size = int(self._read[at + 15 : self._read.find(b"\r\n", at)]) if at >= 0 else 0
        if len(self._read) < head + 4 + size:
            return
        status = int(self._read[9:12])
        run = self._run
        run.answers[status] += 1
        run.taken.append(time.perf_counter() - self._since)
        if status >= 300 and not run.failed:
            run.failed = self._read[:1500].decode(errors="replace")
        self._read = b""
        self._next()

    def _next(self) -> None:
        run = self._run
        now = time.perf_counter()
        if run.paced:
            if run.due:
                self.send(run.due.popleft())
            elif now < run.end:
                run.idle.append(self)
            else:
                self.close()
        elif now < run.end:
            self.send(now)
        else:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


async def pace(run: Run, rate: float) -> None:
    """Have `rate` requests a second become due, evenly, until the end of the run."""
    due = time.perf_counter()
    while due < run.end:
        now = time.perf_counter()
        while due <= now:
            if run.idle:
                run.idle.popleft().send(due)
            else:
                run.due.append(due)
            due += 1 / rate
        await asyncio.sleep(0.0005)
    await asyncio.sleep(max(run.end - time.perf_counter(), 0))  # until then an answered one is idle again
    while run.idle:
        run.idle.popleft().close()


async def drive(options: argparse.Namespace) -> dict[str, object]:
    fields = {
        "topic": options.topic,
        "summary": "Refund the second payment of an order",
        "rationale": "The ledger shows two charges a minute apart.",
        "tool": "payments.refund",
        "risk": "low",
        "confidence": 0.97,
        "amount_usd": 14.5,
        "labels": {"team": "support", "region": "eu"},
        "payload": {
            "amount": 1450,
            "currency": "EUR",
            "reason": "duplicate",
            "lines": [{"sku": f"A-{n}", "n": n} for n in range(3)],
            "note": "",
            "order": "@@",
        },
    }
    room = options.bytes - len(json.dumps(fields)) - 18
    fields["payload"]["note"] = NOTE[: max(room, 0)]  # type: ignore[index]
    before, after = json.dumps(fields).encode().split(b"@@")
    size = len(before) + len(after) + len(options.prefix) + 8
    head = (
        f"POST {options.path} HTTP/1.1\r\nHost: {options.host}\r\nAuthorization: Bearer {options.key}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: %b\r\nContent-Length: {size}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    run = Run(
        head=head,
        body=(before, after),
        prefix=options.prefix,
        end=start + options.seconds,
        paced=options.rate > 0,
    )
    made = [
        await loop.create_connection(lambda: Client(run), options.host, options.port)
        for _ in range(options.clients)
    ]
    if run.paced:
        await pace(run, options.rate)
    await asyncio.wait([client.gone for _, client in made], timeout=30)
    seconds = time.perf_counter() - start
    taken = sorted(run.taken)

    def at(share: float) -> float:
        return round(taken[min(int(len(taken) * share), len(taken) - 1)] * 1000, 3) if taken else 0.0

    return {
        "rate": round(len(taken) / seconds, 1),
        "answers": dict(run.answers),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "max_ms": at(1.0),
        "failed": run.failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, kind, default in (
        ("host", str, "127.0.0.1"),
        ("port", int, 0),
        ("path", str, "/v1/actions"),
        ("key", str, "none"),
        ("topic", str, "job.area3.note"),
        ("prefix", str, "k"),
        ("clients", int, 64),
        ("seconds", float, 3.0),
        ("rate", float, 0.0),
        ("bytes", int, 1024),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(drive(options))))


if __name__ == "__main__":
    main()
