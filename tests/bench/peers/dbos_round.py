"""The approval round trip in DBOS: a durable workflow waits in `recv`, somebody sends the word, it acts and ends.

As its documentation shows it, with LISTEN/NOTIFY and asynchronous workflows, which cost less than a thread each; the
pool has two connections for every client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID

sys.path.insert(0, str(Path(__file__).parent))
from rounds import payload, run


@DBOS.step()
async def act(asked: dict[str, Any]) -> bool:
    return True


@DBOS.workflow()
async def approval(asked: dict[str, Any]) -> bool:
    answer = await DBOS.recv_async("vote", timeout_seconds=60)
    return answer == "approve" and await act(asked)


async def measured(options: argparse.Namespace) -> dict[str, Any]:
    DBOS(
        config={
            "name": "round-trip",
            "system_database_url": options.url,
            "sys_db_pool_size": options.clients * 2,
            "use_listen_notify": True,
            "log_level": "ERROR",
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    try:

        async def once(worker: int, name: str) -> None:
            with SetWorkflowID(name):
                handle = await DBOS.start_workflow_async(approval, payload(name))
            await DBOS.send_async(name, "approve", topic="vote")
            assert await handle.get_result() is True

        return await run(once, options)
    finally:
        DBOS.destroy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    print(json.dumps(asyncio.run(measured(parser.parse_args()))))


if __name__ == "__main__":
    main()
