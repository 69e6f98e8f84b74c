"""Webhooks against real servers: what is sent, what is signed, and where nothing is ever sent (threat 25)."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from gate.delivery.webhook import GIVE_UP_SEC, CallbackRules, WebhookChannel
from gate.domain.request import Choice
from gate.keyring.webhooks import load_webhook_secrets
from gate.metrics import Metrics
from gate.store import open_store
from gate.usecases.ports import OUTBOX, Delivered, Limits, Message, RetryLater, Undeliverable
from gate.workers.outbox import OutboxWorker, Terms
from tests.fakes.world import World, world

HOST = "hooks.example.com"


@dataclass
class Receiver:
    """A real server on loopback that keeps what it was sent and answers what it is told."""

    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.got.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        if self.handle is not None:
            return await self.handle(request)
        return self.answers.pop(0) if self.answers else web.Response(status=204)


async def served(receiver: Receiver, tls: ssl.SSLContext | None = None) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    receiver.port = runner.addresses[0][1]
    return runner


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    runner = await served(made)
    yield made
    await runner.cleanup()


class Names(AbstractResolver):
    """A resolver whose answers change from one look-up to the next, as an attacker's would."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self) -> Names:
        return self

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    limits = Limits(callback_hosts=(HOST, "localhost", "127.0.0.1"))
    async with world(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", tmp_path / "keys", limits=limits) as made:
        made.clock.at = datetime.now(UTC).replace(microsecond=0)
        yield made


def channel(gate: World, tmp_path: Path, *hosts: str, **options: Any) -> WebhookChannel:
    networks = options.pop("networks", ())
    return WebhookChannel(
        store=gate.store,
        clock=gate.clock,
        secrets=load_webhook_secrets(tmp_path / "keys"),
        rules=CallbackRules(hosts=hosts or (HOST, "localhost", "127.0.0.1"), networks=networks),
        public_url="https://gate.example.com",
        **options,
    )


async def message(gate: World, url: str) -> Message:
    """The outbox row of an approved action with this callback."""
    done = await gate.propose(callback_url=url)
    await gate.vote(done.record, "ana")
    async with gate.store.reading() as tx:
        (found,) = [
            row for row in await tx.outbox.rows(dead_only=False, limit=50) if row.channel == "webhook"
        ]
    return found


async def test_a_receiver_can_verify_and_read_what_it_is_sent(
    gate: World, receiver: Receiver, tmp_path: Path
):
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/signoff?tenant=1")
    assert await channel(gate, tmp_path).deliver(row) == Delivered()
    ((headers, body),) = receiver.got
    event = Webhook(load_webhook_secrets(tmp_path / "keys")[-1]).verify(body, headers)
    assert headers["webhook-id"] == row.id == event["id"]
    assert headers["webhook-timestamp"] == str(int(gate.clock.now().timestamp()))
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert event["specversion"] == "1.0"
    assert event["type"] == "io.signoff.action.approved.v1"
    assert event["source"] == "https://gate.example.com"
    assert event["subject"] == event["data"]["id"] == row.action_id
    assert event["data"]["status"] == "approved"
    assert event["data"]["payload"] == {"amount": 1400, "order": "881"}


@pytest.mark.parametrize("event", ["approval.escalated", "approval.sla_breach", "approval.reassigned"])
async def test_what_happens_on_the_way_has_types_of_its_own(
    gate: World, receiver: Receiver, tmp_path: Path, event: str
):
    done = await gate.propose(callback_url=f"http://localhost:{receiver.port}/x")
    at = gate.clock.now()
    message = Message(
        id="msg_1",
        action_id=done.record.id,
        channel="webhook",
        kind="event",
        body={"event": event},
        created_at=at,
        due_at=at,
    )
    assert await channel(gate, tmp_path).deliver(message) == Delivered()
    ((_, body),) = receiver.got
    assert json.loads(body)["type"] == f"io.signoff.{event}.v1"
    assert json.loads(body)["data"]["status"] == "pending"


async def test_the_grant_is_never_sent(gate: World, receiver: Receiver, tmp_path: Path):
    done = await gate.propose(
        "crm.read", payload={"id": 1}, callback_url=f"http://127.0.0.1:{receiver.port}/"
    )
    assert done.grant is not None
    async with gate.store.reading() as tx:
        (row,) = await tx.outbox.rows(dead_only=False, limit=5)
    await channel(gate, tmp_path).deliver(row)
    ((_, body),) = receiver.got
    assert json.loads(body)["data"]["grant"] is None
    assert done.grant.token.encode() not in body


async def test_the_id_is_stable_over_retries_and_the_timestamp_fresh(
    gate: World, receiver: Receiver, tmp_path: Path
):
    """INV-39."""
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    receiver.answers = [web.Response(status=500), web.Response(status=503)]
    sender = channel(gate, tmp_path)
    assert await sender.deliver(row) == RetryLater(error="http_500")
    gate.clock.pass_(minutes=2)
    assert await sender.deliver(row) == RetryLater(error="http_503")
    gate.clock.pass_(minutes=2)
    assert await sender.deliver(row) == Delivered()
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in receiver.got]
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {row.id}
    assert [b - a for a, b in zip(stamps, stamps[1:], strict=False)] == [120, 120]  # noqa: RUF007
    assert len({headers["webhook-signature"] for headers, _ in receiver.got}) == 3
    assert {body for _, body in receiver.got} == {receiver.got[0][1]}


