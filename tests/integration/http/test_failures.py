"""What goes wrong inside: 503 where a decision cannot be kept, 500 without a trace, and logs without content."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gate.logs import name_what_it_is_about
from gate.usecases.ports import Crowded, Deps, Store, StoreUnavailable, Transaction
from tests.integration.http.door import Door, open_door, secret


class Failing:
    """A store in front of a real one that fails in a chosen way while `error` is set."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.error: Exception | None = None

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        return self._failing(self.inner.writing())

    def together(self, turn: str, *, presuming: bool = False) -> AbstractAsyncContextManager[Transaction]:
        return self._failing(self.inner.together(turn, presuming=presuming))

    @asynccontextmanager
    async def _failing(self, inner: AbstractAsyncContextManager[Transaction]) -> AsyncIterator[Transaction]:
        if self.error is not None:
            raise self.error
        async with inner as tx:
            yield tx

    @property
    def now(self) -> Transaction:
        return self.inner.now

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return self.inner.reading()

    async def check(self) -> None:
        if self.error is not None:
            raise self.error
        await self.inner.check()


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[tuple[Door, Failing]]:
    made: list[Failing] = []

    def put_between(deps: Deps) -> Deps:
        made.append(Failing(deps.store))
        return replace(deps, store=made[0])

    url = f"sqlite:///{tmp_path / 'gate.db'}"
    async with open_door(url, tmp_path / "keys", change=put_between, readiness=None) as door:
        yield door, made[0]


@pytest.mark.parametrize(
    ("whole", "status", "code"), [(False, 429, "too_many_requests"), (True, 503, "store_unavailable")]
)
async def test_a_crowd_is_told_to_come_again(
    broken: tuple[Door, Failing], whole: bool, status: int, code: str
) -> None:
    """Threat 23: whose requests are too many is told apart from a gate that has too many of everybody."""
    door, store = broken
    store.error = Crowded(whole=whole)
    got = await door.propose(headers={"Idempotency-Key": "k"})
    assert (got.status, got.code) == (status, code)
    assert int(got.headers["Retry-After"]) > 0
    store.error = None
    assert (await door.propose(headers={"Idempotency-Key": "k"})).status == 202


async def test_a_decision_that_cannot_be_kept_is_not_made(broken: tuple[Door, Failing]) -> None:
    """INV-45 at the door: 503, and the retry that follows makes the one action."""
    door, store = broken
    store.error = StoreUnavailable("disk full")
    got = await door.propose(headers={"Idempotency-Key": "k"})
    assert (got.status, got.code) == (503, "store_unavailable")
    assert int(got.headers["Retry-After"]) > 0
    ready = await door.get("/readyz", key=None)
    assert ready.status == 503
    assert ready.body["status"] == "down"
    store.error = None
    got = await door.propose(headers={"Idempotency-Key": "k"})
    assert got.status == 202
    assert "Idempotency-Replayed" not in got.headers
    assert (await door.get("/readyz", key=None)).body["status"] == "ready"


async def test_the_unexpected_is_500_without_a_trace(broken: tuple[Door, Failing]) -> None:
    """INV-51: neither the answer nor the log repeats what an exception says, which may be what was sent."""
    door, store = broken
    store.error = RuntimeError("INSERT … parameters: ('4111 1111 1111 1111')")
    with capture_logs() as logs:
        got = await door.propose()
    assert (got.status, got.code) == (500, "internal_error")
    written = json.dumps(logs)
    for text in (got.raw.decode(), written):
        assert "4111" not in text
        assert "Traceback" not in text
    failed = next(line for line in logs if line["event"] == "request_failed")
    assert failed["error"] == "RuntimeError"
    assert any("submit" in frame for frame in failed["frames"])


