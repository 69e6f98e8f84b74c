"""Two gates on one PostgreSQL database serve the same Slack app."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from bot.app import build_bot
from gate.domain.request import Status
from gate.metrics import Metrics
from gate.usecases.read import wait_decided
from gate.workers.outbox import OutboxWorker, Terms
from tests.integration.bot.stage import stage


async def test_two_replicas_post_one_card_each_and_count_each_click_once(
    tmp_path: Path, migrated_postgres_url: str
) -> None:
    """INV-03, INV-37: whichever connection Slack chooses, and whoever claims a message, there is one of everything."""
    async with stage(tmp_path, url=migrated_postgres_url) as play:
        second = build_bot(play.deps, play.settings)
        await second.start()
        await play.slack.wait_connected(2)
        worker = OutboxWorker(
            store=play.store,
            clock=play.deps.clock,
            wakeups=play.deps.wakeups,
            metrics=Metrics(CollectorRegistry()),
            channels={"slack": Terms(channel=second.channel)},
            poll_sec=0.1,
        )
        await worker.start()
        try:
            records = [
                await play.propose("pay.wire", payload={"amount": n + 1, "order": str(n)}) for n in range(4)
            ]
            places = [await play.posted(record) for record in records]
            await play.idle()
            for record in records:
                assert len(play.cards_of(record)) == 1
            for record, (channel, ts) in zip(records, places, strict=True):
                await asyncio.gather(
                    *(play.slack.click(user, channel, ts, "approve") for user in ("U0ANA", "U0BO", "U0ANA"))
                )
                after = await wait_decided(play.deps, record.id, 60)
                assert after is not None
                assert after.status is Status.APPROVED
                assert sorted(v.person for v in after.votes) == ["ana", "bo"]
                assert (await play.story(record.id)).count("approval.granted") == 1
        finally:
            await worker.stop()
            await second.stop()
