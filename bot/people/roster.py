"""Knows where in Slack a person of the directory is: pinned, written down, or looked up by address once."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.identity import Identities, Own
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls
from gate.domain.people import Person
from gate.usecases.ports import Deps

NOT_FOUND_SEC = 300.0


class Roster:
    """Person id -> Slack user id. Whom Slack does not know is asked about again after five minutes."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        identities: Identities,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deps = deps
        self._web = web
        self._identities = identities
        self._monotonic = monotonic
        self._missing: dict[str, float] = {}

    async def slack_id(self, person_id: str, own: Own) -> str | None:
        """The person's Slack user id; None where Slack has none. Raises `SlackFailure` where it cannot be asked."""
        pin = await self._deps.store.now.pins.by_person(person_id)
        if pin is not None:
            return pin.user_id
        person = self._deps.rules.current.directory.people.get(person_id)
        if person is None or not person.active:
            return None
        if person.slack is not None:
            return person.slack
        if self._monotonic() - self._missing.get(person_id, float("-inf")) < NOT_FOUND_SEC:
            return None
        return await self._look_up(person, own)

    async def _look_up(self, person: Person, own: Own) -> str | None:
        for address in (person.email, *person.aliases):
            try:
                answer = await self._web.call("users.lookupByEmail", paced=True, email=address)
            except SlackFailure as failure:
                if failure.trouble is Trouble.PERSON:
                    continue
                raise
            user = answer.get("user")
            user_id = user.get("id") if isinstance(user, dict) else None
            if isinstance(user_id, str):
                found = await self._identities.person(user_id, own)
                if isinstance(found, Person) and found.id == person.id:
                    return user_id
        self._missing[person.id] = self._monotonic()
        return None