async def test_the_id_is_stable_where_another_replica_sends_it_again(
    gate: World, receiver: Receiver, tmp_path: Path
):
    """INV-39: the first one died after it was received and before that was stored; the receiver knows it by its id."""
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    for stored in (False, True):
        async with open_store(gate.url, clock=gate.clock, exclusive=False) as store:
            async with store.writing() as tx:
                (claimed,) = await tx.outbox.claim("webhook", gate.clock.now(), lease_sec=30, limit=5)
            assert claimed.id == row.id
            assert await channel(gate, tmp_path).deliver(claimed) == Delivered()
            if stored:
                async with store.writing() as tx:
                    await tx.outbox.delivered(claimed.id, lease=claimed.leased_until)
        gate.clock.pass_(seconds=31)
    (first, first_body), (second, second_body) = receiver.got
    assert first["webhook-id"] == second["webhook-id"] == row.id
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 31
    assert first_body == second_body
    async with gate.store.reading() as tx:
        left = await tx.outbox.rows(dead_only=False, limit=50)
    assert [each.id for each in left if each.channel == "webhook"] == []


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (web.Response(status=200), Delivered()),
        (web.Response(status=410), Undeliverable(error="http_410")),
        (web.Response(status=404), RetryLater(error="http_404")),
        (web.Response(status=429, headers={"Retry-After": "17"}), RetryLater(error="http_429", after_sec=17)),
        (
            web.Response(status=503, headers={"Retry-After": "999999"}),
            RetryLater(error="http_503", after_sec=3600),
        ),
        (web.Response(status=503, headers={"Retry-After": "soon"}), RetryLater(error="http_503")),
    ],
    ids=["200", "410", "404", "retry-after", "retry-after too long", "retry-after unreadable"],
)
async def test_what_an_answer_means(
    gate: World, receiver: Receiver, tmp_path: Path, answer: web.Response, result: object
):
    receiver.answers = [web.Response(status=answer.status, headers=answer.headers)]
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    assert await channel(gate, tmp_path).deliver(row) == result


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(gate: World, receiver: Receiver, tmp_path: Path, status: int):
    """Threat 25: an allowed host does not send us elsewhere."""
    elsewhere = Receiver()
    runner = await served(elsewhere)
    receiver.answers = [
        web.Response(status=status, headers={"Location": f"http://127.0.0.1:{elsewhere.port}/inside"})
    ]
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    result = await channel(gate, tmp_path).deliver(row)
    await runner.cleanup()
    assert isinstance(result, RetryLater)
    assert elsewhere.got == []
    assert len(receiver.got) == 1


async def test_a_name_that_leads_inside_is_not_connected_to(gate: World, receiver: Receiver, tmp_path: Path):
    """Threat 25, by name: the server on loopback never hears of it."""
    row = await message(gate, f"https://{HOST}:{receiver.port}/")
    for inside in (["127.0.0.1"], ["::1"], ["169.254.169.254"], ["10.0.0.1"], ["::ffff:127.0.0.1"]):
        result = await channel(gate, tmp_path, resolver=Names(inside)).deliver(row)
        assert result == RetryLater(error="address_refused")
    assert receiver.got == []


async def test_rebinding_between_two_look_ups_gains_nothing(gate: World, receiver: Receiver, tmp_path: Path):
    """Threat 25, by rebinding: the address that was checked is the one connected to, and each attempt checks anew."""
    row = await message(gate, f"https://{HOST}:{receiver.port}/")
    names = Names(["192.0.2.1"], ["127.0.0.1"])
    sender = channel(gate, tmp_path, resolver=names)
    for _ in range(3):
        result = await sender.deliver(row)
        assert isinstance(result, RetryLater)
    assert len(names.asked) == 3, "one look-up an attempt"
    assert receiver.got == []


