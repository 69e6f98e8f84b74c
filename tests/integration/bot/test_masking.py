"""THREAT-35: what policy masks is nowhere in Slack until a reviewer asks for it, and that is on record first."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gate.domain.audit import AuditRecord
from gate.usecases.document import to_document
from gate.usecases.shown import blocks_sha256
from tests.integration.bot.stage import POLICY, Stage, buttons, stage, texts
from tests.integration.bot.test_forms import field, then
from tests.integration.bot.test_shown import sent

IBAN = "DE89370400440532013000"
PAYLOAD = {"amount": 1400, "note": "double charge", "iban": IBAN, "to": [{"mail": "kim@private.example"}]}
MASKING = POLICY.replace(
    "guardrails:",
    'classify:\n  - {match: {topics: ["pay.*"]}, mask: ["/iban", "/to/*/mail"]}\nguardrails:',
).replace('paths: ["/amount", "/note"]', 'paths: ["/amount", "/note", "/iban"]')


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, policy=MASKING) as running:
        yield running


async def asked(play: Stage) -> tuple[Any, str, str]:
    record = await play.propose(
        payload=PAYLOAD,
        summary=f"Refund $1,400.00 to {IBAN}",
        rationale=f"kim@private.example asked for it, account {IBAN.lower()}",
    )
    return record, *(await play.posted(record))


async def looks(play: Stage, action_id: str) -> list[AuditRecord]:
    async with play.store.reading() as tx:
        return [each for each in await tx.audit.of_action(action_id) if each.kind == "action.unmasked"]


async def test_nothing_that_slack_was_ever_sent_holds_a_masked_value(play: Stage) -> None:
    record, channel, ts = await asked(play)
    await play.slack.click("U0ANA", channel, ts, "details")
    await play.modal("U0ANA", "details")
    await play.slack.click_in_view("U0ANA", "history")
    await play.modal("U0ANA", "history")
    await play.slack.click("U0BO", channel, ts, "edit")
    await play.modal("U0BO", "edit")
    await play.slack.open_home("U0ANA")
    await play.slack.command("U0CHI", channel, "/gate queue")
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    await play.idle()
    held = json.dumps(play.slack.calls(), default=str).casefold()
    assert "refund $1,400.00 to [masked]" in held
    assert IBAN.casefold() not in held
    assert "kim@private.example" not in held
    released = await play.load(record.id)
    assert released.version.payload == PAYLOAD
    assert to_document(released, grant=None).payload == PAYLOAD, "the agent still has all of it"
    assert await looks(play, record.id) == []


async def test_a_reviewer_sees_it_and_is_on_record_with_the_page(play: Stage) -> None:
    record, channel, ts = await asked(play)
    message = play.slack.message(channel, ts)
    assert message is not None
    assert "unmask" in buttons(message)
    await play.slack.click("U0ANA", channel, ts, "unmask")
    opened = await play.modal("U0ANA", "unmasked")
    assert IBAN in texts(opened["blocks"])
    (look,) = await looks(play, record.id)
    assert (look.actor, look.action) == ("person:ana", record.id)
    assert look.detail == {
        "version": 1,
        "payload_sha256": record.version.payload_sha256,
        "values": 2,
        "page": 1,
    }
    seen = await play.seen(record, "ana", "unmasked/1")
    assert seen["unmasked/1"] == blocks_sha256(sent(opened["blocks"]))
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    async with play.store.reading() as tx:
        granted = {each.kind: each for each in await tx.audit.of_action(record.id)}["approval.granted"]
    assert granted.detail["shown"]["unmasked/1"] == seen["unmasked/1"], "the vote names what was shown"
    await play.slack.command("U0CHI", channel, f"/gate history {record.id}")
    told = await play.modal("U0CHI", "history")
    assert "ana was shown page 1 of payload 1 with its 2 masked values" in texts(told["blocks"])
    await play.slack.click_in_view("U0CHI", "unmask")
    assert IBAN in texts((await play.modal("U0CHI", "unmasked"))["blocks"]), "also once it is decided"
    assert [each.actor for each in await looks(play, record.id)] == ["person:ana", "person:chi"]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        pytest.param("U0OWN", "those who may decide this request", id="the agent's owner"),
        pytest.param("U0DEV", "those who may decide this request", id="no reviewer of it"),
        pytest.param("U0GIA", "", id="a guest"),
    ],
)
async def test_nobody_else_sees_it(play: Stage, user: str, words: str) -> None:
    """Threat 5: a forged click opens nothing."""
    record, channel, ts = await asked(play)
    await play.slack.click(user, channel, ts, "unmask")
    await play.told(user, words)
    assert play.slack.modal(user) is None
    assert await looks(play, record.id) == []


async def test_every_page_that_is_turned_to_is_on_record(play: Stage) -> None:
    rows = {f"row{n}": f"to account {n * 7919}, {'x' * 60}" for n in range(2_000)}
    record = await play.propose(payload={**PAYLOAD, **rows})
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "unmask")
    first = await play.modal("U0ANA", "unmasked")
    await play.slack.click_in_view("U0ANA", "page_next")
    await play.slack.wait_for(lambda slack: (slack.modal("U0ANA") or first)["blocks"] != first["blocks"], 60)
    assert [each.detail["page"] for each in await looks(play, record.id)] == [1, 2]
    assert {"unmasked/1", "unmasked/2"} <= set(await play.seen(record, "ana", "unmasked/2"))


async def test_a_refused_edit_quotes_nothing_that_is_masked(play: Stage) -> None:
    _, channel, ts = await asked(play)
    play.reload(
        MASKING.replace(
            "guardrails:",
            'guardrails:\n  - {id: odd, match: {when: "payload.amount == 1201"}, decision: deny, '
            f'reason: "Not with {IBAN}"}}',
        )
    )
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    reply = await play.slack.submit("U0ANA", {**field("/amount", "1201"), **then("save")})
    said = str(reply)
    assert "Policy refuses the changed payload: Not with [masked]" in said
    assert IBAN not in said


async def test_it_is_not_shown_where_it_cannot_be_recorded(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, channel, ts = await asked(play)
    await play.idle()
    await play.stop_worker()

    def full(*args: object, **kwargs: object) -> Any:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(play.store, "writing", full)
        await play.slack.click("U0ANA", channel, ts, "unmask")
        await play.told("U0ANA", "Something went wrong here")
    assert play.slack.modal("U0ANA") is None
    assert await looks(play, record.id) == []


async def test_an_edit_leaves_alone_what_it_does_not_show(play: Stage) -> None:
    record, channel, ts = await asked(play)
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    await play.slack.submit("U0ANA", {**field("/amount", "1200"), **then("save")})
    await play.told("U0ANA", "Saved as version 2")
    changed = await play.load(record.id)
    assert changed.version.payload == {**PAYLOAD, "amount": 1200}
    await play.slack.click("U0ANA", channel, ts, "edit")
    await play.modal("U0ANA", "edit")
    await play.slack.submit("U0ANA", {**field("/iban", "FR7630006000011234567890189"), **then("save")})
    await play.told("U0ANA", "Saved as version 3")
    await play.idle()
    assert (await play.load(record.id)).version.payload["iban"] == "FR7630006000011234567890189"
    message = play.slack.message(channel, ts)
    assert message is not None
    assert "iban" in texts(message["blocks"])
    assert "FR7630006000011234567890189" not in json.dumps(play.slack.calls(), default=str)
