"""The two things a person is told after a click or a form: that it is done, or why it is not."""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.answering.answers import Said
from bot.answering.desk import Desk
from bot.blocks.gate_command import done_message, refusal_message
from bot.blocks.modals import decided_modal, notice_modal
from bot.handlers.outcome import FormOutcome, Replaced
from bot.ids import ModalState
from gate.domain.refusal import Refused
from gate.usecases.cards import card_view

log = structlog.get_logger(__name__)


def done(sentence: str) -> Said:
    """What happened, in one sentence."""
    message = done_message(sentence)
    return Said(text=message.text, blocks=message.blocks)


def refused(refusal: Refused) -> Said:
    """Why nothing happened; people get the sentence, the log gets the code."""
    log.info("slack_refused", code=refusal.code)
    message = refusal_message(refusal.sentence)
    return Said(text=message.text, blocks=message.blocks)


async def refused_form(desk: Desk, refusal: Refused, state: ModalState) -> FormOutcome:
    """The same in place of a form that cannot be used any more; what was decided or changed meanwhile is shown."""
    if refusal.code in ("already_decided", "stale_version", "not_pending"):
        view = await card_view(desk.deps, state.action_id)
        if view is not None:
            now = replace(state, version=view.version, page=0)
            return Replaced(view=decided_modal(view, now))
    return Replaced(view=notice_modal("Nothing was changed", refusal.sentence))
