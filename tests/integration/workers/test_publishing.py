"""Checkpoints outside the database: at each place the newest arrives, at its pace, and a failure is told and mended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from gate.delivery.guarded import Caller
from gate.delivery.places import Folder, ToSlack, ToWebhook
from gate.delivery.stamping import Authority, read_certificates, stamped_at
from gate.domain.checkpoint import opened
from gate.keyring.checkpoints import CheckpointSigner, is_signature, load_checkpoint_signer
from gate.keyring.webhooks import load_webhook_secrets
from gate.metrics import Metrics
from gate.usecases.auditing import examined_bundle, exported
from gate.usecases.ports import CHECKPOINT, Place, SealedCheckpoint
from gate.workers.publisher import Publisher
from tests.fakes.authority import FakeAuthority, authority
from tests.fakes.world import World
from tests.integration.delivery.test_webhook import Names, Receiver, served
from tests.integration.http.door import eventually
from tests.integration.workers.test_sequencer import sequencer


@pytest.fixture
def notary(tmp_path: Path) -> CheckpointSigner:
    return load_checkpoint_signer(tmp_path / "keys")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    runner = await served(made)
    yield made
    await runner.cleanup()


@pytest.fixture
async def stamps(tmp_path: Path) -> AsyncIterator[FakeAuthority]:
    async with authority(tmp_path / "authority") as made:
        yield made


def publisher(gate: World, *places: Place) -> Publisher:
    deps = gate.deps
    return Publisher(
        store=gate.store,
        clock=deps.clock,
        wakeups=deps.wakeups,
        metrics=Metrics(),
        places=places,
        look_sec=60,
    )


async def sealed(gate: World, notary: CheckpointSigner) -> SealedCheckpoint:
    """The checkpoint after one more action."""
    await gate.propose("crm.read")
    gate.clock.pass_(seconds=1)
    assert await sequencer(gate, notary, Metrics()).look()
    async with gate.store.reading() as tx:
        latest = await tx.tree.latest()
    assert latest is not None
    return latest


def webhook(gate: World, url: str, keys: Path, **options: Any) -> ToWebhook:
    return ToWebhook(
        url,
        every_sec=60,
        secrets=load_webhook_secrets(keys),
        clock=gate.clock,
        caller=options.pop("caller", None) or Caller(),
    )


def stamping(gate: World, stamps: FakeAuthority) -> Authority:
    return Authority(
        stamps.url,
        every_sec=60,
        certificates=read_certificates(stamps.root),
        store=gate.store,
        clock=gate.clock,
        caller=Caller(),
    )


async def test_a_folder_gets_the_newest_at_its_pace(gate: World, notary: CheckpointSigner, tmp_path: Path):
    """INV-48: kept elsewhere, each in a file that an auditor's tools read."""
    place = Folder(tmp_path / "elsewhere" / "record", every_sec=60)
    worker = publisher(gate, place)
    assert await worker.look(place) is None, "nothing is signed yet"
    first = await sealed(gate, notary)
    assert await worker.look(place) == 60
    skipped = await sealed(gate, notary)
    left = await worker.look(place)
    assert left is not None
    assert 0 < left < 60
    gate.clock.pass_(seconds=60)
    last = await sealed(gate, notary)
    assert await worker.look(place) == 60
    assert await publisher(gate, place).look(place) is None, "another process finds it done"
    files = sorted((tmp_path / "elsewhere" / "record").iterdir())
    assert [path.read_text() for path in files] == [first.note, last.note]
    assert [opened(path.read_text(), notary.keys, is_signature).size for path in files] == [
        first.size,
        last.size,
    ]
    assert skipped.size < last.size, "the last one covers it"


async def test_a_file_that_contradicts_the_record_stays_and_is_told(
    gate: World, notary: CheckpointSigner, tmp_path: Path
):
    """INV-48: whoever rewrote the record does not also rewrite what is kept elsewhere."""
    place = Folder(tmp_path / "elsewhere", every_sec=60)
    worker = publisher(gate, place)
    first = await sealed(gate, notary)
    (tmp_path / "elsewhere").mkdir()
    kept = tmp_path / "elsewhere" / f"{first.size:012d}.checkpoint"
    kept.write_text("signoff/other\n1\nAAAA\n\nsigned")
    await worker.look(place)
    assert "another checkpoint" in str(worker.problem)
    assert kept.read_text().startswith("signoff/other")


async def test_what_fails_is_told_and_tried_again_with_the_newest(
    gate: World, notary: CheckpointSigner, receiver: Receiver, tmp_path: Path
):
    gate.clock.at = datetime.now(UTC)  # receivers refuse old signatures
    place = webhook(gate, f"http://localhost:{receiver.port}/hook", tmp_path / "keys")
    worker = publisher(gate, place)
    receiver.answers.append(web.Response(status=500))
    await sealed(gate, notary)
    pause = await worker.look(place)
    assert pause == 2
    assert worker.problem == "Checkpoints do not reach the webhook: the webhook answered 500"
    assert await worker.look(place) == 2, "not before its time"
    assert len(receiver.got) == 1
    newest = await sealed(gate, notary)
    gate.clock.pass_(seconds=2)
    assert await worker.look(place) == 60
    assert worker.problem is None
    headers, body = receiver.got[-1]
    event = Webhook(load_webhook_secrets(tmp_path / "keys")[-1]).verify(body, headers)
    assert event == json.loads(body)
    assert event["type"] == "io.signoff.record.checkpoint.v1"
    assert event["data"] == {
        "origin": notary.origin,
        "size": newest.size,
        "root": newest.root.hex(),
        "note": newest.note,
    }


