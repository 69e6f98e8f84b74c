"""Reaching Slack: tokens, addresses, proxies, outages, reconnecting, and stopping cleanly."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from bot.app import SlackSettings, build_bot
from bot.sandbox import Sandbox, default_workspace
from gate.domain.request import Status
from tests.integration.bot.stage import Stage, stage


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        pytest.param({"bot_token": "xoxb-wrong"}, "does not know this token", id="bot-token"),
        pytest.param({"app_token": "xapp-wrong"}, "token", id="app-token"),
        pytest.param({"app_token": "xoxb-sandbox"}, "another kind of Slack token", id="kinds-swapped"),
    ],
)
async def test_a_bad_token_is_reported_in_a_sentence_and_stops_nothing(
    tmp_path: Path, tokens: dict[str, str], words: str
) -> None:
    """The SDK alone would try a bad app token for ever without a word."""
    async with stage(tmp_path, start=False) as play:
        bot = build_bot(play.deps, replace(play.settings, **tokens))
        await bot.start()
        assert words in (bot.problem or "")
        await bot.stop()


async def test_slack_being_away_at_the_start_stops_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, start=False) as play:
        play.slack.down()
        bot = build_bot(play.deps, play.settings)
        await bot.start()
        assert "cannot be reached" in (bot.problem or "")
        play.slack.clear_faults()
        async with asyncio.timeout(60):
            await bot.connected()
        assert bot.problem is None
        await bot.stop()


async def test_a_connection_slack_wants_back_is_replaced_without_a_gap(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    opened = play.slack.connections_opened
    await play.slack.disconnect("refresh_requested")
    await play.slack.wait_for(lambda s: s.connections_opened > opened)
    await play.slack.wait_connected()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")


async def test_a_cut_connection_comes_back(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    play.slack.down()
    await play.problem()
    play.slack.clear_faults()
    await play.slack.wait_connected()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    assert play.bot is not None
    assert play.bot.problem is None


@pytest.mark.parametrize("form", ["{origin}", "{origin}/", "{origin}/api", "{origin}/api/"])
async def test_the_address_may_be_given_with_or_without_api(tmp_path: Path, form: str) -> None:
    async with stage(tmp_path, start=False) as play:
        origin = play.slack.api_url.removesuffix("/api/")
        bot = build_bot(play.deps, replace(play.settings, api_url=form.format(origin=origin)))
        await bot.start()
        assert bot.problem is None
        await bot.stop()


async def test_the_environment_does_not_change_where_and_how_the_bot_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies are not for loopback, and SLACK_CLIENT_ID does not switch Bolt to OAuth."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "nothing")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "nothing")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-other")
    async with stage(tmp_path) as play:
        record = await play.propose()
        channel, ts = await play.posted(record)
        await play.slack.click("U0ANA", channel, ts, "approve")
        await play.told("U0ANA", "Approved.")


async def test_stopping_leaves_no_task_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with stage(tmp_path) as play:
        record = await play.propose()
        channel, ts = await play.posted(record)
        await play.slack.open_home("U0ANA")
        await play.slack.click("U0ANA", channel, ts, "approve")
        await play.told("U0ANA", "Approved.")
        with_slack = asyncio.all_tasks()
        await play.stop()
        left = {t for t in asyncio.all_tasks() - before if not t.done() and _is_ours(t)}
        assert left == set(), with_slack
        await play.stop()


def _is_ours(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    where = getattr(code, "co_filename", "")
    return ("/bot/" in where and "/sandbox/" not in where) or "slack_" in where


def test_settings_that_cannot_work_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="SLACK_BOT_TOKEN"):
        build_bot(None, SlackSettings(bot_token="", app_token="xapp-1"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="SLACK_SIGNING_SECRET"):
        build_bot(None, SlackSettings(bot_token="xoxb-1"))  # type: ignore[arg-type]


# -- HTTP mode ---------------------------------------------------------------------------------------


class Front:
    """The gate's HTTP server, with nothing but the bot's routes."""

    def __init__(self) -> None:
        self.app = web.Application()
        self.runner: web.AppRunner | None = None
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self.bot_routes: list[web.RouteDef] = []
        self.app.router.add_post("/slack/events", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        return await self.bot_routes[0].handler(request)  # type: ignore[operator,misc,return-value]

    async def start(self) -> None:
        self.runner = web.AppRunner(self.app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/slack/events"


async def test_http_mode_serves_signed_requests_and_refuses_replays(tmp_path: Path) -> None:
    """Threat 4: Slack's signature over the body, and not older than five minutes."""
    front = Front()
    await front.start()
    assert front.runner is not None
    workspace = default_workspace().with_app(request_url=front.url)
    async with stage(tmp_path, workspace=workspace, start=False) as play:
        app = workspace.app
        play.settings = SlackSettings(
            bot_token=app.bot_token, signing_secret=app.signing_secret, api_url=play.slack.api_url
        )
        bot = build_bot(play.deps, play.settings)
        front.bot_routes = bot.http_routes()
        play.bot = bot
        await bot.start()
        await bot.connected()
        await play.start_worker()
        assert await play.slack.verify_request_url()
        record = await play.propose("pay.wire")
        channel, ts = await play.posted(record)
        await play.slack.click("U0ANA", channel, ts, "approve")
        await play.told("U0ANA", "One more person is needed")
        await play.slack.command("U0ANA", "C0GENERAL", "/gate help")
        await play.told("U0ANA", "/gate queue")
        await play.slack.open_home("U0ANA")
        await play.slack.wait_for(lambda s: s.home("U0ANA"))

        headers, body = next((h, b) for h, b in front.requests if b"block_actions" in b)
        async with aiohttp.ClientSession() as session:
            tampered = body.replace(b"U0ANA", b"U0BO")
            async with session.post(front.url, data=tampered, headers=_signed(headers)) as refused:
                assert refused.status == 401
            old = int(time.time()) - 301
            stale = _sign(app.signing_secret, body, old)
            async with session.post(front.url, data=body, headers=_signed(headers) | stale) as refused:
                assert refused.status == 401
            async with session.post(front.url, data=body) as refused:
                assert refused.status == 401
            fresh = _sign(app.signing_secret, body, int(time.time()))
            async with session.post(front.url, data=body, headers=_signed(headers) | fresh) as again:
                assert again.status == 200
        await play.told("U0ANA", "already counts")
        assert [v.person for v in (await play.load(record.id)).votes] == ["ana"]
        assert (await play.load(record.id)).status is Status.PENDING
    await front.runner.cleanup()


