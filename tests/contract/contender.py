"""A process that races for one action: says `ready`, tries what it was told to at SIGUSR1, and says how it went.

Run as `python -m tests.contract.contender URL VERB NAME`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from gate.domain.request import GrantState
from gate.store import open_store
from gate.usecases.ports import Transaction
from tests.contract.records import NOW, SetClock, action, approved, audited
from tests.fakes.sealing import KEYS


async def save(tx: Transaction, name: str) -> bool:
    saved = await tx.actions.save(approved(action(), name), expected_revision=1)
    if saved:
        await tx.audit.append(audited("approval.granted", actor=f"person:{name}"))
    return saved


async def add(tx: Transaction, name: str) -> bool:
    number = int(name)
    stored = await tx.actions.add(action(number), idempotency_key="k", body_sha256="b")
    if stored:
        await tx.audit.append(audited(action=f"act_{number:04d}"))
    return stored


async def redeem(tx: Transaction, name: str) -> bool:
    return await tx.grants.move("grt_0001", to=GrantState.REDEEMED, at=NOW, by=name)


async def hang(tx: Transaction, name: str) -> bool:
    await add(tx, name)
    print("inside", flush=True)
    await asyncio.Event().wait()
    return False


async def number(tx: Transaction, name: str) -> bool:
    await tx.tree.grow(limit=100)
    go_on = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, go_on.set)
    print("inside", flush=True)
    await go_on.wait()
    return True


VERBS = {"hang": hang, "save": save, "add": add, "redeem": redeem, "number": number}


async def main(url: str, verb: str, name: str) -> None:
    go = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)
    async with open_store(url, clock=SetClock(), exclusive=False, keys=KEYS) as store:
        await store.check()  # so that what follows is the race alone
        print("ready", flush=True)
        await go.wait()
        async with store.writing() as tx:
            won = await VERBS[verb](tx, name)
        print(f"won {won}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
