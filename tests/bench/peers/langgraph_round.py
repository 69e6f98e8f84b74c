"""The approval round trip in LangGraph: a graph stops at `interrupt`, its state goes to PostgreSQL, it is resumed.

As its documentation shows it: `AsyncPostgresSaver` on a pool of connections, one thread for each request. One saver
takes one statement at a time, whatever its pool; `--tuned` gives every worker a saver of its own on the shared pool
and writes the state when the graph stops and ends instead of after every step.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, TypedDict

import uvloop
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

sys.path.insert(0, str(Path(__file__).parent))
from rounds import payload, run


class State(TypedDict):
    payload: dict[str, Any]
    approved: bool
    done: bool


def ask(state: State) -> dict[str, Any]:
    answer = interrupt({"question": "Refund it?", "payload": state["payload"]})
    return {"approved": answer == "approve"}


def act(state: State) -> dict[str, Any]:
    return {"done": state["approved"]}


def graph_on(saver: AsyncPostgresSaver) -> Any:
    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("act", act)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "act")
    builder.add_edge("act", END)
    return builder.compile(checkpointer=saver)


async def measured(options: argparse.Namespace) -> dict[str, Any]:
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(
        options.url, min_size=options.clients, max_size=options.clients, kwargs=settings, open=False
    ) as pool:
        await AsyncPostgresSaver(pool).setup()  # type: ignore[arg-type]
        count = options.clients if options.tuned else 1
        graphs = [graph_on(AsyncPostgresSaver(pool)) for _ in range(count)]  # type: ignore[arg-type]
        said: dict[str, Any] = {"durability": "exit"} if options.tuned else {}

        async def once(worker: int, name: str) -> None:
            graph = graphs[worker % count]
            thread = {"configurable": {"thread_id": name}}
            asked = await graph.ainvoke({"payload": payload(name)}, thread, **said)
            assert asked["__interrupt__"]
            ended = await graph.ainvoke(Command(resume="approve"), thread, **said)
            assert ended["done"] is True

        return await run(once, options)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--tuned", action="store_true")
    print(json.dumps(uvloop.run(measured(parser.parse_args()))))


if __name__ == "__main__":
    main()
