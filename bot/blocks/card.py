"""Knows the card: what stands where, what fits, and which buttons there are; how each part reads is its own file's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from bot import ids
from bot.blocks import asking, emergency, facts, masks, parts, progress, shredded
from bot.blocks.lookalikes import notices
from bot.blocks.messages import CardMessage
from bot.blocks.payload import Excerpt, excerpt
from bot.blocks.text import clip_bytes, inert, shown, trimmed, units
from bot.blocks.words import count, risk_word
from gate.domain.request import Status
from gate.usecases.views import ActionView

Json = dict[str, Any]

MAX_TEXT = 8_000
"""All text of a card's blocks, in UTF-16 units."""
MAX_FALLBACK = 3_800
"""Bytes of the fallback text; `chat.update` refuses past about 4,000."""
PAYLOAD_UNITS = 2_400
PAYLOAD_LINES = 30
"""How much of the payload a card shows; past it approving opens all of it first."""
_SCALES = (1.0, 0.6, 0.35)
"""Where the rest of a card is too long its texts are cut harder, the payload's part never."""


def card(view: ActionView) -> CardMessage:
    """The card of an action in its present state; a decided one has no buttons."""
    shown_payload = _excerpt(view)
    blocks: list[Json] = []
    for scale in _SCALES:
        blocks = list(_blocks(view, shown_payload, scale))
        if text_units(blocks) <= MAX_TEXT:
            break
    return CardMessage(text=fallback(view), blocks=blocks, metadata=ids.card_metadata(view.action_id))


def needs_full_view(view: ActionView) -> bool:
    """Whether the card could not show the whole payload, so that approving must first open all of it (threat 3)."""
    return not _excerpt(view).whole


def fallback(view: ActionView) -> str:
    """The message's `text`: what notifications show and screen readers say; action, risk and asker stand in it."""
    if view.status is Status.PENDING:
        return clip_bytes(inert(asking.plain_fallback(view)), MAX_FALLBACK)
    return clip_bytes(
        inert(
            f"{progress.ended(view)}: “{shown(view.summary, 600)}”, asked by {shown(view.agent_name, 80)} "
            f"(team {shown(view.agent_team, 80)}), {view.risk.value.upper()} risk."
        ),
        MAX_FALLBACK,
    )


def text_units(value: Any) -> int:
    """The size of everything a reader sees in blocks, in UTF-16 units."""
    if isinstance(value, dict):
        found = cast("Json", value)
        text = found.get("text")
        own = units(text) if isinstance(text, str) else 0
        return own + sum(text_units(inner) for inner in found.values())
    if isinstance(value, list):
        return sum(text_units(inner) for inner in cast("list[Any]", value))
    return 0


def _excerpt(view: ActionView) -> Excerpt:
    return excerpt(view.payload, max_units=PAYLOAD_UNITS, max_lines=PAYLOAD_LINES)


def _blocks(view: ActionView, payload: Excerpt, scale: float) -> Iterator[Json]:
    yield parts.header(asking.headline(view))
    if asking.summary_is_cut(view):
        yield parts.rich(parts.quote(parts.words(shown(view.summary, int(600 * scale)))))
    if view.emergency is not None:
        yield parts.lines(emergency.banner(view, limit=int(1_000 * scale)))
    lines = [asking.asker(view, scale=scale), asking.stopped_by(view, scale=scale)]
    first = asking.time_left(view) if view.status is Status.PENDING else _risk(view)
    yield parts.lines([first, *lines])
    if view.shredded is not None:
        yield parts.lines([shredded.said(view)])
    else:
        yield from _payload(view, payload)
    if view.hides:
        yield parts.lines([masks.said(view)])
    yield from _warnings(view, scale)
    if view.changes:
        editor = f" by {parts.name(view.edits[-1].editor)}" if view.edits else ""
        title = parts.words(f"Edited{editor}, version {view.version}, against what was proposed", bold=True)
        yield parts.lines([[title], *progress.changes(view.changes, limit=int(90 * scale))])
    rows = facts.rows(view, scale=scale)
    if rows:
        yield parts.lines(rows)
    yield parts.lines([facts.known(view)])
    words = facts.rationale(view, int(600 * scale))
    if words:
        yield parts.rich(words)
    if view.status is Status.PENDING:
        yield parts.lines(progress.needs(view))
        yield parts.actions(*_buttons(view, payload), block_id=ids.buttons_block(view.version))
    else:
        yield parts.lines(progress.state(view))
    if view.joined:
        answers = "answers" if view.status is Status.PENDING else "answered"
        yield parts.note(
            f"Asked {count(view.joined + 1, 'time', 'times')}: one decision {answers} all of them"
        )
    yield parts.note(_footer(view))


def _risk(view: ActionView) -> list[Json]:
    return [parts.words(f"{risk_word(view.risk)} risk", bold=True)]


def _payload(view: ActionView, payload: Excerpt) -> Iterator[Json]:
    verb = "Would run" if view.status is Status.PENDING else "Payload of"
    said = "" if payload.whole else ", its beginning"
    said += (
        f", but for {count(view.masks, 'masked value', 'masked values')}" if view.hides and view.masks else ""
    )
    heading = parts.line(
        parts.words(f"{verb} "),
        parts.words(asking.what_runs(view), bold=True),
        parts.words(f" with exactly this{said}:" if view.status is Status.PENDING else f"{said}:"),
    )
    yield parts.rich(heading, parts.pre(payload.text or "…"))
    if not payload.whole:
        rest = f", {payload.rest_lines:,} more lines" if payload.rest_lines else ""
        opens = " Approving opens all of it first." if view.status is Status.PENDING else ""
        yield parts.lines(
            [
                [
                    parts.words("⚠ Not all of it is shown", bold=True),
                    parts.words(f": {view.payload_bytes:,} bytes in all{rest}.{opens}"),
                ]
            ]
        )


def _warnings(view: ActionView, scale: float) -> Iterator[Json]:
    found = notices(view.payload, ("Summary", view.summary), ("Agent's reasons", view.rationale))
    if found:
        lines = [[parts.words("⚠ Not what it looks like", bold=True)]]
        yield parts.lines(lines + [[parts.words(trimmed(text, int(180 * scale)))] for text in found])


def _buttons(view: ActionView, payload: Excerpt) -> Iterator[Json]:
    value = ids.card_value(view.action_id, view.version)
    approve = "Approve" if payload.whole else "Review all & approve"
    if view.version > 1:
        approve += f" version {view.version}"
    labels = {
        ids.APPROVE: (approve, "primary"),
        ids.EDIT: ("Edit", None),
        ids.REJECT: ("Reject", "danger"),
        ids.DETAILS: ("Details", None),
        ids.REASSIGN: ("Reassign", None),
    }
    for action in ids.CARD_ACTIONS:
        if action == ids.DETAILS or action in view.allow:
            text, style = labels[action]
            label = f"{text}: {shown(view.summary, 70 - len(text))}"
            yield parts.button(text, action, value, style=style, label=label)
    if view.hides:
        yield masks.show_button(view.action_id, view.version)


def _footer(view: ActionView) -> str:
    digest = view.policy_digest.removeprefix("sha256:")[:12]
    found = f"{view.action_id} · version {view.version} · payload {view.payload_sha256[:12]}"
    tags = facts.tags(view)
    version = shown(view.policy_version, 40)
    return trimmed(f"{found} · policy {version} {digest}" + (f" · {tags}" if tags else ""), 600)
