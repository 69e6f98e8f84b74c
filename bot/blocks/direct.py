"""Knows the direct message that asks one person to look, and leaves everything else to the card it leads to."""

from __future__ import annotations

from typing import Any

from bot import ids
from bot.blocks import asking, parts, progress
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import RESULT_WORDS, risk_word
from gate.usecases.views import ActionView, PersonRef, Status

Json = dict[str, Any]

MAX_FALLBACK = 3_800
_WHY = {
    "asked": "You are asked to decide",
    "escalated": "Escalated to you: nobody has decided yet",
    "outcome": "Something you decided has an outcome",
}


def direct_message(view: ActionView, why: str, link: str | None, grantor: PersonRef | None = None) -> Line:
    """`why` is `asked`, `escalated` or `outcome`; `link` is the card's permalink, None where it cannot be had;
    `grantor` is for whom the reader may decide, where not in their own right.

    Both buttons work from the message: one opens the card, one the details.
    """
    begin = _WHY.get(why, "About a request you were asked for")
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
    return Line(clip_bytes(inert(text), MAX_FALLBACK), [parts.lines(paragraphs), parts.actions(*buttons)])


def _result(view: ActionView) -> str:
    if view.execution is None or view.execution.result is None:
        return ""
    symbol, word = RESULT_WORDS[view.execution.result]
    return f" · {symbol} {word}"
