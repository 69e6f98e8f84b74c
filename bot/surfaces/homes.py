"""Knows whose Home tab has been seen, and keeps those showing their present queue; how it looks is the blocks' work."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import structlog

from bot.blocks.home import home
from bot.identity import Own
from bot.slack.errors import SlackFailure
from bot.slack.web import Calls
from gate.usecases.cards import queue
from gate.usecases.ports import Deps, StoreUnavailable
from gate.usecases.report import own_line
from gate.usecases.views import QueueView

log = structlog.get_logger(__name__)

MOST_REMEMBERED = 1_000
GATHER_SEC = 0.3
"""Changes of one moment become one publish."""


class Homes:
    """Person -> Slack user whose Home is open somewhere. Forgotten on restart: opening it again publishes it."""

    def __init__(self, *, deps: Deps, web: Calls) -> None:
        self._deps = deps
        self._web = web
        self._seen: OrderedDict[str, tuple[str, Own]] = OrderedDict()
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, person_id: str, user: str, own: Own) -> None:
        """Show this person's queue on their Home, and keep it fresh from now on. Raises `SlackFailure`."""
        self._seen[person_id] = (user, own)
        self._seen.move_to_end(person_id)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        waiting = await queue(self._deps, person_id)
        view = home(waiting, links_of(waiting, own), await own_line(self._deps, person_id))
        await self._web.call("views.publish", user_id=user, view=view)

    def refresh(self, people: Iterable[str] | None = None) -> None:
        """Something these people may see has changed (None: anybody may); soon, and once, publish it again."""
        wanted = set(self._seen) if people is None else set(people) & set(self._seen)
        for person_id in wanted:
            if person_id not in self._waiting:
                self._waiting.add(person_id)
                task = asyncio.get_running_loop().create_task(self._soon(person_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is waiting."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._waiting.clear()

    async def _soon(self, person_id: str) -> None:
        try:
            await asyncio.sleep(GATHER_SEC)
        finally:
            self._waiting.discard(person_id)  # a change from here on asks for another publish
        seen = self._seen.get(person_id)
        if seen is None:
            return
        try:
            await self.publish(person_id, *seen)
        except (SlackFailure, StoreUnavailable) as error:
            log.info("slack_home_not_refreshed", error=type(error).__name__)


def links_of(waiting: QueueView, own: Own) -> Mapping[str, str]:
    """Where the cards of a queue stand, in the form of Slack's permalinks, without asking for each of them."""
    if own.url is None:
        return {}
    return {
        line.action_id: f"{own.url}/archives/{line.channel}/p{line.message_ts.replace('.', '')}"
        for line in (*waiting.mine, *waiting.reviews, *waiting.unknown)
        if line.channel is not None and line.message_ts is not None
    }
