"""A gate behind real HTTP, a line to it that can be bad, and clients of both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gate.client import AsyncExecutor, AsyncGate, Patience
from tests.integration.client.line import Line, line_to
from tests.integration.http.door import Door, open_door, secret

QUICK = Patience(total=5.0, first=0.001, longest=0.01)


@dataclass
class Bench:
    """The gate, the line, and what talks over it. `agent` proposes, `executor` runs; the gate's clock is theirs."""

    door: Door
    line: Line
    agent: AsyncGate
    executor: AsyncExecutor
    another: Callable[..., AsyncExecutor]

    async def outcome(self, action_id: str) -> str | None:
        told = (await self.door.get(f"/v1/actions/{action_id}")).body["outcome"]
        return told and told["result"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(
            open_door(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", tmp_path / "keys")
        )
        line = await stack.enter_async_context(line_to(door.url))

        def another(key: str = "executor", **options: Any) -> AsyncExecutor:
            made = AsyncExecutor(
                options.pop("url", line.url),
                key=secret(key),
                patience=options.pop("patience", QUICK),
                clock=lambda: door.world.clock.now().timestamp(),
                **options,
            )
            stack.push_async_callback(made.aclose)
            return made

        executor = another()
        agent = await stack.enter_async_context(
            AsyncGate(line.url, key=secret("bot"), executor=executor, patience=QUICK)
        )
        yield Bench(door, line, agent, executor, another)
