"""Who may do what: keys, scopes, and that no key can vote."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.http.app import endpoints
from tests.integration.http.door import Door, secret

ENDPOINTS = endpoints("0")
KEYED = [endpoint for endpoint in ENDPOINTS if endpoint.scopes is not None]
OF_KEY = {"bot": "propose", "executor": "execute", "reader": "read", "admin": "admin"}


def _path(path: str) -> str:
    return path.replace("{id}", "act_x").replace("{digest}", "sha256:x")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer sk_test_nobody",
        "Bearer a b",
        f"bot {secret('bot')}",
    ],
)
async def test_without_a_valid_key_nothing_is_told(door: Door, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for endpoint in KEYED:
        got = await door.call(endpoint.method, _path(endpoint.path), key=None, headers=headers)
        assert (got.status, got.code) == (401, "unauthenticated"), endpoint.operation
        assert got.headers["WWW-Authenticate"].startswith('Bearer realm="signoff"')


async def test_everything_under_v1_asks_for_a_key() -> None:
    assert {e.path for e in ENDPOINTS if e.path.startswith("/v1")} == {e.path for e in KEYED}


@pytest.mark.parametrize("key", OF_KEY)
async def test_a_key_does_what_its_scope_says_and_nothing_else(door: Door, key: str) -> None:
    for endpoint in KEYED:
        body = b"{}" if endpoint.method == "POST" else None
        got = await door.call(endpoint.method, _path(endpoint.path), key=key, data=body)
        if OF_KEY[key] in (endpoint.scopes or ()):
            assert got.status not in (401, 403, 405, 500), endpoint.operation
        else:
            assert (got.status, got.code) == (403, "missing_scope"), endpoint.operation


async def test_a_revoked_key_stops_at_once_and_a_rotated_one_when_its_overlap_ends(door: Door) -> None:
    store, clock = door.world.store, door.world.clock
    async with store.writing() as tx:
        stored = await tx.agents.by_name("support-bot")
        assert stored is not None
        rotated = replace(
            stored,
            key_sha256="0" * 64,
            old_key_sha256=stored.key_sha256,
            old_until=clock.now() + timedelta(hours=1),
        )
        await tx.agents.replace(rotated)
    assert (await door.get("/v1/actions")).status == 200
    clock.pass_(hours=1)
    assert (await door.get("/v1/actions")).status == 401
    async with store.writing() as tx:
        other = await tx.agents.by_name("other-bot")
        assert other is not None
        await tx.agents.replace(replace(other, revoked_at=clock.now()))
    assert (await door.get("/v1/actions", key="other")).status == 401


async def test_a_key_revoked_between_two_proposals_is_told_nothing_more(door: Door) -> None:
    """Its holder is remembered from the proposal before; neither a good nor a broken body gets past that."""
    assert (await door.propose("crm.read")).status == 200
    async with door.world.store.writing() as tx:
        stored = await tx.agents.by_name("support-bot")
        assert stored is not None
        await tx.agents.replace(replace(stored, revoked_at=door.world.clock.now()))
    for fields in ({"agent": "other-bot"}, {}, {}):
        got = await door.propose("crm.read", **fields)
        assert (got.status, got.code) == (401, "unauthenticated")
        assert "WWW-Authenticate" in got.headers


async def test_the_actor_is_the_key_and_never_the_body(door: Door) -> None:
    got = await door.propose("crm.read", agent="other-bot")
    assert got.status == 422
    assert got.pointers == {"/agent": "unknown_field"}


async def test_no_key_can_vote(door: Door) -> None:
    made = (await door.propose()).body
    for word in ("vote", "votes", "approve", "approval", "reject", "decide", "decision"):
        for key in OF_KEY:
            got = await door.post(f"{made['links']['self']}/{word}", key=key, vote="approve", version=1)
            assert (got.status, got.code) == (404, "not_found")
    assert (await door.get(made["links"]["self"])).body["status"] == "pending"


async def test_two_authorization_headers_are_refused(door: Door) -> None:
    answer = await door.talk(
        b"GET /v1/actions HTTP/1.1\r\nHost: g\r\nConnection: close\r\n"
        + f"Authorization: Bearer {secret('bot')}\r\n".encode() * 2
        + b"\r\n"
    )
    assert answer.split(b" ")[1] in (b"400", b"401")