async def test_logs_carry_no_payload_no_query_and_no_key(door: Door) -> None:
    """INV-51: one line a request, with the route's pattern and nothing of what was sent."""
    marks = ("marker-payload", "marker-summary", "marker-query", "marker-path", "marker-reason", "sk_test")
    with capture_logs() as logs:
        made = (
            await door.propose(
                payload={"amount": 1, "card": "marker-payload"},
                summary="marker-summary",
                rationale="marker-payload",
            )
        ).body
        await door.get(made["links"]["self"])
        await door.get("/v1/actions?topic=marker-query")
        await door.get("/v1/actions?nope=marker-query")
        await door.get("/v1/marker-path?token=marker-query")
        await door.get("/v1/actions/marker-path")
        await door.post(f"{made['links']['self']}/cancel", reason="marker-reason")
        await door.post("/v1/actions", data=b'{"marker-payload":')
        await door.post("/v1/grants/redeem", key="executor", token="marker-payload", payload={})
        await door.get("/x?x=marker-query", key=None)
        await door.get("/v1/actions", key=None, headers={"Authorization": f"Bearer {secret('marker-path')}"})
    lines = [line for line in logs if line["event"] == "request"]
    assert len(lines) == 11
    written = json.dumps(logs)
    for mark in marks:
        assert mark not in written
    first = lines[0]
    assert (first["method"], first["route"], first["status"]) == ("POST", "/v1/actions", 202)
    assert first["agent"] == "agt_bot"
    assert first["ms"] >= 0
    assert lines[4]["route"] == "unmatched"
    metrics = (await door.get("/metrics", key=None)).raw.decode()
    assert not any(mark in metrics for mark in (*marks, "agt_", "support-bot"))


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-later", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        ("marker", None),
    ],
)
async def test_the_log_names_request_and_trace(door: Door, sent: str, kept: str | None) -> None:
    with capture_logs(processors=[name_what_it_is_about]) as logs:
        got = await door.get("/v1/actions", headers={"traceparent": sent})
        await door.get("/v1/actions")
    assert logs[0]["request_id"] == got.headers["X-Request-Id"]
    assert logs[0].get("trace_id") == kept
    assert "trace_id" not in logs[1]


async def test_error_answers_do_not_repeat_values(door: Door) -> None:
    got = await door.propose(
        summary="secret-value" * 40, callback_url="ftp://secret-value", risk="secret-value"
    )
    assert got.status == 422
    assert b"secret-value" not in got.raw


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/actions", "/v1/actions/", "/v1/audit/checkpoints", "/v1/%ff", "/x/y"]
)
async def test_unknown_addresses_are_404(door: Door, path: str) -> None:
    got = await door.get(path)
    assert (got.status, got.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/actions", {"GET", "POST"}),
        ("PUT", "/v1/grants/redeem", {"POST"}),
        ("POST", "/healthz", {"GET"}),
        ("HEAD", "/v1/actions", {"GET", "POST"}),
    ],
)
async def test_other_methods_are_405(door: Door, method: str, path: str, allowed: set[str]) -> None:
    got = await door.call(method, path)
    assert got.status == 405
    assert set(got.headers["Allow"].split(",")) == allowed
    if method != "HEAD":
        assert got.code == "method_not_allowed"


async def test_every_answer_carries_the_security_headers(door: Door) -> None:
    made = (await door.propose()).body
    for got in (
        await door.get("/v1/actions"),
        await door.get("/v1/nothing"),
        await door.get("/healthz", key=None),
        await door.get("/docs", key=None),
        await door.get(f"{(await door.propose('db.drop')).body['links']['self']}/events"),
        await door.get(made["links"]["self"]),
        await door.get("/x", key=None),
    ):
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["Server"] == "signoff"
        assert got.headers["X-Request-Id"]


async def test_a_sane_request_id_is_kept_and_any_other_replaced(door: Door) -> None:
    got = await door.get("/v1/actions", headers={"X-Request-Id": "abc-123"})
    assert got.headers["X-Request-Id"] == "abc-123"
    for other in ("", "a b", "x" * 129, "é"):
        got = await door.get("/v1/nothing", headers={"X-Request-Id": other})
        assert got.headers["X-Request-Id"].startswith("req_")
        assert got.code == "not_found"
