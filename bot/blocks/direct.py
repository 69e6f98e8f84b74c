"""Knows the direct message that asks one person to look, and leaves everything else to the card it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import ids
from bot.blocks import asking, emergency, home, parts, progress
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import RESULT_WORDS, count, risk_word
from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.usecases.views import ActionView, PersonRef, QueueView

Json = dict[str, Any]

MAX_FALLBACK = 3_800
SUMMARY_LINES = 5
_WHY = {
    "asked": "You are asked to decide",
    "also": "You are asked to decide",
    "escalated": "Escalated to you: nobody has decided yet",
}


def direct_message(view: ActionView, why: str, link: str | None, grantor: PersonRef | None = None) -> Line:
    """`why` is `asked`, `also` (asked later than the card was posted), `escalated`, `outcome`, `break_glass` or
    `review_overdue`; `link` is the card's permalink, None where it cannot be had; `grantor` is for whom the reader may
    decide, where not in their own right.

    Both buttons work from the message: one opens the card, one the details.
    """
    if why in emergency.WHYS and view.emergency is not None:
        return emergency.emergency_message(view, view.emergency, why, link)
    begin = _outcome(view) if why == "outcome" else _WHY.get(why, "About a request you were asked for")
    if grantor is not None:
        begin = f"{begin}, for {parts.name(grantor)}"
    if view.status is not Status.PENDING:
        text = f"{begin}. {progress.ended(view)}: “{shown(view.summary, 600)}”"
    else:
        text = f"{begin}. {asking.plain_fallback(view)}"
    paragraphs: list[list[Json]] = [
        [parts.words(begin, bold=True)],
        [parts.words(f"{risk_word(view.risk)} · {shown(view.summary, 700)}")],
    ]
    if view.status is Status.PENDING:
        who = f"{shown(view.agent_name, 80)} (team {shown(view.agent_team, 80)}) would run {asking.what_runs(view)}"
        paragraphs += [[parts.words(who)], asking.time_left(view)]
    else:
        paragraphs.append([parts.words(f"{progress.ended(view)}{_result(view)}")])
    buttons: list[Json] = []
    url = parts.web_address(link)
    if url is not None:
        buttons.append(
            parts.button("Open the card", ids.OPEN_CARD, view.action_id, style="primary") | {"url": url}
        )
    value = ids.card_value(view.action_id, view.version)
    buttons.append(parts.button("Details", ids.DETAILS, value))
    row = parts.actions(*buttons, block_id=ids.buttons_block(view.version))
    return Line(clip_bytes(inert(text), MAX_FALLBACK), [parts.lines(paragraphs), row])


def _outcome(view: ActionView) -> str:
    """What came of it, for the agent's owner."""
    said = ["an outcome was reported"]
    if (done := view.execution) is not None:
        said = [RESULT_WORDS[done.result][1]] if done.result is not None else []
        said += ["a defect was reported"] if done.defect else []
        said += ["an incident was reported"] if done.incident else []
    return f"Your agent {shown(view.agent_name, 80)}: {', '.join(said)}"


def summary_message(queue: QueueView, links: Mapping[str, str], *, outcomes: int = 0) -> Line | None:
    """One message for many: how much waits for the reader, the most pressing of it, and where the rest is.

    `outcomes` are requests they own or decided of which an outcome was reported. None where there is nothing to say.
    """
    total = len(queue.mine) + queue.more
    said: list[str] = []
    if total:
        numbers = [(queue.by_risk.get(risk, 0), risk.value) for risk in (Risk.CRITICAL, Risk.HIGH)]
        high = [f"{number:,} {risk}" for number, risk in numbers if number]
        verb = "waits" if total == 1 else "wait"
        said.append(", ".join([f"{count(total, 'request')} {verb} for you", *high]))
    if queue.reviews:
        said.append(f"{count(len(queue.reviews), 'emergency release')} to review")
    if outcomes:
        said.append(f"outcomes of {count(outcomes, 'request')} came in")
    if not said:
        return None
    begin = " · ".join(said)
    first = home.pressing(queue, SUMMARY_LINES)
    named = "; ".join(f"{line.risk.value.upper()} “{shown(line.summary, 120)}”" for line in first)
    text = (
        f"{begin}.{f' The most pressing: {named}.' if named else ''} The Home tab of this app has all of it."
    )
    blocks = [parts.lines([[parts.words(begin, bold=True)]])]
    for line in first:
        blocks += home.line_blocks(line, queue, links)
    rest = total - len(first)
    where = "The Home tab of this app and /gate queue have all of it."
    more = f"{rest:,} more. {where} " if rest > 0 else f"{where} "
    blocks.append(parts.note(f"{more}One message for many: the next one comes in a minute at the earliest."))
    return Line(clip_bytes(inert(text), MAX_FALLBACK), blocks)


def _result(view: ActionView) -> str:
    if view.execution is None or view.execution.result is None:
        return ""
    symbol, word = RESULT_WORDS[view.execution.result]
    return f" · {symbol} {word}"
