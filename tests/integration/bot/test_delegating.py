"""Lending authority in Slack: the form, what is refused in it, deciding for somebody, and ending it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gate.domain.request import Status
from gate.usecases.commands import Delegate, Delegated
from gate.usecases.delegate import delegate
from tests.integration.bot.stage import Stage, texts


def stamp(play: Stage, **after: float) -> int:
    return int((play.deps.clock.now() + timedelta(**after)).timestamp())


def filled(play: Stage, to: str = "dev", **changes: Any) -> dict[str, Any]:
    values = {
        "to": to,
        "from": stamp(play),
        "until": stamp(play, days=3),
        "topics": "",
        "reason": "On holiday",
    } | changes
    return {name: {name: value} for name, value in values.items()}


async def lend(play: Stage, **changes: Any) -> str:
    now = play.deps.clock.now()
    fields: dict[str, Any] = {
        "grantor": "ana",
        "delegate": "dev",
        "end": now + timedelta(days=3),
        "reason": "On holiday",
    } | changes
    result = await delegate(play.deps, Delegate(**fields))
    assert isinstance(result, Delegated), result
    play.deps.wakeups.notify("outbox")
    return result.delegation.id


async def direct(play: Stage, user: str, words: str) -> dict[str, Any]:
    """The direct message to this person that holds these words, once there is one."""

    def found(slack: Any) -> dict[str, Any] | None:
        for channel in slack.state.channels.values():
            if channel.id.startswith("D") and user in channel.members:
                for message in slack.messages(channel.id):
                    if words in texts(message["blocks"]):
                        return message | {"channel": channel.id}
        return None

    message = await play.slack.wait_for(found, 60)
    assert message is not None
    return message


async def home_with(play: Stage, user: str, words: str) -> dict[str, Any]:
    await play.slack.wait_for(lambda s: words in texts((s.home(user) or {}).get("blocks")), 60)
    home = play.slack.home(user)
    assert home is not None
    return home


async def test_lending_by_the_form_tells_both_and_lets_the_other_decide(play: Stage) -> None:
    """INV-07: the way through Slack, from the command to a card decided for somebody else."""
    assert (await play.slack.command("U0ANA", "C0GENERAL", "/gate delegate")).ok
    modal = await play.modal("U0ANA", "delegate")
    assert "Dev Patel" in str(modal)
    assert "Ana Ruiz" not in str(modal)
    reply = await play.slack.submit("U0ANA", filled(play))
    assert reply.ok, reply
    notice = await play.modal("U0ANA", "notice")
    assert "Dev Patel decides for you" in texts(notice["blocks"])
    await direct(play, "U0ANA", "Dev Patel decides for you")
    await direct(play, "U0DEV", "You decide for Ana Ruiz")
    record = await play.propose()
    channel, ts = await play.posted(record)
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "for Ana Ruiz" in texts(card["blocks"])
    assert "U0DEV" in str(card["blocks"])
    await play.slack.open_home("U0DEV")
    home = await home_with(play, "U0DEV", "You decide for Ana Ruiz")
    assert " · for Ana Ruiz" in texts(home["blocks"])
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "Approved for Ana Ruiz. Released to support-bot.")
    after = await play.load(record.id)
    assert after.status is Status.APPROVED
    assert [(v.person, v.on_behalf_of) for v in after.votes] == [("dev", "ana")]
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "Approved by Dev Patel for Ana Ruiz" in texts(card["blocks"])
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "Dev Patel for Ana Ruiz" in story
    async with play.store.reading() as tx:
        (record_of_it,) = [r for r in await tx.audit.of_action(record.id) if r.kind == "approval.granted"]
    assert record_of_it.detail["on_behalf_of"] == "ana"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        pytest.param({"to": "gia"}, "to", "Guests cannot decide", id="guest"),
        pytest.param({"to": "hal"}, "to", "deactivated", id="deactivated"),
        pytest.param({"to": "pia"}, "to", "other workspaces", id="stranger"),
        pytest.param({"reason": "  "}, "reason", "a few words", id="no-reason"),
        pytest.param({"topics": "not a topic!"}, "topics", "is no topic", id="no-topic"),
        pytest.param({"until": 1_000_000_000}, "until", "over already", id="past"),
    ],
)
async def test_what_is_refused_is_said_on_its_field(
    play: Stage, changes: dict[str, Any], field: str, words: str
) -> None:
    """Threat 6: nothing is lent to guests, strangers or deactivated accounts."""
    await play.slack.command("U0ANA", "C0GENERAL", "/gate delegate")
    await play.modal("U0ANA", "delegate")
    reply = await play.slack.submit("U0ANA", filled(play, **changes))
    assert set(reply.errors) == {field}, reply
    assert words in reply.errors[field]
    async with play.store.reading() as tx:
        assert await tx.delegations.open(play.deps.clock.now()) == ()


async def test_too_long_and_circles_are_refused_on_their_field(play: Stage) -> None:
    """Threat 9."""
    await lend(play, grantor="dev", delegate="ana")
    await play.slack.command("U0ANA", "C0GENERAL", "/gate delegate")
    await play.modal("U0ANA", "delegate")
    reply = await play.slack.submit("U0ANA", filled(play, until=stamp(play, days=91)))
    assert "At most 90 days" in reply.errors["until"]
    reply = await play.slack.submit("U0ANA", filled(play))
    assert "lent, directly or through others, to you" in reply.errors["to"]


async def test_one_click_in_home_ends_it_and_its_votes(play: Stage) -> None:
    """INV-07: what was voted under it counts no more, and the card says so."""
    await lend(play)
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "Your approval counts for Ana Ruiz. One more person is needed (1 of 2).")
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Dev Patel has approved this for you")
    await play.slack.open_home("U0ANA")
    await home_with(play, "U0ANA", "Dev Patel decides for you")
    await play.slack.click_in_view("U0ANA", "revoke_delegation")
    await play.slack.wait_for(
        lambda s: "decides for you" not in texts((s.home("U0ANA") or {}).get("blocks")), 5
    )
    await direct(play, "U0DEV", "Ana Ruiz ended a delegation")
    await direct(play, "U0ANA", "You ended a delegation")
    await play.slack.wait_for(
        lambda s: "of 2 so far" not in texts((s.message(channel, ts) or {})["blocks"]), 5
    )
    await play.slack.click("U0DEV", channel, ts, "reject")
    await play.told("U0DEV", "not a reviewer of this request")
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "One more person is needed (1 of 2).")
    assert (await play.load(record.id)).status is Status.PENDING


async def test_it_is_given_back_from_the_message_and_ends_once(play: Stage) -> None:
    await lend(play)
    message = await direct(play, "U0DEV", "You decide for Ana Ruiz")
    await play.slack.click("U0DEV", message["channel"], message["ts"], "revoke_delegation")
    await direct(play, "U0ANA", "Dev Patel ended a delegation")
    await play.slack.click("U0DEV", message["channel"], message["ts"], "revoke_delegation")
    await play.told("U0DEV", "has ended already")


async def test_what_was_lent_cannot_be_handed_on(play: Stage) -> None:
    """INV-07: whoever acts for somebody may not ask others, who would decide in their own right."""
    await lend(play)
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "reassign")
    await play.told("U0DEV", "not hand it on")
    assert play.slack.modal("U0DEV") is None


async def test_a_rejection_under_a_delegation_says_for_whom(play: Stage) -> None:
    await lend(play)
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "reject")
    await play.modal("U0DEV", "reject")
    await play.slack.submit("U0DEV", {"category": {"category": "unsafe"}, "comment": {"comment": "No."}})
    await play.told("U0DEV", "Rejected.")
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "Rejected by Dev Patel for Ana Ruiz" in texts(card["blocks"])


async def test_outside_its_scope_it_lends_nothing(play: Stage) -> None:
    """INV-07"""
    await lend(play, topics=("note.*",))
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "not a reviewer of this request")
    note = await play.propose("note.send")
    channel, ts = await play.posted(note)
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "Approved for Ana Ruiz.")


async def test_home_has_the_form_too_and_strangers_have_none(play: Stage) -> None:
    await play.slack.open_home("U0ANA")
    await home_with(play, "U0ANA", "Delegate…")
    await play.slack.click_in_view("U0ANA", "delegate")
    await play.modal("U0ANA", "delegate")
    await play.slack.command("U0GIA", "C0GENERAL", "/gate delegate")
    await play.told("U0GIA", "Guests cannot decide")
    assert play.slack.modal("U0GIA") is None


async def test_somebody_elses_delegation_cannot_be_ended(play: Stage) -> None:
    """Threat 5: a forged value names a delegation of other people."""
    await lend(play)
    other = await lend(play, grantor="bo", delegate="chi")
    await play.slack.open_home("U0ANA")
    await home_with(play, "U0ANA", "Dev Patel decides for you")
    home = play.slack.home("U0ANA")
    assert home is not None
    assert other not in str(home)
    view = play.slack.state.homes["U0ANA"]
    body = play.slack._acts._payloads.view_action(
        "U0ANA", view, {"type": "button", "action_id": "revoke_delegation", "value": other, "block_id": "b"}
    )
    await play.slack._acts._courier.deliver("interactive", body)
    await direct(play, "U0ANA", "Only the two people of a delegation")
    async with play.store.reading() as tx:
        assert len(await tx.delegations.open(play.deps.clock.now())) == 2
