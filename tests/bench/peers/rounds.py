"""What every contender of the round trip shares: workers, a time, a payload, the figures; standard library only."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import resource
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

NOTE = "The customer was charged twice for the same order and asks for the second payment back. " * 7
WARM_UP_SEC = 1.0


def payload(name: str) -> dict[str, Any]:
    """About a kilobyte, different for each."""
    lines = [{"sku": f"A-{n}", "n": n} for n in range(3)]
    return {"order": name, "amount": 1450, "currency": "EUR", "lines": lines, "note": NOTE}


async def run(once: Callable[[int, str], Awaitable[None]], options: argparse.Namespace) -> dict[str, Any]:
    """`once(worker, name)` again and again by every worker, after a warm-up that is not counted; with `--each N` so
    many times by each, and all are counted."""
    each = getattr(options, "each", 0)
    warm = [] if each else await _busy(once, options.clients, WARM_UP_SEC)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    taken = sorted(await _busy(once, options.clients, options.seconds, each))
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rate": round(len(taken) / seconds, 1),
        "count": len(taken),
        "in_all": len(warm) + len(taken),
        "p50_ms": round(taken[len(taken) // 2] * 1000, 2),
        "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 2),
        "own_cpu_us": round(cpu / len(taken) * 1e6, 1),
    }


async def _busy(
    once: Callable[[int, str], Awaitable[None]], clients: int, seconds: float, each: int = 0
) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def worker(number: int) -> None:
        for done in itertools.count():
            since = time.perf_counter()
            if done == each if each else since >= end:
                return
            await once(number, uuid.uuid4().hex)
            taken.append(time.perf_counter() - since)

    await asyncio.gather(*(worker(n) for n in range(clients)))
    return taken
