"""What a reviewer saw is on record with their vote, as the digest of what Slack had taken by then, and never more."""

from __future__ import annotations

from typing import Any

from gate.domain.audit import AuditRecord
from gate.usecases.shown import blocks_sha256
from tests.integration.bot.stage import Stage
from tests.integration.bot.test_forms import LONG, field, then


async def trail(play: Stage, action_id: str) -> dict[str, AuditRecord]:
    async with play.store.reading() as tx:
        return {each.kind: each for each in await tx.audit.of_action(action_id)}


def sent(blocks: Any) -> Any:
    """Blocks as the gate sent them: Slack names those that came without a name."""
    if isinstance(blocks, list):
        return [sent(block) for block in blocks]
    named = blocks.get("block_id", "")
    ours = named in ("paging", "comment") or named.startswith("buttons:")
    return {key: held for key, held in blocks.items() if key != "block_id" or ours}


async def test_a_vote_names_the_card_as_it_stood(play: Stage) -> None:
    """INV-51: the record has the digest of what Ana saw, and no word of it."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    before = play.slack.message(channel, ts)
    assert before is not None
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    detail = (await trail(play, record.id))["approval.granted"].detail
    assert detail["shown"] == {"card": blocks_sha256(sent(before["blocks"]))}


async def test_a_page_that_was_opened_is_one_persons_and_on_record_with_their_word(play: Stage) -> None:
    record = await play.propose("note.long", payload=LONG)
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "approve")
    opened = await play.modal("U0ANA", "confirm")
    digest = blocks_sha256(sent(opened["blocks"]))
    assert (await play.seen(record, "ana", "confirm/1"))["confirm/1"] == digest
    assert set(await play.seen(record, "bo", "card")) == {"card"}
    await play.slack.click_in_view("U0ANA", "reject")
    await play.modal("U0ANA", "reject")
    await play.slack.submit("U0ANA", {"category": {"category": "unsafe"}, "comment": {"comment": "no"}})
    await play.told("U0ANA", "Rejected.")
    detail = (await trail(play, record.id))["approval.rejected"].detail
    assert detail["shown"]["confirm/1"] == digest
    assert set(detail["shown"]) == {"card", "confirm/1"}


async def test_an_edit_names_the_form_and_a_version_nobody_was_shown_names_nothing(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    await play.seen(record, "ana", "edit")
    await play.slack.submit("U0ANA", then("approve") | field("/amount", "1200"))
    await play.told("U0ANA", "Saved as version 2 and approved.")
    found = await trail(play, record.id)
    assert set(found["approval.edited"].detail["shown"]) == {"card", "edit"}
    assert "shown" not in found["approval.granted"].detail
