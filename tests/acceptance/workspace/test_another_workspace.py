"""With tokens and an address set, the bot serves another workspace unchanged: other ids, tokens, hosts and paths."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox import Workspace
from tests.acceptance.running import buttons, gate_for, slack_env, slack_running, workspace
from tests.acceptance.workspace.relay import relayed
from tests.harness.processes import Processes

ANA, BO = "W7K2ANA00", "U5Q9BOXYZ1"


def elsewhere() -> Workspace:
    """Nothing in it has an id, a token or a name that the shipped workspace has."""
    made = workspace(
        people={"ana": ANA, "bo": BO, "chi": "U1CHI777", "own": "U3OWN888"},
        channels={"lane-0": "C9ZZ00LANE", "approvals": "C4OTHERAPP"},
        app_id="A9OTHERAPP",
        bot_user_id="U9BOTUSER",
        bot_id="B9OTHERBOT",
        name="Gatekeeper",
        bot_token="xoxb-4711-0815-another",
        app_token="xapp-1-A9OTHERAPP-2-another",
    )
    return replace(made, team_id="T9ELSEWHERE", team_name="Elsewhere", team_domain="elsewhere")


@pytest.mark.parametrize("address", ["no slash at the end", "no path", "behind a gateway"])
async def test_an_approval_goes_through(processes: Processes, tmp_path: Path, address: str) -> None:
    """People are known by their e-mail addresses only, and pinned to the immutable ids found at the first click."""
    async with AsyncExitStack() as open_:
        slack = await open_.enter_async_context(slack_running(processes, tmp_path, elsewhere()))
        api_url = slack.api_url
        relay = None
        if address == "no slash at the end":
            api_url = api_url.rstrip("/")
        elif address == "no path":
            api_url = slack.url
        elif address == "behind a gateway":
            relay = await open_.enter_async_context(relayed(slack.url))
            api_url = relay.api_url
        env = slack_env(api_url, slack.described.app)
        gate = await open_.enter_async_context(gate_for(processes, tmp_path, env, slack_ids=None))
        await gate.connected()
        action = await gate.propose("work.lane-0")
        card = await slack.card(action["id"])
        assert card["channel"] == "C9ZZ00LANE"
        await slack.click(ANA, card)
        document = await gate.action(action["id"], wait=60)
        assert (document["status"], document["approval"]["votes"][0]["person"]) == ("approved", "ana")
        await slack.card(action["id"], lambda c: not buttons(c))
        await slack.told(ANA, "Approved")
        pinned = {r["actor"] for r in await gate.records() if r["kind"] == "person.pinned"}
        assert "person:ana" in pinned
        if relay is not None:
            assert {host.partition(":")[0] for host in relay.linked} == {"localhost"}


async def test_the_identity_that_was_found_first_stays(processes: Processes, tmp_path: Path) -> None:
    """Threat 7: after the first click Ana is her immutable id; her address on another account votes for nobody."""
    async with (
        slack_running(processes, tmp_path, elsewhere()) as slack,
        gate_for(processes, tmp_path, slack_env(slack.api_url, slack.described.app), slack_ids=None) as gate,
    ):
        await gate.connected()
        first = await gate.propose("work.lane-0")
        await slack.click(ANA, await slack.card(first["id"]))
        assert (await gate.action(first["id"], wait=60))["status"] == "approved"
        await slack.change_user(ANA, email="gone@meridian.example")
        await slack.change_user("U3OWN888", email="ana@meridian.example")
        await gate.crash()  # whatever was remembered of anybody is gone
        await gate.start()
        await gate.connected()
        second = await gate.propose("work.lane-0")
        card = await slack.card(second["id"])
        await slack.click("U3OWN888", card)
        await slack.told("U3OWN888", "")
        assert (await gate.action(second["id"]))["status"] == "pending"
        await slack.click(ANA, card)
        assert (await gate.action(second["id"], wait=60))["status"] == "approved"


async def test_wrong_tokens_are_said_and_agents_are_served_all_the_same(
    processes: Processes, tmp_path: Path
) -> None:
    """A bad token neither stops the gate nor is hidden: readiness names it, and the token is in no line."""
    async with slack_running(processes, tmp_path, elsewhere()) as slack:
        env = slack_env(slack.api_url, slack.described.app) | {"SLACK_BOT_TOKEN": "xoxb-mistyped-secret"}
        async with gate_for(processes, tmp_path, env) as gate:
            assert (await gate.propose("work.lane-0"))["status"] == "pending"
            _, document, _ = await gate.ask("GET", "/readyz")
            check = next(each for each in document["checks"] if each["name"] == "slack")
            assert check["state"] == "degraded"
            assert "invalid_auth" in check["detail"]
            assert "mistyped" not in gate.process.output
