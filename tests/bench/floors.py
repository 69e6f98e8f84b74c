"""The servers a gate is compared to: what aiohttp itself can do, and what it can do with one plain transaction.

A answers a constant. B parses the body and validates it with pydantic, and stores nothing. C does that and inserts
one row of the body in a transaction of its own, by SQLAlchemy Core, durably. Each is written as one would write it who
wants nothing else; none of them shares code with the gate.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket
from typing import Literal

import uvloop
from aiohttp import web
from pydantic import BaseModel, Field
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, event, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Level = Literal["low", "medium", "high", "critical"]


class Body(BaseModel):
    topic: str = Field(max_length=200)
    payload: dict[str, object]
    summary: str = Field(max_length=500)
    rationale: str | None = None
    tool: str | None = None
    risk: Level | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    amount_usd: float | None = None
    labels: dict[str, str] = Field(default_factory=dict)


metadata = MetaData()
stored = Table("stored", metadata, Column("id", Text, primary_key=True), Column("body", LargeBinary))
numbers = itertools.count(1)


async def constant(request: web.Request) -> web.Response:
    return web.Response(body=b'{"status":"allowed"}', content_type="application/json")


async def validated(request: web.Request) -> web.Response:
    body = Body.model_validate_json(await request.read())
    answer = b'{"status":"allowed","topic":"' + body.topic.encode() + b'"}'
    return web.Response(body=answer, content_type="application/json")


def storing(engine: AsyncEngine):
    async def handler(request: web.Request) -> web.Response:
        read = await request.read()
        body = Body.model_validate_json(read)
        async with engine.begin() as connection:
            await connection.execute(insert(stored), {"id": f"{next(numbers):012d}", "body": read})
        answer = b'{"status":"allowed","topic":"' + body.topic.encode() + b'"}'
        return web.Response(body=answer, content_type="application/json")

    return handler


def engine_for(url: str) -> AsyncEngine:
    if url.startswith("postgresql"):
        return create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_size=10)
    engine = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite://"), pool_size=1, max_overflow=0)

    def on_connect(connection, _record) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    event.listen(engine.sync_engine, "connect", on_connect)
    return engine


async def serve(kind: str, url: str) -> None:
    app = web.Application()
    handler = {"a": constant, "b": validated}.get(kind)
    if handler is None:
        engine = engine_for(url)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.drop_all)
            await connection.run_sync(metadata.create_all)
        handler = storing(engine)
    app.router.add_post("/v1/actions", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listening).start()
    print(f"port {listening.getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("a", "b", "c"))
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    uvloop.run(serve(options.kind, options.url))


if __name__ == "__main__":
    main()
