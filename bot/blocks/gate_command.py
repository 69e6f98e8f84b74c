"""Knows what `/gate` answers, and the one form in which every refusal is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot import ids
from bot.blocks import home, parts
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import between, count, utc
from gate.usecases.views import OnCallLine, QueueView

Json = dict[str, Any]

MAX_LINES = 15
MAX_FALLBACK = 3_800
_COMMANDS = (
    ("queue", "what waits for you, the most pressing first"),
    ("delegate", "let somebody decide for you for a while"),
    ("oncall", "who is on call now, and who is next"),
    ("revoke", "take back a release that was not used yet"),
    ("break-glass", "release one request in an emergency; supervisors are called and review it"),
    ("report", "what waits, how it went, and how you review"),
    ("policy", "which policy decides, and what it says about people"),
    ("history", "the story of one decision: `history act_…`"),
    ("help", "this list"),
)


def queue_message(queue: QueueView, links: Mapping[str, str] | None = None) -> Line:
    """`/gate queue`: the first lines of the queue, each with a button that opens it."""
    if not queue.mine:
        return _plain("Nothing waits for you.")
    text = f"{home.waiting(queue)} waiting for you."
    blocks = [parts.lines([[parts.words(text, bold=True)]])]
    for line in home.pressing(queue, MAX_LINES):
        blocks.append(parts.divider())
        blocks += home.line_blocks(line, queue, links or {})
    rest = queue.more + max(0, len(queue.mine) - MAX_LINES)
    if rest:
        blocks.append(parts.note(f"… and {count(rest, 'more', 'more')}, in the Home tab of this app."))
    return Line(clip_bytes(inert(text), MAX_FALLBACK), blocks)


def oncall_message(lines: Sequence[OnCallLine], now: datetime) -> Line:
    """`/gate oncall`: every rota with who has it, until when, and who is next."""
    if not lines:
        return _plain("No on-call rota is set up. Rotas are written in people.yaml, under on_call.")
    said: list[str] = []
    paragraphs: list[list[Json]] = []
    for line in lines[:50]:
        rota = shown(line.rota, 80)
        if line.person is None:
            said.append(f"{rota}: nobody")
            paragraphs.append([parts.words(rota, bold=True), parts.words(": ▲ nobody is on call")])
            continue
        told = [
            parts.words(rota, bold=True),
            parts.words(": "),
            parts.words(parts.name(line.person), bold=True),
        ]
        said.append(f"{rota}: {parts.name(line.person)}{f' until {utc(line.until)}' if line.until else ''}")
        if line.until is not None:
            left = f" · {between(now, line.until)} more, until "
            told += [parts.words(left), parts.when(line.until)]
        if line.next_person is not None:
            told.append(parts.words(f" · then {parts.name(line.next_person)}"))
        paragraphs.append(told)
    return Line(
        clip_bytes(inert("On call. " + "; ".join(said) + "."), MAX_FALLBACK), [parts.lines(paragraphs)]
    )


def help_message() -> Line:
    """`/gate help`, and the answer to a word that is not known."""
    text = "; ".join(f"{ids.COMMAND} {name}: {what}" for name, what in _COMMANDS)
    paragraphs = [[parts.words("Signoff asks you before an agent acts.", bold=True)]]
    paragraphs += [
        [parts.words(f"{ids.COMMAND} {name}", code=True), parts.words(f"  {what}")]
        for name, what in _COMMANDS
    ]
    paragraphs.append(
        [parts.words("Requests stand as cards in their channel and in the Home tab of this app.")]
    )
    return Line(f"{text}.", [parts.lines(paragraphs)])


def refusal_message(sentence: str) -> Line:
    """Why a click or a form had no effect, in one sentence; its code is for the log."""
    told = shown(sentence, 1_500)
    blocks = [parts.lines([[parts.words("Not done. ", bold=True), parts.words(told)]])]
    return Line(clip_bytes(inert(f"Not done. {told}"), MAX_FALLBACK), blocks)


def done_message(sentence: str) -> Line:
    """That a click or a form took effect, in one sentence."""
    return _plain(sentence)


def _plain(sentence: str) -> Line:
    told = shown(sentence, 1_500)
    return Line(clip_bytes(inert(told), MAX_FALLBACK), [parts.lines([[parts.words(told)]])])
