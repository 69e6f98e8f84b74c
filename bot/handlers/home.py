"""The Home tab: the queue of whoever opened it, or why they have none."""

from __future__ import annotations

from bot.answering.desk import Desk
from bot.handlers.replies import refused
from bot.payloads import HomeOpened
from gate.domain.refusal import Refused


async def opened(desk: Desk, event: HomeOpened) -> None:
    """Publish the person's queue; from then on it is kept fresh."""
    person = await desk.person(event.sender)
    if isinstance(person, Refused):
        view = {"type": "home", "blocks": refused(person).blocks}
        await desk.web.call("views.publish", user_id=event.sender.user, view=view)
        return
    await desk.homes.publish(person.id, event.sender.user, await desk.own())
