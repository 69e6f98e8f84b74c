"""Knows each trouble on demand as an unmodified client meets it, set from Python and over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import ManualClock, Sandbox
from tests.integration.sandbox.running import client_of, connected, raw_socket


async def test_an_app_that_dies_in_the_middle_of_a_request_is_no_complaint(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = sandbox.api_url.removeprefix("http://").partition("/")[0].partition(":")
    for _ in range(5):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /api/auth.test HTTP/1.1\r\nHost: "
            + host.encode()
            + b"\r\nAuthorization: Bearer xoxb-sandbox\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        assert (await client_of(sandbox).auth_test())["ok"]  # by now the half request is being read
        writer.close()
        await writer.wait_closed()
        assert (await client_of(sandbox).auth_test())["ok"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_down_cuts_calls_and_sockets_until_it_is_over(sandbox: Sandbox, client: AsyncWebClient) -> None:
    async with raw_socket(sandbox) as socket:
        sandbox.down()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await sandbox.wait_for(lambda s: s.connections == 0)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
    assert sandbox.messages("C0APPROVALS") == []
    sandbox.clear_faults()
    assert (await client.auth_test())["ok"]


async def test_down_may_also_be_a_503(sandbox: Sandbox, client: AsyncWebClient) -> None:
    sandbox.down("503")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
    assert caught.value.response.status_code == 503


async def test_slow_holds_answers_back(timed: Sandbox, clock: ManualClock) -> None:
    timed.slow(2)
    call = asyncio.create_task(client_of(timed).auth_test())
    await clock.wait_armed()
    assert not call.done()
    clock.advance(2)
    assert (await call)["ok"]


async def test_a_rate_limit_names_its_method_and_wears_off(sandbox: Sandbox, client: AsyncWebClient) -> None:
    sandbox.ratelimit("chat.postMessage", retry_after=7, count=2)
    assert (await client.auth_test())["ok"]
    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel="C0APPROVALS", text="x")
        assert caught.value.response.headers["Retry-After"] == "7"
    await client.chat_postMessage(channel="C0APPROVALS", text="x")
    assert [call.status for call in sandbox.calls("chat.postMessage")] == [429, 429, 200]


async def test_a_drop_after_receipt_posts_the_card_but_answers_nothing(
    sandbox: Sandbox, client: AsyncWebClient
) -> None:
    sandbox.drop_after_receipt("chat.postMessage")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel="C0APPROVALS", text="once")
    assert [message["text"] for message in sandbox.messages("C0APPROVALS")] == ["once"]
    assert sandbox.calls("chat.postMessage")[0].dropped
    assert (await client.chat_postMessage(channel="C0APPROVALS", text="next"))["ok"]


async def test_an_error_on_demand_changes_nothing(sandbox: Sandbox, client: AsyncWebClient) -> None:
    sandbox.error("chat.postMessage", "internal_error")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
    assert caught.value.response["error"] == "internal_error"
    assert sandbox.messages("C0APPROVALS") == []


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_disconnect_makes_the_unmodified_client_reconnect(
    sandbox: Sandbox, app: AsyncApp, reason: str
) -> None:
    @app.command("/gate")
    async def gate(ack: Any) -> None:
        await ack("here")

    async with connected(app, sandbox):
        await sandbox.disconnect(reason)
        await sandbox.wait_for(lambda s: s.connections_opened == 2 and s.connections == 1)
        assert (await sandbox.command("U0ANA", "C0GENERAL", "/gate")).ok


async def post(sandbox: Sandbox, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(sandbox.url + path, json=body, headers=headers) as response,
    ):
        kind = response.content_type
        return response.status, await (response.json() if kind == "application/json" else response.text())


async def test_the_same_troubles_are_set_over_the_wire(sandbox: Sandbox, client: AsyncWebClient) -> None:
    troubles = [
        {"set": "slow", "seconds": 0.5},
        {"set": "ratelimit", "method": "chat.update", "retry_after": 3, "count": 2},
        {"set": "drop_after_receipt", "method": "chat.postMessage", "count": 1},
        {"set": "duplicate_delivery", "count": 4},
        {"set": "error", "method": "views.open", "code": "fatal_error"},
        {"set": "down", "mode": "503"},
    ]
    for trouble in troubles:
        status, answer = await post(sandbox, "sandbox/faults", trouble)
        assert (status, answer["ok"]) == (200, True)
    assert sandbox.faults.doc() == {
        "down": "503",
        "slow": 0.5,
        "ratelimit": [{"method": "chat.update", "retry_after": 3, "count": 2}],
        "drop_after_receipt": [{"method": "chat.postMessage", "count": 1}],
        "error": [{"method": "views.open", "code": "fatal_error", "count": 1}],
        "duplicate_delivery": 4,
    }
    assert (await post(sandbox, "sandbox/faults", {"set": "clear"}))[0] == 200
    assert (await post(sandbox, "sandbox/faults", {"set": "disconnect"}))[0] == 200
    assert (await post(sandbox, "sandbox/faults", {"set": "earthquake"}))[0] == 400
    assert (await post(sandbox, "sandbox/faults", {"set": "slow"}))[0] == 400
    assert (await client.auth_test())["ok"]


async def test_people_are_changed_and_act_over_the_wire(sandbox: Sandbox, client: AsyncWebClient) -> None:
    status, answer = await post(sandbox, "sandbox/users/U0ANA", {"deleted": True, "email": "a@b.example"})
    assert (status, answer["user"]["deleted"]) == (200, True)
    assert (await client.users_info(user="U0ANA"))["user"]["deleted"] is True
    assert (await post(sandbox, "sandbox/users/U0ANA", {"id": "U1"}))[0] == 400
    assert (await post(sandbox, "sandbox/users/U404", {"name": "x"}))[0] == 404
    said = await post(
        sandbox, "sandbox/act", {"act": "say", "user": "U0BO", "channel": "C0GENERAL", "text": "hi"}
    )
    assert said[1]["ok"]
    refused = await post(sandbox, "sandbox/act", {"act": "submit", "user": "U0BO"})
    assert refused[1]["error"] == "refused"
    assert (await post(sandbox, "sandbox/act", {"act": "fly"}))[0] == 400
    assert (await post(sandbox, "sandbox/act", {"act": "say", "user": "U0BO"}))[0] == 400


async def test_state_and_calls_can_be_read(sandbox: Sandbox, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="C0APPROVALS", text="x")
    async with aiohttp.ClientSession() as session:
        async with session.get(sandbox.url + "sandbox/state") as response:
            state = await response.json()
        async with session.get(sandbox.url + "sandbox/calls?method=chat.postMessage") as response:
            (call,) = (await response.json())["calls"]
    assert state["messages"][0]["text"] == "x"
    assert (call["method"], call["ok"], call["args"]["text"]) == ("chat.postMessage", True, "x")
    assert "token" not in call["args"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Host": "evil.example"}, 403, id="rebound name"),
        pytest.param({"Host": "192.168.1.4"}, 403, id="other address"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="other origin"),
        pytest.param({"Origin": "null"}, 403, id="opaque origin"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="form-like body"),
    ],
)
async def test_other_names_origins_and_body_kinds_are_refused(
    sandbox: Sandbox, headers: dict[str, str], status: int
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            sandbox.url + "sandbox/faults",
            data=b'{"set":"down"}',
            headers={"Content-Type": "application/json"} | headers,
        ) as response,
    ):
        assert response.status == status
    assert sandbox.faults.doc()["down"] is None


async def test_the_page_comes_with_a_strict_policy_and_links_lead_into_it(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(sandbox.url) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        async with session.get(
            sandbox.url + "archives/C0APPROVALS/p1763000000000001", allow_redirects=False
        ) as response:
            assert response.headers["Location"] == "/#/c/C0APPROVALS/m/1763000000.000001"
        async with session.get(sandbox.url + "static/..%2fserver.py") as response:
            assert response.status == 404


async def test_a_watcher_catches_up_or_is_told_to_read_anew(sandbox: Sandbox, client: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:

        async def kinds(since: str, count: int) -> list[str]:
            found: list[str] = []
            async with session.get(sandbox.url + "sandbox/events", params={"since": since}) as stream:
                while len(found) < count:
                    line = (await stream.content.readline()).decode()
                    if line.startswith("event: "):
                        found.append(line.removeprefix("event: ").strip())
            return found

        start = sandbox.feed.position
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
        assert await kinds(start, 2) == ["message", "call"]
        assert await kinds("another-1", 1) == ["reset"]


async def test_after_an_outage_the_unmodified_client_comes_back_by_itself(
    sandbox: Sandbox, app: AsyncApp
) -> None:
    @app.command("/gate")
    async def gate(ack: Any) -> None:
        await ack("back")

    async with connected(app, sandbox, ping_interval=0.5):
        sandbox.down()
        await sandbox.wait_for(lambda s: s.connections == 0)
        assert (await sandbox.command("U0ANA", "C0GENERAL", "/gate")).error == "dispatch_failed"
        sandbox.clear_faults()
        await sandbox.wait_connected()
        assert (await sandbox.command("U0ANA", "C0GENERAL", "/gate")).ok
