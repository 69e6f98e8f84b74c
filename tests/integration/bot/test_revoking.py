"""Taking a release back from Slack: who may, what it ends at once, and where it is told."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.action import Agent
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.usecases import collect, redeem
from gate.usecases.commands import Done, RedeemGrant
from tests.integration.bot.stage import AGENT, Stage, texts

EXECUTOR = Agent(id="agt_exec", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))
WHY = "The customer withdrew"


async def released(play: Stage) -> tuple[ActionRecord, str]:
    """A refund that Ana approved, and the grant its agent collected."""
    record = await play.propose()
    await play.posted(record)
    assert isinstance(await play.vote(record, "ana"), Done)
    collected = await collect.collect(play.deps, AGENT, record.id)
    assert isinstance(collected, Done)
    assert collected.grant is not None
    return record, collected.grant.token


async def redeemed(play: Stage, record: ActionRecord, token: str) -> Any:
    command = RedeemGrant(executor=EXECUTOR, token=token, payload_sha256=record.version.payload_sha256)
    return await redeem.redeem(play.deps, command)


def filled(record: ActionRecord, reason: str = WHY) -> dict[str, Any]:
    return {"release": {"release": record.id}, "reason": {"reason": reason}}


async def test_the_owner_takes_a_release_back_and_it_is_dead_at_once(play: Stage) -> None:
    """INV-20: from the command to the card; the live grant redeems no more, and the record names the person."""
    record, token = await released(play)
    channel, ts = await play.posted(record)
    await play.slack.command("U0OWN", "C0GENERAL", "/gate revoke")
    modal = await play.modal("U0OWN", "revoke")
    assert "Refund $1,400.00" in str(modal)
    reply = await play.slack.submit("U0OWN", filled(record))
    assert reply.ok, reply
    notice = await play.modal("U0OWN", "notice")
    assert "taken back" in texts(notice["blocks"])
    refused = await redeemed(play, record, token)
    assert isinstance(refused, Refused)
    assert refused.code == "grant_revoked"
    again = await collect.collect(play.deps, AGENT, record.id)
    assert isinstance(again, Refused)
    assert again.code == "grant_revoked"
    after = await play.load(record.id)
    assert (after.revoked_by, after.decision_note) == ("own", WHY)
    async with play.store.reading() as tx:
        last = (await tx.audit.of_action(record.id))[-1]
    assert (last.kind, last.actor) == ("grant.revoked", "person:own")
    assert WHY not in str(last.detail)
    await play.idle(30)
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "taken back by Own Ferrari" in texts(card["blocks"])
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "took the release back" in story
    assert WHY in story


@pytest.mark.parametrize(
    ("user", "words"),
    [
        pytest.param("U0DEV", "Only the owner of support-bot and its reviewers", id="no part in it"),
        pytest.param("U0GIA", "Guests cannot decide", id="a guest"),
    ],
)
async def test_who_may_not_is_told_why(play: Stage, user: str, words: str) -> None:
    """Threat 6"""
    record, token = await released(play)
    await play.slack.command(user, "C0GENERAL", f"/gate revoke {record.id}")
    await play.told(user, words)
    assert isinstance(await redeemed(play, record, token), Done)


async def test_a_forged_form_takes_nothing_back_and_a_used_release_stays_used(play: Stage) -> None:
    """Threat 5, INV-19: the form of somebody who may take back one release names another; and what was used is told to
    be."""
    mine, token = await released(play)
    wire = await play.propose("pay.quiet")
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate revoke {mine.id}")
    await play.modal("U0ANA", "revoke")
    assert isinstance(await redeemed(play, mine, token), Done)
    reply = await play.slack.submit("U0ANA", filled(mine, reason="  "))
    assert "why" in (reply.errors or {})["reason"]
    reply = await play.slack.submit("U0ANA", filled(mine))
    assert reply.ok, reply
    notice = await play.modal("U0ANA", "notice")
    assert "too late" in texts(notice["blocks"])
    assert not (await play.load(mine.id)).grants_revoked
    await play.slack.command("U0ANA", "C0GENERAL", f"/gate revoke {wire.id}")
    await play.told("U0ANA", "nothing to take back")
