"""Letters to people a ladder calls over a real SMTP server: what they say, what each answer of the server means."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gate.delivery.email import EmailChannel
from gate.delivery.nowhere import Nowhere
from gate.domain.action import Evidence
from gate.domain.request import ActionRecord, Choice
from gate.mail_server import parse_mail_url
from gate.usecases.commands import Done, ReassignAction
from gate.usecases.ports import Delivered, Message, RetryLater, Undeliverable
from gate.usecases.reassign import reassign
from tests.fakes.mail import Mail, certificate, mail_running
from tests.fakes.world import WHY, World, broken, reviewed, world

CARD = "https://meridian.slack.com/archives/C0APPROVALS/p1763720000000100"


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    async with world(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", tmp_path / "keys") as made:
        yield made


@pytest.fixture
async def mail() -> AsyncIterator[Mail]:
    async with mail_running() as made:
        yield made


async def _card(action_id: str) -> str | None:
    return CARD


async def _no_card(action_id: str) -> str | None:
    return None


def channel(gate: World, port: int, options: str = "", login: str = "", **others: Any) -> EmailChannel:
    server = parse_mail_url(f"smtp://{login}127.0.0.1:{port}?from=signoff@example.com{options}")
    return EmailChannel(deps=gate.deps, server=server, **({"link": _card} | others))


def call(record: ActionRecord, person: str = "ana", **body: Any) -> Message:
    at = record.created_at
    return Message(
        id="msg_1",
        action_id=record.id,
        channel="email",
        kind="call",
        body={"person": person, "why": "escalated"} | body,
        created_at=at,
        due_at=at,
    )


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return part.get_content().replace("\r\n", "\n")


def html_of(letter: EmailMessage) -> str:
    part = letter.get_body(("html",))
    assert part is not None
    return part.get_content()


async def test_a_letter_carries_the_whole_context_forward(gate: World, mail: Mail):
    """INV-38: request, evidence, earlier comments, votes so far, time left, and where to decide."""
    done = await gate.propose(
        "pay.wire",
        rationale="Charged twice on 12 November",
        evidence=(Evidence(label="Contract", value="CON-4821", tone="emerald"),),
    )
    assert isinstance(await gate.vote(done.record, "bo", comment="Checked the invoice"), Done)
    handed = ReassignAction(action_id=done.record.id, person="bo", to=("cho",), reason="Knows the customer")
    assert isinstance(await reassign(gate.deps, handed), Done)
    gate.clock.pass_(minutes=12)
    assert await channel(gate, mail.port).deliver(call(done.record)) == Delivered()
    (letter,) = mail.letters
    assert mail.to == ["ana@example.com"]
    assert letter["From"] == "Signoff <signoff@example.com>"
    assert letter["To"] == "Ana Ruiz <ana@example.com>"
    assert letter["Subject"] == "[Signoff] CRITICAL: Refund $1,400.00"
    assert letter["Message-ID"] == "<msg_1@example.com>"
    assert letter["Auto-Submitted"] == "auto-generated"
    text = text_of(letter)
    for words in (
        "CRITICAL: Refund $1,400.00",
        "18 min left, until 2 Nov 09:30 UTC",
        CARD,
        "support-bot, team support, owner Owen Hart",
        "Rule wires: Wires take two people",
        '"amount": 1400',
        '"order": "881"',
        "good - Contract: CON-4821 [claimed by the agent]",
        "Charged twice on 12 November",
        "1 of 2 needed",
        'Bo Lindqvist approved version 1, 2 Nov 09:00 UTC: "Checked the invoice"',
        'Bo Lindqvist asked Cho Minji: "Knows the customer"',
        done.record.id,
    ):
        assert words in text
        if words not in (CARD, '"amount": 1400', '"order": "881"') and '"' not in words:
            assert words in html_of(letter)
    assert f'<a href="{CARD}">' in html_of(letter)


async def test_text_from_outside_is_inert_and_cannot_leave_its_place(gate: World, mail: Mail):
    """Threats 2, 16 and 22: no header, no mark-up, no link of the agent's making."""
    nasty = "Pay\u202e\r\nBcc: eve@evil.example\r\n\r\n<script>x()</script> http://evil.example/a"
    done = await gate.propose(
        summary=nasty, payload={"amount": 1400, "note": "see https://evil.example or www.evil.example"}
    )
    assert await channel(gate, mail.port).deliver(call(done.record)) == Delivered()
    (letter,) = mail.letters
    assert letter["Bcc"] is None
    assert mail.to == ["ana@example.com"]
    for shown in (str(letter["Subject"]), text_of(letter), html_of(letter)):
        assert "http://evil" not in shown
        assert "https://evil" not in shown
        assert "evil.example" not in shown
        assert "\u202e" not in shown
        assert "⟦U+202E⟧" in shown
    assert "https[:]//evil[.]example or www[.]evil[.]example" in text_of(letter)
    assert "<script" not in html_of(letter)
    assert html_of(letter).count("<a ") == 1


