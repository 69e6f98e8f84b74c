"""Knows the Home tab: what waits for one person, the most pressing first, and what they decided lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot import ids
from bot.blocks import delegation, emergency, parts
from bot.blocks.report import own_blocks
from bot.blocks.text import shown
from bot.blocks.words import STATE_WORDS, count, risk_word
from gate.usecases.reports import ReviewerLine
from gate.usecases.views import DecidedLine, QueueLine, QueueView, UnknownLine

Json = dict[str, Any]

MAX_LINES = 23  # three blocks each, of the 100 a Home takes
MAX_DECIDED = 10
MAX_UNKNOWN = 4
_HELP = "Type /gate help anywhere: there are more commands than there is room for here."


def home(
    queue: QueueView, links: Mapping[str, str] | None = None, reviewing: ReviewerLine | None = None
) -> Json:
    """The view for `views.publish`; `links` are permalinks of cards by action id, where they are known,
    `reviewing` the person's own figures."""
    first = [*emergency.home_blocks(queue.reviews, links or {}), *unknown_blocks(queue.unknown, links or {})]
    room = MAX_LINES - -(-len(first) // 3)  # what somebody has to look at stands before all else
    blocks = [*first, parts.header("Waiting for you"), parts.note(waiting(queue))]
    if not queue.mine:
        blocks.append(
            parts.lines(
                [[parts.words("Nothing waits for you. ", bold=True), parts.words("Enjoy the quiet.")]]
            )
        )
    for line in pressing(queue, room):
        blocks += [parts.divider(), *line_blocks(line, queue, links or {})]
    rest = queue.more + max(0, len(queue.mine) - room)
    if rest:
        blocks.append(parts.note(f"… and {rest:,} more; they move up as you decide."))
    if queue.decided:
        blocks += [parts.divider(), parts.header("Decided lately")]
        blocks.append(parts.lines(decided_lines(queue.decided[:MAX_DECIDED])))
    if reviewing is not None:
        blocks += [parts.divider(), *own_blocks(reviewing)]
    blocks += [*delegation.home_blocks(queue.delegations, queue.person), parts.divider()]
    blocks += [parts.actions(delegation.delegate_button()), parts.note(_HELP)]
    return {"type": "home", "blocks": blocks}


def unknown_blocks(found: Sequence[UnknownLine], links: Mapping[str, str]) -> list[Json]:
    """What the reader's own agents began and nobody knows the end of."""
    if not found:
        return []
    verb = "has an unknown outcome" if len(found) == 1 else "have unknown outcomes"
    blocks = [parts.header("Somebody has to look")]
    blocks.append(
        parts.note(f"{count(len(found), 'execution')} of your agents {verb}. Nothing is issued again.")
    )
    for line in found[:MAX_UNKNOWN]:
        label = f"Open: {shown(line.summary, 60)}"
        value = ids.card_value(line.action_id, line.version)
        button = parts.button("Open", ids.OPEN_QUEUE_ITEM, value, label=label)
        title = f"? {risk_word(line.risk)} · {shown(line.summary, 280)}"
        told = [parts.words(f"{shown(line.agent_name, 80)} · outcome unknown since "), parts.when(line.at)]
        link = parts.web_address(links.get(line.action_id))
        if link is not None:
            told += [parts.words(" · "), {"type": "link", "url": link, "text": "go to the card"}]
        blocks += [
            {"type": "section", "text": parts.own(title, 3_000), "accessory": button},
            parts.lines([told]),
        ]
    if len(found) > MAX_UNKNOWN:
        blocks.append(parts.note(f"… and {len(found) - MAX_UNKNOWN:,} more."))
    return [*blocks, parts.divider()]


def waiting(queue: QueueView) -> str:
    """`3 requests, 1 overdue`."""
    total = len(queue.mine) + queue.more
    late = sum(1 for line in queue.mine if overdue(line, queue))
    return f"{count(total, 'request') if total else 'No requests'}{f', {late} overdue' if late else ''}"


def overdue(line: QueueLine, queue: QueueView) -> bool:
    """Whether it waits past its time."""
    return line.held or (line.sla_at is not None and line.sla_at <= queue.now)


def in_order(queue: QueueView) -> list[QueueLine]:
    """Overdue first, then the soonest deadline, those without one last; of equals the higher risk."""
    far = float("inf")
    return sorted(
        queue.mine,
        key=lambda line: (
            not overdue(line, queue),
            line.sla_at.timestamp() if line.sla_at else far,
            -line.risk.rank,
            line.action_id,
        ),
    )


def pressing(queue: QueueView, most: int) -> list[QueueLine]:
    """At most so many lines, in order; where that is not all, the higher risks stay."""
    lines = in_order(queue)
    kept = {line.action_id for line in sorted(lines, key=lambda line: -line.risk.rank)[:most]}
    return [line for line in lines if line.action_id in kept]


def line_blocks(line: QueueLine, queue: QueueView, links: Mapping[str, str]) -> list[Json]:
    """One request: what it is with a button that opens it here, and below it how long is left, who asks, how far."""
    title = f"{risk_word(line.risk)} · {shown(line.summary, 280)}"
    label = f"Open: {shown(line.summary, 60)}"
    button = parts.button(
        "Open", ids.OPEN_QUEUE_ITEM, ids.card_value(line.action_id, line.version), label=label
    )
    told = [*_time(line, queue), parts.words(f" · {shown(line.agent_name, 80)}")]
    if line.on_behalf_of is not None:
        told.append(parts.words(f" · for {parts.name(line.on_behalf_of)}", bold=True))
    if line.quorum > 1:
        told.append(parts.words(f" · {line.approvals} of {line.quorum} agreed"))
    link = parts.web_address(links.get(line.action_id))
    if link is not None:
        told += [parts.words(" · "), {"type": "link", "url": link, "text": "go to the card"}]
    return [{"type": "section", "text": parts.own(title, 3_000), "accessory": button}, parts.lines([told])]


def _time(line: QueueLine, queue: QueueView) -> list[Json]:
    if line.sla_at is None:
        return [parts.words("no deadline")]
    if overdue(line, queue):
        return [parts.words("⏰ overdue since ", bold=True), parts.when(line.sla_at, parts.COUNTDOWN)]
    return [parts.words("⏳ decide by "), parts.when(line.sla_at, parts.COUNTDOWN)]


def decided_lines(decided: Sequence[DecidedLine]) -> list[list[Json]]:
    """What became of requests this person had a vote in."""
    lines: list[list[Json]] = []
    for item in decided:
        symbol, word = STATE_WORDS[item.status]
        line = [parts.words(f"{symbol} {word}", bold=True), parts.words(f" · {shown(item.summary, 160)} · ")]
        line.append(parts.when(item.at))
        link = parts.web_address(item.link)
        if link is not None:
            line += [parts.words(" · "), {"type": "link", "url": link, "text": "card"}]
        lines.append(line)
    return lines
