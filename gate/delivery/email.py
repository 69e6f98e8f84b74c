"""The e-mail side of the outbox: a letter to each person called, over one SMTP server, and what its answers mean."""

from __future__ import annotations

import asyncio
import socket
import ssl
from email.message import EmailMessage

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from gate.delivery.brief import Link, brief
from gate.delivery.letter import Unaddressable, letter
from gate.domain.request import Choice, Status
from gate.mail_server import Encryption, MailServer
from gate.usecases.cards import card_view
from gate.usecases.ports import Delivered, Delivery, Deps, Message, RetryLater, Undeliverable
from gate.usecases.views import ActionView

GIVE_UP_ATTEMPTS = 20
"""Attempts that count before a letter is a dead letter: more than an hour with the back-off."""
PAYLOAD_LIMIT = 8_000
"""Characters of the payload that stand in a letter; the whole of it is on the card."""
_TIMEOUT_SEC = 15.0
_PAUSE_SEC = 1.0
_LONGEST_PAUSE_SEC = 60.0
_START_TLS = {Encryption.REQUIRED: True, Encryption.OFFERED: None, Encryption.OFF: False}


class EmailChannel:
    """Implements `ports.DeliveryChannel` for the channel `email`, kind `call`.

    A person's address that the server refuses for good is a dead letter at once; a full mailbox is tried again. A
    server that is away, refuses the login or our own address keeps every letter waiting without counting against
    it, and is the `problem`. Whoever has nothing to decide any more gets no letter. The ladder never waits for any
    of it (INV-38). Errors name codes, never addresses (INV-51).
    """

    def __init__(
        self, *, deps: Deps, server: MailServer, link: Link, tls: ssl.SSLContext | None = None
    ) -> None:
        self._deps = deps
        self._server = server
        self._link = link
        self._tls = tls or ssl.create_default_context()
        self._pause = _PAUSE_SEC
        self.problem: str | None = None
        """What keeps every letter from leaving, as a sentence; None while letters leave."""

    async def deliver(self, message: Message) -> Delivery:
        """One attempt."""
        written = await self._letter(message)
        if not isinstance(written, EmailMessage):
            return written
        return await self._hand_over(written)

    async def check(self) -> str | None:
        """Connect, encrypt and log in as for a letter, and send none. What is wrong, as a sentence, or None."""
        client = self._client()
        try:
            await client.connect()
            await client.noop()
        except (SMTPException, OSError, TimeoutError) as error:
            return _sentence(error)
        finally:
            await _leave(client)
        return None

    async def _letter(self, message: Message) -> EmailMessage | Delivery:
        if message.kind != "call":
            return Undeliverable(error="unknown_kind")
        view = await card_view(self._deps, message.action_id)
        async with self._deps.store.reading() as tx:
            record = await tx.actions.get(message.action_id)
        person_id, why = str(message.body.get("person", "")), str(message.body.get("why", ""))
        if view is None or record is None or not _still_stands(view, person_id, why):
            return Delivered()
        directory = self._deps.rules.current.directory
        person = directory.people.get(person_id)
        if person is None or not person.active:
            return Undeliverable(error="person_left")
        grantor = directory.people.get(str(message.body.get("for", "")))
        try:
            return letter(
                brief(view, record, directory, payload_limit=PAYLOAD_LIMIT),
                person=person,
                sender=self._server.sender,
                action_id=message.action_id,
                message_id=message.id,
                link=await self._link(message.action_id),
                acting_for=grantor.name if grantor is not None else None,
                now=self._deps.clock.now(),
            )
        except Unaddressable:
            return Undeliverable(error="address_malformed")

    async def _hand_over(self, written: EmailMessage) -> Delivery:
        client = self._client()
        try:
            try:
                await client.connect()
            except (SMTPException, OSError, TimeoutError) as error:
                return self._away(error)
            try:
                to = written["To"].addresses[0].addr_spec
                await client.send_message(written, sender=self._server.sender, recipients=[to])
            except (SMTPException, OSError, TimeoutError) as error:
                return self._refused(error)
        finally:
            await _leave(client)
        self._pause, self.problem = _PAUSE_SEC, None
        return Delivered()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        implicit = server.encryption is Encryption.IMPLICIT
        host = socket.gethostname()
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=implicit,
            start_tls=False if implicit else _START_TLS[server.encryption],
            tls_context=self._tls,
            timeout=_TIMEOUT_SEC,
            # The full name would be looked up, and that can take longer than a letter.
            local_hostname=host if "." in host else server.sender.rpartition("@")[2],
        )

    def _away(self, error: Exception) -> RetryLater:
        """Nothing is wrong with the letter: it waits, with growing pauses, while there is a decision to make."""
        self.problem = _sentence(error)
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE_SEC)
        return RetryLater(error=_code(error), after_sec=pause, counts=False)

    def _refused(self, error: Exception) -> Delivery:
        if isinstance(error, SMTPRecipientsRefused) and error.recipients:
            error = error.recipients[0]
        if isinstance(error, SMTPSenderRefused) or (
            isinstance(error, SMTPResponseException) and error.code == 421
        ):
            return self._away(error)
        if isinstance(error, SMTPNotSupported) or (
            isinstance(error, SMTPResponseException) and error.code >= 500
        ):
            return Undeliverable(error=_code(error))
        return RetryLater(error=_code(error))


async def _leave(client: aiosmtplib.SMTP) -> None:
    try:
        async with asyncio.timeout(2):
            await client.quit()
    except (SMTPException, OSError, TimeoutError):
        client.close()


def _still_stands(view: ActionView, person_id: str, why: str) -> bool:
    """Whether the person still has something to decide, or to review."""
    if why in ("break_glass", "review_overdue"):
        return view.emergency is not None and view.emergency.reviewer is None
    if view.status is not Status.PENDING:
        return False
    return not any(v.person.id == person_id and v.current and v.choice is Choice.APPROVE for v in view.votes)


def _code(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"smtp_{error.code}"
    return f"connection_failed: {type(error).__name__}"


def _sentence(error: Exception) -> str:
    if isinstance(error, SMTPAuthenticationError):
        return f"The mail server refuses the login in SMTP_URL ({error.code})."
    if isinstance(error, SMTPSenderRefused):
        return f"The mail server refuses letters from the address in SMTP_URL ({error.code})."
    if isinstance(error, SMTPResponseException) and not isinstance(error, SMTPHeloError):
        return f"The mail server takes nothing at the moment ({error.code})."
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return "The mail server's certificate cannot be verified, or encryption fails."
    if isinstance(error, SMTPConnectError | OSError | TimeoutError):
        return "The mail server of SMTP_URL cannot be reached."
    return "The mail server does not offer what SMTP_URL asks for (STARTTLS, or the login)."
