"""Work in the background: it may finish within the grace, and is over after that, whatever it was about."""

from __future__ import annotations

import asyncio

from gate.workers.ending import ended, stopped_within


async def test_work_that_finishes_within_the_grace_is_not_cut_off() -> None:
    done: list[str] = []
    asked = asyncio.Event()

    async def work() -> None:
        await asked.wait()
        await asyncio.sleep(0)
        done.append("all of it")

    task = asyncio.create_task(work())
    asked.set()
    await ended(task, grace_sec=30)
    assert done == ["all of it"]


async def test_without_grace_work_ends_where_it_is() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    await ended(task, None)
    assert task.cancelled()


async def test_how_work_failed_is_not_raised_at_its_end() -> None:
    async def work() -> None:
        raise RuntimeError("gone wrong")

    task = asyncio.create_task(work())
    await ended(task, grace_sec=30)
    assert isinstance(task.exception(), RuntimeError)


async def test_a_pause_says_whether_it_was_cut_short() -> None:
    stop = asyncio.Event()
    assert not await stopped_within(stop, 0)
    stop.set()
    assert await stopped_within(stop, 30)
