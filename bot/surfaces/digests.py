"""Knows how to bring a digest, the message that stands for many requests, to the present state, and posts it once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.blocks.digest import digest as render
from bot.blocks.messages import CardMessage
from bot.identity import Own
from bot.posting.channels import Channel
from bot.posting.finding import find_digest
from bot.posting.once import POST, Posting, Unsettled, sha256_of
from bot.posting.places import Places
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls
from gate.usecases.digests import Picture, intend, picture_of, posted, shown
from gate.usecases.ports import Deps, Digest
from gate.usecases.views import PersonRef

log = structlog.get_logger(__name__)

PACE_SEC = 1.0
"""Between two updates of one digest: what changes meanwhile is shown by the next one."""
LEASE = timedelta(seconds=30)
"""How long a replica has a digest for itself; longer than one delivery takes."""
_BUSY_SEC = 0.5
_MOST_REMEMBERED = 1_000


class DigestDesk:
    """Digests by id. All members' messages of the outbox lead here, and most of them find it as it should be."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        posting: Posting,
        places: Places,
        members: Callable[[str], Awaitable[frozenset[str]]],
        know: Callable[[Iterable[PersonRef], Own], Awaitable[bool]],
        changed: Callable[[], None],
    ) -> None:
        self._deps = deps
        self._web = web
        self._posting = posting
        self._places = places
        self._members = members
        self._know = know
        self._changed = changed
        self._shown: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """Digest -> the revision of its members, and the ts of the message that shows it."""
        self._updated: OrderedDict[str, float] = OrderedDict()

    async def bring(self, digest_id: str, own: Own) -> Digest | None:
        """Where the digest stands, with what is so now; None where there is no such digest.

        Raises `SlackFailure` and `Unsettled`; calling again later is always right.
        """
        async with self._posting.alone(digest_id):
            digest, revision = await self._load(digest_id)
            if digest is None or self._is_shown(digest, revision):
                return digest
            await self._pace(digest)
            if digest.ts is None:
                await self._web.turn(POST, digest.channel)
            await self._lease(digest_id)
            try:
                return await self._bring(digest_id, own)
            finally:
                async with self._deps.store.writing() as tx:
                    await tx.digests.release(digest_id)

    async def _bring(self, digest_id: str, own: Own) -> Digest | None:
        digest, _ = await self._load(digest_id)
        if digest is not None and digest.ts is None and digest.posting_since is not None:
            digest = await self._look_for(digest, own)
        if digest is None:
            return None
        if digest.ts is None:
            digest, drawn = await self._post(digest, own)
        else:
            drawn = await picture_of(self._deps, digest)
            message = render(drawn.view)
            if digest.rendered_sha256 != sha256_of(message):
                digest, drawn = await self._update(digest, drawn, message, own)
        self._remember(digest, drawn.revision)
        await shown(self._deps, drawn, await self._who_sees(digest, drawn))
        self._changed()
        return digest

    async def _who_sees(self, digest: Digest, drawn: Picture) -> set[str]:
        """Those told by the digest who are in its channel, as far as Slack says."""
        refs = (*drawn.view.mentioned, *drawn.view.asked)
        users = {ref.id: ref.slack for ref in refs if ref.id in digest.told and ref.slack is not None}
        inside = await self._inside(digest.channel) or frozenset()
        return {person for person, user in users.items() if user in inside}

    async def _inside(self, channel: str) -> frozenset[str] | None:
        """The Slack ids of those who see a channel; None where Slack does not say."""
        try:
            return await self._members(channel)
        except SlackFailure:
            return None

    async def _post(self, digest: Digest, own: Own) -> tuple[Digest, Picture]:
        """The intention first, with who is told by it; then the message."""
        asked = (await picture_of(self._deps, digest)).view.asked
        await self._know(asked, own)
        digest = await intend(self._deps, digest, await self._inside(digest.channel))
        since = digest.posting_since or digest.opened_at
        drawn = await picture_of(self._deps, digest)
        message = render(drawn.view)
        try:
            channel, ts = await self._posting.send(digest.id, digest.channel, message, since)
        except SlackFailure as failure:
            if failure.trouble is not Trouble.PLACE:
                raise
            channel, ts = await self._elsewhere(digest, message, since)
        digest = replace(digest, channel=channel, ts=ts, rendered_sha256=sha256_of(message))
        await posted(self._deps, digest)
        self._note_update(digest.id)
        return digest, drawn

    async def _elsewhere(self, digest: Digest, message: CardMessage, since: datetime) -> tuple[str, str]:
        """Its channel takes it no more: into the default channel, or nowhere."""

        async def post(channel: Channel) -> tuple[str, str]:
            await self._store(replace(digest, channel=channel.id))
            return await self._posting.send(digest.id, channel.id, message, since)

        return await self._places.anywhere(None, post)

    async def _update(
        self, digest: Digest, drawn: Picture, message: CardMessage, own: Own
    ) -> tuple[Digest, Picture]:
        if digest.ts is None or not await self._posting.update(digest.channel, digest.ts, message):
            log.info("slack_digest_gone", digest=digest.id)
            if drawn.view.pending:
                # Somebody deleted it, or its channel was archived: people still have to be able to decide.
                await self._web.turn(POST, digest.channel)
                return await self._post(replace(digest, ts=None, told={}), own)
        self._note_update(digest.id)
        digest = replace(digest, rendered_sha256=sha256_of(message))
        await self._store(digest)
        return digest, drawn

    async def _look_for(self, digest: Digest, own: Own) -> Digest:
        """The digest of an intention whose end is not known: adopted where it stands."""
        since = digest.posting_since or digest.opened_at
        async with self._deps.store.reading() as tx:
            members = await tx.digests.members(digest.id)

        async def find() -> str | None:
            return await find_digest(
                self._web,
                own_user=own.user,
                digest_id=digest.id,
                members=members,
                channel=digest.channel,
                since=since,
            )

        ts = await self._posting.settled(digest.id, since, find)
        if ts is None:
            return digest
        log.info("slack_digest_adopted", digest=digest.id)
        adopted = replace(digest, ts=ts, rendered_sha256=None)
        await self._store(adopted)
        return adopted

    async def _lease(self, digest_id: str) -> None:
        now = self._deps.clock.now()
        async with self._deps.store.writing() as tx:
            if not await tx.digests.lease(digest_id, now=now, until=now + LEASE):
                raise Unsettled(_BUSY_SEC, "another replica brings the digest up to date")

    async def _pace(self, digest: Digest) -> None:
        left = self._updated.get(digest.id, 0.0) + PACE_SEC - time.monotonic()
        if digest.ts is not None and left > 0:
            await asyncio.sleep(left)

    async def _load(self, digest_id: str) -> tuple[Digest | None, int]:
        async with self._deps.store.reading() as tx:
            digest = await tx.digests.get(digest_id)
            return digest, await tx.digests.revision(digest_id)

    def _is_shown(self, digest: Digest, revision: int) -> bool:
        return digest.ts is not None and self._shown.get(digest.id) == (revision, digest.ts)

    def _remember(self, digest: Digest, revision: int) -> None:
        if digest.ts is not None:
            self._shown[digest.id] = (revision, digest.ts)
            self._shown.move_to_end(digest.id)
            if len(self._shown) > _MOST_REMEMBERED:
                self._shown.popitem(last=False)

    def _note_update(self, digest_id: str) -> None:
        self._updated[digest_id] = time.monotonic()
        self._updated.move_to_end(digest_id)
        if len(self._updated) > _MOST_REMEMBERED:
            self._updated.popitem(last=False)

    async def _store(self, digest: Digest) -> None:
        async with self._deps.store.writing() as tx:
            await tx.digests.put(digest)
