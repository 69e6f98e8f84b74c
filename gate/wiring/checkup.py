"""A look at the workspace of the settings, for `gate doctor`."""

from __future__ import annotations

from bot.checkup import Examination, examine
from gate.config import Settings
from gate.usecases.ports import Rules
from gate.wiring.desk import Desk
from gate.wiring.slack import slack_of


async def examine_slack(desk: Desk, settings: Settings, rules: Rules) -> Examination:
    """What the workspace of these settings looks like; without tokens, the sandbox workspace of a running gate."""
    async with desk.store.reading() as tx:
        pins = {name: pin for name in rules.directory.people if (pin := await tx.pins.by_person(name))}
    return await examine(slack_of(settings), rules, pins)
