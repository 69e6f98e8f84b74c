"""THREAT-35: once an action is shredded, what Slack still shows of it holds no word of its content."""

from __future__ import annotations

import json

from gate.domain.refusal import Refused
from gate.usecases.shred import shred
from tests.integration.bot.stage import Stage, texts
from tests.integration.bot.test_forms import field, then

WORD = "Zwetschgenkuchen"


async def decided(play: Stage) -> tuple[str, str, str]:
    """Edited with a comment and rejected with another, the word in all of it."""
    record = await play.propose(
        payload={"amount": 1400, "order": WORD, "note": WORD}, summary=f"Refund to {WORD}", rationale=WORD
    )
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    said = {"comment": {"comment": f"not so much, {WORD}"}}
    await play.slack.submit("U0ANA", {**field("/amount", "1200"), **said, **then("save")})
    await play.told("U0ANA", "Saved as version 2")
    await play.idle()
    await play.slack.click("U0ANA", channel, ts, "reject")
    await play.modal("U0ANA", "reject")
    await play.slack.submit(
        "U0ANA", {"category": {"category": "unsafe"}, "comment": {"comment": f"{WORD} again"}}
    )
    await play.told("U0ANA", "Rejected.")
    await play.idle()
    return record.id, channel, ts


async def test_card_thread_history_and_home_lose_their_words(play: Stage) -> None:
    """INV-50: and the record still tells who decided what."""
    action_id, channel, ts = await decided(play)

    def standing() -> str:
        card = play.slack.message(channel, ts)
        lines = play.slack.messages(channel, thread_ts=ts)
        return json.dumps([card, lines], ensure_ascii=False)

    assert standing().count(WORD) >= 4, "or there were nothing to lose"
    assert await shred(play.deps, action_id, operator="olga", found_by="action") is None
    await play.slack.wait_for(lambda slack: WORD not in standing(), 60)
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    shown = texts(card["blocks"])
    assert "✗ REJECTED · [shredded]" in shown
    assert "Its content was shredded" in shown
    assert "by olga" in shown
    assert "Rejected by Ana Ruiz" in shown
    await play.slack.command("U0CHI", channel, f"/gate history {action_id}")
    told = texts((await play.modal("U0CHI", "history"))["blocks"])
    assert "its content was destroyed" in told
    assert "ana rejected payload 2" in told
    assert WORD not in told
    await play.slack.open_home("U0ANA")
    home = await play.slack.wait_for(lambda slack: slack.home("U0ANA"), 60)
    assert WORD not in json.dumps(home, ensure_ascii=False)
    again = await shred(play.deps, action_id, operator="olga", found_by="action")
    assert isinstance(again, Refused)
    assert again.code == "already_shredded"
    assert (await play.story(action_id)).count("action.shredded") == 1


async def test_what_waits_is_not_shredded(play: Stage) -> None:
    record = await play.propose()
    refused = await shred(play.deps, record.id, operator="olga", found_by="action")
    assert isinstance(refused, Refused)
    assert refused.code == "not_finished"
    assert await play.load(record.id) == record