def _signed(headers: dict[str, str]) -> dict[str, str]:
    kept = ("x-slack-signature", "x-slack-request-timestamp", "content-type")
    return {name.lower(): value for name, value in headers.items() if name.lower() in kept}


def _sign(secret: str, body: bytes, at: int) -> dict[str, str]:
    base = b"v0:%d:%s" % (at, body)
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(at), "x-slack-signature": f"v0={digest}"}


async def test_a_refused_request_is_not_logged_with_its_body(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """INV-51: Bolt would print body and signature."""
    front = Front()
    await front.start()
    assert front.runner is not None
    async with stage(tmp_path, start=False) as play:
        settings = SlackSettings(bot_token="xoxb-sandbox", signing_secret="s", api_url=play.slack.api_url)
        bot = build_bot(play.deps, settings)
        front.bot_routes = bot.http_routes()
        await bot.start()
        body = urlencode({"payload": json.dumps({"type": "block_actions", "secret": "payload-77"})})
        async with aiohttp.ClientSession() as session, session.post(front.url, data=body) as refused:
            assert refused.status == 401
        await bot.stop()
    await front.runner.cleanup()
    assert "payload-77" not in capsys.readouterr().out + caplog.text


async def test_a_sandbox_that_restarts_is_found_again(tmp_path: Path) -> None:
    """The address a client was given dies with the server: a fresh one is asked for."""
    async with stage(tmp_path, start=False) as play:
        await play.start_bot()
        port = int(play.slack.url.rsplit(":", 1)[1].strip("/"))
        await play.slack.stop()
        await play.problem()
        again = Sandbox(state_path=tmp_path / "slack.db", seed=8)
        await again.start(port=port)
        try:
            await again.wait_connected()
            assert play.bot is not None
            await play.bot.connected()
        finally:
            await play.stop()
            await again.stop()
