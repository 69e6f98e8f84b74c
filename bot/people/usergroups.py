"""Knows how to ask Slack who is in a user group, and who those people are; what that entitles them to is the core's."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from bot.identity import Identities, Own
from bot.slack.errors import SlackFailure
from bot.slack.web import Calls
from gate.usecases.filling import strangers
from gate.usecases.ports import Deps, Listed, Listing, ListUnavailable

STRANGER_SEC = 3_600.0
"""Somebody in a user group whom people.yaml does not have is asked about again after an hour."""


class UserGroups:
    """Implements `ports.ListSource` for Slack user groups."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        identities: Identities,
        own: Callable[[], Awaitable[Own]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deps = deps
        self._web = web
        self._identities = identities
        self._own = own
        self._monotonic = monotonic
        self._asked: dict[tuple[str, str], float] = {}

    async def read(self, list_id: str) -> Listed:
        """The members' Slack user ids. Members found by address for the first time are pinned on the way."""
        try:
            own = await self._own()
            answer = await self._web.call("usergroups.users.list", paced=True, usergroup=list_id)
        except SlackFailure as failure:
            raise ListUnavailable(failure.sentence, after_sec=failure.retry_after) from None
        users = answer.get("users")
        if not isinstance(users, list):
            raise ListUnavailable("Slack answered without a list of users")
        listed = Listed(team_id=own.team, users=tuple(dict.fromkeys(u for u in users if isinstance(u, str))))
        await self._introduce(listed, own)
        return listed

    async def _introduce(self, listed: Listed, own: Own) -> None:
        """Find out who the unknown members are; `identify` decides, and pins whom it finds."""
        directory = self._deps.rules.current.directory
        async with self._deps.store.reading() as tx:
            pins = await tx.pins.all()
        listing = Listing(source="", read_at=self._deps.clock.now(), listed=listed)
        for user in strangers(listing, directory, pins):
            # A changed people.yaml may know them now, so the number of its people is part of the memory.
            key = (user, str(len(directory.people)))
            if self._monotonic() - self._asked.get(key, float("-inf")) < STRANGER_SEC:
                continue
            try:
                await self._web.turn("users.info")
            except SlackFailure:
                return  # the others another time; until then they do not count
            await self._identities.person(user, own)
            self._asked[key] = self._monotonic()
