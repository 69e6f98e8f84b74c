"""Knows that an unmodified Bolt app behind a request URL gets signed events, interactions and commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bot.sandbox import RateLimits, Sandbox, default_workspace
from tests.integration.sandbox.cards import approval_card, edit_modal
from tests.integration.sandbox.running import client_of

SECRET = "sandbox-signing-secret"


class Receiver:
    """A Bolt app behind aiohttp, with the headers of every request it got."""

    def __init__(self) -> None:
        self.app: AsyncApp | None = None
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []

    async def serve(self, request: web.Request) -> web.Response:
        assert self.app is not None
        self.headers.append(dict(request.headers))
        answer = await self.app.async_dispatch(await to_bolt_request(request))
        self.statuses.append(answer.status)
        return await to_aiohttp_response(answer)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/slack/events", receiver.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    await runner.cleanup()


async def test_http_mode_delivers_signed_requests(receiver: tuple[Receiver, str]) -> None:
    got, url = receiver
    seen: list[str] = []
    workspace = default_workspace().with_app(request_url=url)
    async with Sandbox(workspace, rate_limits=RateLimits(enabled=False)) as sandbox:
        client = client_of(sandbox)
        app = got.app = AsyncApp(client=client, signing_secret=SECRET)

        @app.action("edit")
        async def edit(ack: Any, body: Any) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=edit_modal())

        @app.view("edit")
        async def save(ack: Any) -> None:
            await ack(response_action="errors", errors={"field:/note": "Say why."})

        @app.command("/gate")
        async def gate(ack: Any) -> None:
            await ack("Here.")

        @app.event("app_home_opened")
        async def home(event: Any) -> None:
            seen.append(event["tab"])

        assert await sandbox.verify_request_url()
        posted = await client.chat_postMessage(channel="C0APPROVALS", text="x", blocks=approval_card())
        assert (await sandbox.click("U0ANA", "C0APPROVALS", posted["ts"], "edit")).ok
        await sandbox.wait_for(lambda s: s.modal("U0ANA"))
        assert (await sandbox.submit("U0ANA")).errors == {"field:/note": "Say why."}
        assert (await sandbox.command("U0ANA", "C0GENERAL", "/gate help")).ok
        assert sandbox.ephemerals("U0ANA")[0]["text"] == "Here."
        await sandbox.open_home("U0ANA")
        await sandbox.wait_for(lambda s: s.deliveries()[-1]["kind"] == "events_api")
        assert got.statuses == [200] * 5
        assert all(header["X-Slack-Signature"].startswith("v0=") for header in got.headers)

        wrong = AsyncApp(client=client, signing_secret="another")
        got.app = wrong
        assert not (await sandbox.click("U0ANA", "C0APPROVALS", posted["ts"], "edit")).ok
        assert got.statuses[-1] == 401


async def test_a_failed_event_is_sent_again_with_retry_headers(receiver: tuple[Receiver, str]) -> None:
    got, url = receiver
    workspace = default_workspace().with_app(request_url=url)
    async with Sandbox(workspace) as sandbox:
        got.app = AsyncApp(client=client_of(sandbox), signing_secret="another")
        await sandbox.open_home("U0ANA")
        await sandbox.wait_for(lambda s: len(s.deliveries()) == 2)
        assert got.headers[1]["X-Slack-Retry-Num"] == "1"
        assert got.headers[1]["X-Slack-Retry-Reason"] == "http_error"
