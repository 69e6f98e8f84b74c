"""An executor: pays refunds, and can pay none without a grant. It holds the only key to the money.

    EXECUTOR_KEY=… python docs/examples/executor.py --gate http://127.0.0.1:8080 --ledger refunds.txt

Agents, or whoever carries out what they were allowed, POST {"token": …, "payload": …} to /refunds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from aiohttp import web

from gate.client import AsyncExecutor, GateError, Permit, Unreachable
from gate.contract.canonical import NotCanonical, parse


def pay(permit: Permit, ledger: Path) -> str:
    """Stands in for the payment: a line in a ledger. It takes a permit and no payload, so there is no other way in."""
    refund = permit.payload
    with ledger.open("a", encoding="utf-8") as lines:
        lines.write(f"{permit.action} {refund['amount']} to order {refund['order']}\n")
    return f"Paid {refund['amount']}"


def refunds(executor: AsyncExecutor, ledger: Path) -> web.Application:
    """The service. Whatever is not a live grant of this audience for exactly this payload ends before `pay`."""

    async def refund(request: web.Request) -> web.Response:
        try:
            asked = parse(await request.read())
            token, payload = asked["token"], asked["payload"]
            if not isinstance(token, str) or not isinstance(payload, dict):
                raise TypeError
        except (NotCanonical, KeyError, TypeError):
            return web.json_response({"refused": "not_a_request"}, status=400)
        try:
            async with executor.permit(token, payload) as permit:
                permit.note(await asyncio.to_thread(pay, permit, ledger))
        except Unreachable as error:
            return web.json_response({"refused": error.code}, status=503)
        except GateError as error:
            return web.json_response({"refused": error.code}, status=403)
        return web.json_response({"done": permit.action})

    app = web.Application()
    app.router.add_post("/refunds", refund)
    return app


async def serve(arguments: argparse.Namespace) -> None:
    executor = AsyncExecutor(
        arguments.gate,
        key=os.environ["EXECUTOR_KEY"],
        audience=arguments.audience,
        journal=arguments.ledger.with_suffix(".journal"),
    )
    async with executor:
        for action, result in (await executor.recover()).items():  # before anything is run
            print(f"recovered {action} {result}", flush=True)
        running = web.AppRunner(refunds(executor, arguments.ledger))
        await running.setup()
        await web.TCPSite(running, "127.0.0.1", arguments.port).start()
        print(f"listening http://127.0.0.1:{running.addresses[0][1]}", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await running.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--gate", required=True, help="the gate's address")
    parser.add_argument("--ledger", type=Path, required=True, help="where refunds are written down")
    parser.add_argument("--audience", default="executors")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
