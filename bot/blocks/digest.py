"""Knows the message that stands for many requests of one agent: a line and buttons for the most pressing, counts for
the rest; what one of them would run in full is shown when it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot import ids
from bot.blocks import parts, progress
from bot.blocks.card import MAX_FALLBACK, MAX_TEXT, text_units
from bot.blocks.messages import CardMessage
from bot.blocks.text import clip_bytes, head, inert, shown
from bot.blocks.words import STATE_WORDS, amount, count, risk_word, utc
from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.usecases.views import DigestItem, DigestView

Json = dict[str, Any]

ITEMS = 12
_SCALES = (1.0, 0.6, 0.3, 0.15)
DATES = 800
"""Room for what Slack writes itself: a time for every request, and names of people mentioned."""
_HIGHEST_FIRST = tuple(sorted(Risk, key=lambda risk: -risk.rank))


def digest(view: DigestView) -> CardMessage:
    """The digest in its present state; where nothing waits any more it has no buttons."""
    blocks: list[Json] = []
    for scale in _SCALES:
        blocks = list(_blocks(view, scale))
        if text_units(blocks) <= MAX_TEXT - DATES:
            break
    return CardMessage(text=_fallback(view), blocks=blocks, metadata=ids.digest_metadata(view.digest_id))


def _blocks(view: DigestView, scale: float) -> Iterator[Json]:
    yield parts.header(_headline(view))
    yield parts.lines(list(_opening(view)))
    for item in view.items[:ITEMS]:
        yield parts.divider()
        yield parts.lines(_item(item, view, scale))
        yield parts.actions(*_buttons(item), block_id=f"item:{item.action_id}")
    if view.items:
        yield parts.divider()
    left = view.pending - min(len(view.items), ITEMS)
    if left > 0:
        yield parts.note(
            f"{left:,} more: they move up here as these are decided. "
            "The Home tab of this app and /gate queue show those that wait for you."
        )
    if view.pending:
        yield parts.note(
            "One message for many requests, because they came within a minute. Review opens all there is to read, "
            f"and decides that one only. · {view.digest_id}"
        )


def _headline(view: DigestView) -> str:
    who = head(view.agent_name, 60).text
    if not view.pending:
        return f"✓ Nothing waits any more: {count(sum(view.by_status.values()), 'request')} of {who}"
    verb = "waits" if view.pending == 1 else "wait"
    by_risk = [f"{view.waiting[r]:,} {r.value}" for r in _HIGHEST_FIRST[:2] if view.waiting.get(r)]
    late = [f"{view.overdue:,} overdue"] if view.overdue else []
    return " · ".join([f"{count(view.pending, 'request')} of {who} {verb}", *by_risk, *late])


def _opening(view: DigestView) -> Iterator[list[Json]]:
    team = [parts.words(f"Team {shown(view.agent_team, 80)}")]
    ended = _ended(view)
    if ended:
        team.append(parts.words(f" · {ended}"))
    if view.pending and view.next_due is not None:
        label = " · ⏰ Overdue since: " if view.next_due <= view.now else " · ⏳ Next due: "
        team += [parts.words(label), parts.when(view.next_due, parts.COUNTDOWN)]
    if view.pending:
        team.append(parts.words(" · the bold lines are in the agent's words"))
    yield team
    if view.pending and (view.mentioned or view.asked):
        asked = [parts.words("Asked:"), *progress.people(view.mentioned)]
        others = [parts.name(person) for person in view.asked[:12]]
        more = f" and {len(view.asked) - 12:,} more" if len(view.asked) > 12 else ""
        if others:
            asked.append(parts.words(f"{',' if view.mentioned else ''} {', '.join(others)}{more}"))
        yield asked


def _ended(view: DigestView) -> str:
    """`12 approved, 1 rejected, 3 expired`; empty while everything waits."""
    found = [
        f"{view.by_status[status]:,} {STATE_WORDS[status][1].lower()}"
        for status in (Status.APPROVED, Status.REJECTED, Status.EXPIRED, Status.CANCELLED)
        if view.by_status.get(status)
    ]
    return ", ".join(found)


def _item(item: DigestItem, view: DigestView, scale: float) -> list[list[Json]]:
    """Two or three lines; what the agent wrote stands in pieces that Slack does not parse."""
    name = shown(item.runs, int(80 * scale))
    where = f" in {shown(item.environment, int(30 * scale))}" if item.environment else ""
    value = f" · amount {amount(item.amount_usd)}" if item.amount_usd is not None else ""
    trigger = f" ({shown(item.trigger, int(110 * scale))})" if item.trigger else ""
    rule = f" · stopped by {shown(item.rule, int(60 * scale))}{trigger}"
    agreed = f" · ✓ {item.approvals} of {item.quorum} agreed" if item.approvals else ""
    needs = f" · needs {count(item.quorum, 'person', 'people')}" if item.quorum > 1 and not agreed else ""
    return [
        [
            parts.words(f"{risk_word(item.risk)} · ", bold=True),
            parts.words(shown(item.summary, int(160 * scale)), bold=True),
        ],
        [*_time(item, view), parts.words(f" · would run {name}{where}{value}{rule}{agreed}{needs}")],
    ]


def _time(item: DigestItem, view: DigestView) -> list[Json]:
    if item.sla_at is None:
        return [parts.words("No deadline")]
    late = item.held or item.sla_at <= view.now
    label = parts.words("⏰ Overdue since ", bold=True) if late else parts.words("⏳ ")
    return [label, parts.when(item.sla_at, parts.COUNTDOWN)]


def _buttons(item: DigestItem) -> Iterator[Json]:
    """The same buttons as on a card; approving always opens the whole payload first (threats 2 and 3)."""
    value = ids.card_value(item.action_id, item.version)
    for action, text in (
        (ids.APPROVE, "Review & approve"),
        (ids.REJECT, "Reject"),
        (ids.DETAILS, "Details"),
    ):
        if action != ids.DETAILS and action not in item.allow:
            continue
        label = f"{text}: {shown(item.summary, 70 - len(text))}"
        yield parts.button(text, action, value, label=label)  # a dozen coloured buttons call out nothing


def _fallback(view: DigestView) -> str:
    """What notifications show and screen readers say."""
    if not view.pending:
        return clip_bytes(inert(f"{_headline(view)}: {_ended(view)}."), MAX_FALLBACK)
    due = f" Next due {utc(view.next_due)}." if view.next_due is not None else ""
    first = "; ".join(f"{item.risk.value.upper()} “{shown(item.summary, 120)}”" for item in view.items[:5])
    return clip_bytes(
        inert(f"{_headline(view)} (team {shown(view.agent_team, 80)}) for approval.{due} First: {first}."),
        MAX_FALLBACK,
    )
