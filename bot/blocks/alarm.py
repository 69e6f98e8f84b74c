"""Knows the line in the channel for escalations; what happened is told as in the thread, to nobody in particular."""

from __future__ import annotations

from bot.blocks import parts, progress
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.thread import MAX_FALLBACK, sentence
from bot.blocks.words import risk_word
from gate.domain.request import Status
from gate.usecases.views import ActionView, ThreadEvent


def alarm_line(event: ThreadEvent, view: ActionView, link: str | None) -> Line:
    """`link` is the card's permalink, None where it cannot be had. A late one says how it ended meanwhile."""
    told = sentence(event, view)
    old = view.status is not Status.PENDING and event.kind != "approval.break_glass"
    since = f" Since then: {progress.ended(view)}." if old else ""
    what = f"{risk_word(view.risk)} · {shown(view.summary, 300)}"
    first = [parts.words("⚠ "), parts.words(told, bold=True), parts.words(since)]
    second = [parts.words(f"{what} · asked by {shown(view.agent_name, 80)} ")]
    url = parts.web_address(link)
    if url is not None:
        second.append({"type": "link", "url": url, "text": "Open the card"})
    text = clip_bytes(inert(f"{told}{since} {what}"), MAX_FALLBACK)
    return Line(text, [parts.lines([first, second])])