async def test_a_name_with_a_line_break_makes_no_header(gate: World, mail: Mail):
    done = await gate.propose()
    people = gate.source.current.directory
    ana = replace(people.people["ana"], name="Ana\r\nBcc: eve@evil.example")
    gate.source.current = replace(
        gate.source.current, directory=replace(people, people=dict(people.people) | {"ana": ana})
    )
    assert await channel(gate, mail.port).deliver(call(done.record)) == Delivered()
    assert mail.letters[0]["Bcc"] is None
    assert mail.to == ["ana@example.com"]


async def test_a_long_payload_is_cut_where_one_can_see_it(gate: World, mail: Mail):
    done = await gate.propose(payload={"amount": 1400, "note": "x" * 50_000})
    assert await channel(gate, mail.port, link=_no_card).deliver(call(done.record)) == Delivered()
    text = text_of(mail.letters[0])
    assert "more characters" in text
    assert len(text) < 12_000
    assert f"the Home tab of Signoff, request {done.record.id}" in text


async def test_whoever_acts_for_somebody_is_told_for_whom(gate: World, mail: Mail):
    done = await gate.propose()
    assert await channel(gate, mail.port).deliver(call(done.record, "bo", **{"for": "ana"})) == Delivered()
    assert "You are asked because you act for Ana Ruiz." in text_of(mail.letters[0])


async def test_nobody_is_called_for_what_is_decided(gate: World, mail: Mail):
    """INV-27 for letters: late ones are not sent."""
    critical = await gate.propose("pay.wire")
    assert isinstance(await gate.vote(critical.record, "ana"), Done)
    assert await channel(gate, mail.port).deliver(call(critical.record, "ana")) == Delivered()
    refused = await gate.propose()
    assert isinstance(await gate.vote(refused.record, "ana", Choice.REJECT, comment="no"), Done)
    assert await channel(gate, mail.port).deliver(call(refused.record, "bo")) == Delivered()
    assert mail.tries == 0


async def test_whoever_left_is_a_dead_letter(gate: World, mail: Mail):
    done = await gate.propose()
    assert await channel(gate, mail.port).deliver(call(done.record, "zoe")) == Undeliverable(
        error="person_left"
    )


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("550 5.1.1 no such user", Undeliverable(error="smtp_550")),
        ("553 bad name", Undeliverable(error="smtp_553")),
        ("450 4.2.0 greylisted, come back", RetryLater(error="smtp_450")),
        ("452 mailbox full", RetryLater(error="smtp_452")),
    ],
)
async def test_what_the_server_says_of_an_address(gate: World, mail: Mail, answer: str, result: object):
    """INV-34, INV-51: refused for good is dead, for now is tried again; no address is in the error."""
    done = await gate.propose()
    mail.refuse["ana@example.com"] = answer
    assert await channel(gate, mail.port).deliver(call(done.record)) == result
    assert await channel(gate, mail.port).deliver(call(done.record, "bo")) == Delivered()


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("554 no", Undeliverable(error="smtp_554")),
        ("451 try later", RetryLater(error="smtp_451")),
        ("421 going down", RetryLater(error="smtp_421", after_sec=1.0, counts=False)),
    ],
)
async def test_what_the_server_says_of_a_letter(gate: World, mail: Mail, answer: str, result: object):
    done = await gate.propose()
    mail.answers.append(answer)
    assert await channel(gate, mail.port).deliver(call(done.record)) == result