async def test_a_webhook_s_name_leads_nowhere_inside(gate: World, notary: CheckpointSigner, tmp_path: Path):
    """Threat 25, also where the operator named it: a name that leads inside is refused when connecting."""
    caller = Caller(resolver=Names(["10.0.0.5"]))
    place = webhook(gate, "https://hooks.example.com/hook", tmp_path / "keys", caller=caller)
    worker = publisher(gate, place)
    await sealed(gate, notary)
    await worker.look(place)
    assert worker.problem == (
        "Checkpoints do not reach the webhook: its address is refused: it is inside a private network"
    )


async def test_of_two_replicas_one_publishes(
    gate: World, notary: CheckpointSigner, receiver: Receiver, tmp_path: Path
):
    place = webhook(gate, f"http://localhost:{receiver.port}/hook", tmp_path / "keys")
    other = publisher(gate, place)
    await sealed(gate, notary)
    seen: list[float | None] = []

    async def meanwhile(_: web.Request) -> web.StreamResponse:
        seen.append(await other.look(place))
        return web.Response(status=204)

    receiver.handle = meanwhile
    assert await publisher(gate, place).look(place) == 60
    assert len(receiver.got) == 1
    assert len(seen) == 1, "the other looked while this one was about it"


async def test_what_another_replica_brought_there_is_no_problem_any_more(
    gate: World, notary: CheckpointSigner, receiver: Receiver, tmp_path: Path
):
    place = webhook(gate, f"http://localhost:{receiver.port}/hook", tmp_path / "keys")
    worker = publisher(gate, place)
    receiver.answers.append(web.Response(status=500))
    await sealed(gate, notary)
    await worker.look(place)
    assert worker.problem is not None
    gate.clock.pass_(seconds=2)
    assert await publisher(gate, place).look(place) == 60
    assert await worker.look(place) is None
    assert worker.problem is None


async def test_a_checkpoint_is_published_when_it_is_signed(
    gate: World, notary: CheckpointSigner, tmp_path: Path
):
    """No timer has to run out first, and an unexpected error ends nothing."""
    place = Folder(tmp_path / "elsewhere", every_sec=0.01)
    worker = publisher(gate, place)
    await worker.start()
    try:
        newest = await sealed(gate, notary)
        gate.deps.wakeups.notify(CHECKPOINT)
        wanted = tmp_path / "elsewhere" / f"{newest.size:012d}.checkpoint"
        await eventually(lambda: wanted.exists())
    finally:
        await worker.stop()


async def test_a_slack_channel_gets_it_through_the_outbox(gate: World, notary: CheckpointSigner):
    place = ToSlack(
        "#audit",
        every_sec=3600,
        store=gate.store,
        ids=gate.deps.ids,
        clock=gate.clock,
        wakeups=gate.deps.wakeups,
    )
    worker = publisher(gate, place)
    newest = await sealed(gate, notary)
    assert await worker.look(place) == 3600
    await sealed(gate, notary)
    await worker.look(place)
    async with gate.store.reading() as tx:
        rows = [row for row in await tx.outbox.rows(dead_only=False, limit=100) if row.kind == "checkpoint"]
    assert [row.body for row in rows] == [{"channel": "#audit", "size": newest.size, "place": place.name}]


async def test_an_authority_stamps_checkpoints_and_the_bundle_proves_when(
    gate: World, notary: CheckpointSigner, stamps: FakeAuthority, tmp_path: Path
):
    """INV-48: the stamp of an authority is checked with its certificate alone, without the gate."""
    place = stamping(gate, stamps)
    worker = publisher(gate, place)
    await gate.record_policy()
    first = await sealed(gate, notary)
    assert await worker.look(place) == 60, worker.problem
    await sealed(gate, notary)
    lines = [line async for line in exported(gate.store, keys=notary.keys, now=gate.clock.now())]

    def examined(lines: list[str], root: Path) -> Any:
        pinned = read_certificates(root)
        return examined_bundle(
            lambda: lines,
            keys=notary.keys,
            pinned=[],
            verify=is_signature,
            stamped=lambda answer, note: stamped_at(answer, note, pinned),
        )

    report = examined(lines, stamps.root)
    assert report.found == ()
    assert report.stamps == 1
    assert report.stamped is not None
    assert report.stamped[0] == first.size
    async with authority(tmp_path / "stranger") as stranger:
        report = examined(lines, stranger.root)
    assert [each.kind for each in report.found] == ["stamp"]
    assert report.stamped is None
    moved = [line.replace(r"\n2\n", r"\n1\n") if line.startswith('{"stamp"') else line for line in lines]
    assert moved != lines
    assert {each.kind for each in examined(moved, stamps.root).found} == {"stamp", "unsigned"}


@pytest.mark.parametrize(
    "spoil", [lambda answer: b"no answer", lambda answer: answer], ids=["garbage", "replayed"]
)
async def test_an_answer_that_is_no_stamp_over_this_checkpoint_does_not_count(
    gate: World, notary: CheckpointSigner, stamps: FakeAuthority, spoil: Callable[[bytes], bytes]
):
    place = stamping(gate, stamps)
    worker = publisher(gate, place)
    await sealed(gate, notary)
    assert await worker.look(place) == 60
    async with gate.store.reading() as tx:
        (kept,) = await tx.publications.stamps(at_most=10)
    stamps.answer = spoil(kept.answer)
    gate.clock.pass_(seconds=60)
    await sealed(gate, notary)
    assert await worker.look(place) == 2
    assert "authority's answer is none" in str(worker.problem)
    async with gate.store.reading() as tx:
        assert await tx.publications.stamps(at_most=10) == (kept,)
