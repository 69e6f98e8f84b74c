"""Which form is served by which handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot import ids
from bot.answering.desk import NOT_ITS_PLACE, Desk
from bot.handlers import break_glass, confirm, delegate, edit, reassign, reject, review, revoke
from bot.handlers.outcome import Closed, FormOutcome
from bot.handlers.replies import refused
from bot.payloads import Submission

_SERVED: dict[str, Callable[[Desk, Submission], Awaitable[FormOutcome]]] = {
    ids.MODAL_EDIT: edit.submitted,
    ids.MODAL_REJECT: reject.submitted,
    ids.MODAL_REASSIGN: reassign.submitted,
    ids.MODAL_CONFIRM: confirm.submitted,
    ids.MODAL_DELEGATE: delegate.submitted,
    ids.MODAL_BREAK_GLASS: break_glass.submitted,
    ids.MODAL_REVIEW: review.submitted,
    ids.MODAL_REVOKE: revoke.submitted,
}


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """Serve one submitted form; one that is none of ours changes nothing and says so."""
    serve = _SERVED.get(submission.view.callback_id)
    return await serve(desk, submission) if serve is not None else Closed(said=refused(NOT_ITS_PLACE))