async def test_a_server_that_is_away_makes_no_dead_letters(gate: World):
    """INV-34: and the problem is known until a letter leaves again."""
    async with mail_running() as mail:
        port = mail.port
    done = await gate.propose()
    sending = channel(gate, port)
    pauses = []
    for _ in range(3):
        result = await sending.deliver(call(done.record))
        assert isinstance(result, RetryLater)
        assert not result.counts
        pauses.append(result.after_sec)
    assert pauses == [1.0, 2.0, 4.0]
    assert sending.problem == "The mail server of SMTP_URL cannot be reached."
    assert await sending.check() == sending.problem
    async with mail_running(port=port) as mail:
        assert await sending.deliver(call(done.record)) == Delivered()
        assert await sending.check() is None
    assert sending.problem is None


async def test_our_own_address_refused_is_a_trouble_of_the_channel(gate: World, mail: Mail):
    done = await gate.propose()
    mail.sender_answer = "550 not from here"
    sending = channel(gate, mail.port)
    result = await sending.deliver(call(done.record))
    assert isinstance(result, RetryLater)
    assert not result.counts
    assert "refuses letters from the address" in (sending.problem or "")


async def test_starttls_and_login(gate: World, tmp_path: Path):
    cert = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    done = await gate.propose()
    async with mail_running(starttls=cert, login=True) as mail:
        good = channel(gate, mail.port, login="gate:s3cret@", tls=trusting)
        assert await good.deliver(call(done.record)) == Delivered()
        assert (mail.encrypted, mail.logins) == ([True], ["gate"])
        bad = channel(gate, mail.port, login="gate:wrong@", tls=trusting)
        result = await bad.deliver(call(done.record))
        assert isinstance(result, RetryLater)
        assert (result.error, result.counts) == ("smtp_535", False)
        assert bad.problem == "The mail server refuses the login in SMTP_URL (535)."
        stranger = channel(gate, mail.port)
        result = await stranger.deliver(call(done.record))
        assert isinstance(result, RetryLater)
        assert "certificate cannot be verified" in (stranger.problem or "")
        assert len(mail.letters) == 1


async def test_where_starttls_is_required_nothing_goes_in_the_clear(gate: World, mail: Mail):
    done = await gate.propose()
    sending = channel(gate, mail.port, options="&starttls=required")
    result = await sending.deliver(call(done.record))
    assert isinstance(result, RetryLater)
    assert not result.counts
    assert "does not offer" in (sending.problem or "")
    assert mail.tries == 0


async def test_encrypted_from_the_start(gate: World, tmp_path: Path):
    cert = certificate(tmp_path)
    done = await gate.propose()
    async with mail_running(implicit=cert) as mail:
        server = parse_mail_url(f"smtps://127.0.0.1:{mail.port}?from=signoff@example.com")
        tls = ssl.create_default_context(cafile=cert)
        sending = EmailChannel(deps=gate.deps, server=server, link=_card, tls=tls)
        assert await sending.deliver(call(done.record)) == Delivered()
    assert len(mail.letters) == 1


async def test_a_channel_that_is_not_set_up_says_so(gate: World):
    """INV-34: requests from before the setting was taken away leave a visible dead letter."""
    done = await gate.propose()
    assert await Nowhere("SMTP_URL").deliver(call(done.record)) == Undeliverable(
        error="not_set_up: SMTP_URL is not set"
    )


async def test_a_supervisor_gets_a_letter_about_an_emergency_release_until_it_is_reviewed(
    gate: World, mail: Mail
):
    """INV-17"""
    record = await broken(gate)
    assert await channel(gate, mail.port).deliver(call(record, "cho", why="break_glass")) == Delivered()
    (letter,) = mail.letters
    assert letter["Subject"] == "[Signoff] EMERGENCY RELEASE, HIGH: Refund $1,400.00"
    text = text_of(letter)
    for words in ("Ana Ruiz broke the glass", WHY, "please review it by", '"order": "881"', "Good until"):
        assert words in text, words
    assert await channel(gate, mail.port).deliver(call(record, "cho")) == Delivered()  # nothing to decide
    await reviewed(gate, record)
    assert await channel(gate, mail.port).deliver(call(record, "cho", why="review_overdue")) == Delivered()
    assert len(mail.letters) == 1
