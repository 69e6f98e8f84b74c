"""How work in the background comes to its end; what it does until then is each worker's own."""

from __future__ import annotations

import asyncio
from typing import Any


async def ended(*tasks: asyncio.Task[Any] | None, grace_sec: float = 0.0) -> None:
    """Wait until all have ended: by themselves within the grace, otherwise cancelled wherever they are.

    What they fail with is not raised, and None among them is work that never began.
    """
    begun = [task for task in tasks if task is not None]
    if begun and grace_sec > 0:
        await asyncio.wait(begun, timeout=grace_sec)
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep for so long, or until `stop` is set; whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
