"""The bot against a second, independent Slack server: an approval, a form, and a crash in between."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.acceptance.running import buttons, gate_for
from tests.acceptance.workspace.second_slack import APP_TOKEN, BOT_TOKEN, SecondSlack
from tests.harness.processes import Processes

ANA, BO = "UMEMB0001", "UMEMB0002"
LANE = "CAAAAAAA2"
IDS = {"ana": ANA, "bo": BO, "chi": "UMEMB0003", "own": "UMEMB0004"}


async def test_an_approval_goes_through(processes: Processes, tmp_path: Path) -> None:
    """Nothing rests on what only our sandbox does: paging, echoes, timestamps, addresses, extra fields, hosts."""
    async with SecondSlack().serving() as slack:
        env = {"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        async with gate_for(processes, tmp_path, env, slack_ids=IDS) as gate:
            await gate.connected()
            action = await gate.propose("work.lane-0")
            (card,) = await slack.until(lambda: slack.cards(LANE))
            card = copy.deepcopy(card)
            envelope = await slack.click(ANA, card, "approve")
            document = await gate.action(action["id"], wait=60)
            assert (document["status"], document["approval"]["votes"][0]["person"]) == ("approved", "ana")
            await slack.until(lambda: not buttons(slack.cards(LANE)[0]))
            await slack.until(lambda: envelope in slack.acknowledged)
            assert await slack.until(lambda: [text for user, text in slack.said if user == ANA]) == [
                "Approved. Released to tester."
            ]

            await gate.crash()
            await gate.start()
            await gate.connected()
            await slack.click(BO, card, "approve")  # an old card, as it stood before
            told = await slack.until(lambda: [text for user, text in slack.said if user == BO])
            assert "Ana Ruiz" in told[0]
            second = await gate.propose("work.lane-0", key="second")
            await slack.until(lambda: len(slack.cards(LANE)) == 2)
            await slack.click(BO, slack.cards(LANE)[1], "reject")
            view = await slack.until(lambda: slack.views and slack.views[-1])
            assert view["callback_id"] == "reject"
            assert (await gate.action(second["id"]))["status"] == "pending"
            assert slack.unknown == [], "methods it does not have"
            assert len(slack.cards(LANE)) == 2
