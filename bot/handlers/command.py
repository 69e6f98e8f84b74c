"""The slash command: which word does what; a word that is unknown is said to be, never passed over."""

from __future__ import annotations

from bot.answering.answers import Said
from bot.answering.desk import Desk
from bot.blocks.gate_command import help_message, oncall_message, queue_message
from bot.blocks.policy_in_force import policy_message
from bot.blocks.report import report_message
from bot.handlers import break_glass, delegate, history, revoke
from bot.handlers.replies import refused
from bot.payloads import Command
from bot.surfaces.homes import links_of
from gate.domain.refusal import Refused
from gate.usecases.cards import oncall, queue
from gate.usecases.policy import policy_view
from gate.usecases.report import report

WORKS = ("queue", "delegate", "oncall", "revoke", "break-glass", "report", "policy", "history", "help")


async def typed(desk: Desk, command: Command) -> None:
    """Answer one command, visible only to whoever typed it."""
    word = command.words[0].casefold() if command.words else "help"
    answer = await _answer(desk, command, word)
    if answer is not None:
        await desk.tell(command.sender, command.place, answer)


async def _answer(desk: Desk, command: Command, word: str) -> Said | None:
    if word == "help":
        message = help_message()
        return Said(text=message.text, blocks=message.blocks)
    if word not in WORKS:
        shown = word if word.isascii() and word.isprintable() and len(word) <= 40 else "that"
        return refused(
            Refused(code="unknown_command", sentence=f"There is no “{shown}”; there is {_listed()}.")
        )
    if word == "delegate":
        refusal = await delegate.opened(desk, command.sender, command.trigger_id)
        return refused(refusal) if refusal is not None else None
    if word == "revoke":
        refusal = await revoke.opened(desk, command)
        return refused(refusal) if refusal is not None else None
    if word == "break-glass":
        refusal = await break_glass.opened(desk, command)
        return refused(refusal) if refusal is not None else None
    if word == "history":
        refusal = await history.typed(desk, command)
        return refused(refusal) if refusal is not None else None
    person = await desk.person(command.sender)
    if isinstance(person, Refused):
        return refused(person)
    if word == "queue":
        waiting = await queue(desk.deps, person.id)
        message = queue_message(waiting, links_of(waiting, await desk.own()))
    elif word == "report":
        message = report_message(await report(desk.deps, person.id))
    elif word == "policy":
        message = policy_message(await policy_view(desk.deps))
    else:
        message = oncall_message(await oncall(desk.deps), desk.deps.clock.now())
    return Said(text=message.text, blocks=message.blocks)


def _listed() -> str:
    return f"{', '.join(WORKS[:-1])} and {WORKS[-1]}"