async def test_of_several_addresses_only_the_allowed_are_tried(
    gate: World, receiver: Receiver, tmp_path: Path
):
    tls, trusting = _certificates(tmp_path)
    target = Receiver()
    runner = await served(target, tls)
    row = await message(gate, f"https://{HOST}:{target.port}/")
    sender = channel(
        gate, tmp_path, resolver=Names(["10.0.0.1", "127.0.0.1"]), networks=("127.0.0.1/32",), tls=trusting
    )
    assert await sender.deliver(row) == Delivered()
    assert len(target.got) == 1
    await runner.cleanup()


async def test_a_certificate_for_another_name_is_refused(gate: World, tmp_path: Path):
    tls, trusting = _certificates(tmp_path, name="other.example.com")
    target = Receiver()
    runner = await served(target, tls)
    row = await message(gate, f"https://{HOST}:{target.port}/")
    sender = channel(gate, tmp_path, resolver=Names(["127.0.0.1"]), networks=("127.0.0.0/8",), tls=trusting)
    result = await sender.deliver(row)
    await runner.cleanup()
    assert isinstance(result, RetryLater)
    assert "Certificate" in result.error
    assert target.got == []


async def test_a_host_taken_off_the_list_gets_nothing_more(gate: World, receiver: Receiver, tmp_path: Path):
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    result = await channel(gate, tmp_path, "other.example.com").deliver(row)
    assert result == Undeliverable(error="callback_not_allowed")
    assert receiver.got == []


async def test_an_endless_answer_is_not_read(gate: World, receiver: Receiver, tmp_path: Path):
    """The status is enough; whoever streams for ever is hung up on."""
    hung_up = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            hung_up.set()
            raise

    receiver.handle = endless
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    async with asyncio.timeout(60):
        assert await channel(gate, tmp_path).deliver(row) == Delivered()
        await hung_up.wait()


async def test_proxies_of_the_environment_are_not_used(
    gate: World, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    proxy = Receiver()
    runner = await served(proxy)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    row = await message(gate, f"http://127.0.0.1:{receiver.port}/")
    assert await channel(gate, tmp_path).deliver(row) == Delivered()
    await runner.cleanup()
    assert proxy.got == []


async def test_nobody_there_is_tried_again(gate: World, receiver: Receiver, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        row = await message(gate, f"http://127.0.0.1:{taken.getsockname()[1]}/")
        result = await channel(gate, tmp_path).deliver(row)
    assert isinstance(result, RetryLater)
    assert result.counts


async def test_an_action_without_callback_needs_no_delivery(gate: World, tmp_path: Path):
    done = await gate.propose()
    now = gate.clock.now()
    row = Message(
        id="msg_1",
        action_id=done.record.id,
        channel="webhook",
        kind="event",
        body={},
        created_at=now,
        due_at=now,
    )
    assert await channel(gate, tmp_path).deliver(row) == Delivered()


async def test_after_three_days_it_is_a_dead_letter_that_can_be_sent_again(
    gate: World, receiver: Receiver, tmp_path: Path
):
    """INV-34, INV-39: the same id, days later, with a fresh timestamp."""
    done = await gate.propose(callback_url=f"http://127.0.0.1:{receiver.port}/")
    receiver.answers = [web.Response(status=500) for _ in range(2)]
    worker = OutboxWorker(
        store=gate.store,
        clock=gate.clock,
        wakeups=gate.deps.wakeups,
        metrics=Metrics(),
        channels={"webhook": Terms(channel=channel(gate, tmp_path), give_up_sec=GIVE_UP_SEC)},
        poll_sec=3600,
    )

    async def webhook() -> Message | None:
        async with gate.store.reading() as tx:
            rows = await tx.outbox.rows(dead_only=False, limit=50)
        return next((row for row in rows if row.channel == "webhook"), None)

    async def until(wanted: Callable[[Message | None], bool]) -> Message | None:
        async with asyncio.timeout(60):
            found = await webhook()
            while not wanted(found):
                found = await webhook()
        return found

    await worker.start()
    try:
        await gate.vote(done.record, "ana", Choice.REJECT, comment="not this one")
        await until(lambda row: row is not None and row.attempts == 1)
        gate.clock.pass_(days=3)
        gate.deps.wakeups.notify(OUTBOX)
        dead = await until(lambda row: row is not None and row.dead)
        assert dead is not None
        assert dead.last_error == "http_500"
        async with gate.store.writing() as tx:
            assert await tx.outbox.revive(dead.id, now=gate.clock.now())
        gate.deps.wakeups.notify(OUTBOX)
        await until(lambda row: row is None)
    finally:
        await worker.stop()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [dead.id] * 3
    last = json.loads(receiver.got[-1][1])
    assert last["type"] == "io.signoff.action.rejected.v1"


def _certificates(folder: Path, name: str = HOST) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS for `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cadata=pem.decode())
