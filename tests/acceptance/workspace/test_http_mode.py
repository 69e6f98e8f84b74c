"""HTTP mode: with a signing secret Slack calls the gate, and whatever is not freshly signed is refused."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.acceptance.running import Gate, Json, Slack, buttons, gate_for, slack_running, workspace
from tests.harness.processes import Processes

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EVENTS = "/slack/events"


@dataclass
class Forwarder:
    """The public address of a gate: passes signed requests on, and keeps them as they came."""

    target: str = ""
    url: str = ""
    seen: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def forwarder() -> AsyncIterator[Forwarder]:
    made = Forwarder()
    async with aiohttp.ClientSession(trust_env=False) as http:

        async def pass_on(request: web.Request) -> web.Response:
            body = await request.read()
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.startswith("X-Slack-") or name == "Content-Type"
            }
            made.seen.append((body, headers))
            async with http.post(made.target + EVENTS, data=body, headers=headers) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), content_type=answer.content_type
                )

        app = web.Application()
        app.router.add_post(EVENTS, pass_on)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            made.url = f"http://127.0.0.1:{runner.addresses[0][1]}{EVENTS}"
            yield made
        finally:
            await runner.cleanup()


@asynccontextmanager
async def town(processes: Processes, folder: Path) -> AsyncIterator[tuple[Gate, Slack, Forwarder]]:
    async with forwarder() as public:
        described = workspace(request_url=public.url, signing_secret=SECRET)
        async with slack_running(processes, folder, described) as slack:
            env = {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": described.app.bot_token,
                "SLACK_SIGNING_SECRET": SECRET,
            }
            async with gate_for(processes, folder, env) as gate:
                public.target = gate.url
                yield gate, slack, public


def signed(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), b"v0:%d:%s" % (at, body), hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": f"v0={digest}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def _send(gate: Gate, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.post(gate.url + EVENTS, data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_an_approval_goes_through(processes: Processes, tmp_path: Path) -> None:
    """Over signed requests: a click, a form, Home and the slash command. No socket is ever opened."""
    async with town(processes, tmp_path) as (gate, slack, _):
        action, other = [await gate.propose("work.lane-0", key=key) for key in "ab"]
        assert (await slack.click("U0ANA", await slack.card(action["id"])))["ok"]
        assert (await gate.action(action["id"], wait=60))["status"] == "approved"
        await slack.card(action["id"], lambda c: not buttons(c))
        await slack.told("U0ANA", "Approved")
        await slack.click("U0BO", await slack.card(other["id"]), "reject")
        await slack.until(lambda state: state["stacks"].get("U0BO"))
        did = await slack.act(
            "submit", user="U0BO", values={"comment": {"comment": "No."}, "category": {"category": "other"}}
        )
        assert did["ok"], did
        assert (await gate.action(other["id"], wait=60))["status"] == "rejected"
        await slack.act("open_home", user="U0ANA")
        await slack.until(lambda state: state["homes"].get("U0ANA"))
        await slack.act("command", user="U0ANA", channel="C0LANE0", text="/gate help")
        await slack.told("U0ANA", "oncall")
        assert await slack.calls("apps.connections.open") == []


async def test_only_fresh_signatures_count(processes: Processes, tmp_path: Path) -> None:
    """Threat 4. A captured click is refused once five minutes are over, under another secret, changed, or unsigned;
    repeated at once it has the one effect it had (INV-36)."""
    async with town(processes, tmp_path) as (gate, slack, public):
        done, still = [await gate.propose("work.pair", key=key) for key in "ab"]
        await slack.click("U0ANA", await slack.card(done["id"]))
        await slack.told("U0ANA", "Your approval counts")
        body, headers = public.seen[-1]
        assert await _send(gate, body, headers) == 200
        await slack.until(lambda state: _told(state, "U0ANA") >= 2)
        assert len((await gate.action(done["id"]))["approval"]["votes"]) == 1

        card = await slack.card(still["id"])
        forged = body.replace(done["id"].encode(), still["id"].encode())
        forged = forged.replace((await slack.card(done["id"]))["ts"].encode(), card["ts"].encode())
        assert forged != body
        now = int(time.time())
        refused = {
            "too old": (forged, signed(forged, now - 301)),
            "from the future": (forged, signed(forged, now + 310)),
            "another secret": (forged, signed(forged, now, "0" * 32)),
            "the body was changed": (forged, headers),
            "no signature": (forged, {"Content-Type": headers["Content-Type"]}),
        }
        answers = {name: await _send(gate, *request) for name, request in refused.items()}
        assert set(answers.values()) == {401}, answers
        assert (await gate.action(still["id"]))["approval"]["votes"] == []
        assert await _send(gate, forged, signed(forged, now)) == 200  # the same bytes, signed as Slack does
        await slack.until(lambda state: _told(state, "U0ANA") >= 3)
        assert len((await gate.action(still["id"]))["approval"]["votes"]) == 1


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_without_the_secret_there_is_no_such_door(
    processes: Processes, tmp_path: Path, secret: str
) -> None:
    """In Socket Mode the address does not exist; with another secret than Slack's nobody gets in."""
    async with slack_running(processes, tmp_path) as slack:
        app = slack.described.app
        env = {"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": app.bot_token}
        env |= {"SLACK_SIGNING_SECRET": secret} if secret else {"SLACK_APP_TOKEN": app.app_token}
        async with gate_for(processes, tmp_path, env) as gate:
            body = b"command=%2Fgate&text=help&user_id=U0ANA&team_id=T0SANDBOX"
            status = await _send(gate, body, signed(body, int(time.time())))
            assert status == (401 if secret else 404)


def _told(state: Json, user: str) -> int:
    return sum(1 for message in state["messages"] if message["visible_to"] == user)
