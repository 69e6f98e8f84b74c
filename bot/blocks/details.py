"""Knows everything there is to read about one action, in the order in which it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bot.blocks import asking, emergency, facts, lookalikes, masks, parts, progress, shredded
from bot.blocks.pages import line_blocks, payload_blocks
from bot.blocks.payload import brief
from bot.blocks.text import shown
from bot.blocks.words import risk_word
from gate.domain.request import Status
from gate.usecases.views import ActionView

Json = dict[str, Any]
Line = list[Json]


def opening(view: ActionView) -> Iterator[Json]:
    """What would happen, who asks, why it stopped and how long there is, as on the card."""
    yield parts.header(asking.headline(view))
    if asking.summary_is_cut(view):
        yield parts.rich(parts.quote(parts.words(shown(view.summary, 2_400))))
    risk = [parts.words(f"{risk_word(view.risk)} risk", bold=True)]
    first = asking.time_left(view) if view.status is Status.PENDING else risk
    yield parts.lines([first, asking.asker(view), asking.stopped_by(view)])


def whole_payload(view: ActionView) -> Iterator[Json]:
    """The payload, all of it, under what would run it and above what is misleading in it."""
    if view.shredded is not None:
        yield parts.lines([shredded.said(view)])
        return
    size = f" · {view.payload_bytes:,} bytes · version {view.version}"
    yield parts.lines(
        [
            [
                parts.words(f"{asking.runs(view)} "),
                parts.words(asking.what_runs(view), bold=True),
                parts.words(size),
            ]
        ]
    )
    yield from payload_blocks(view)
    yield from masks.offer(view)
    found = lookalikes.in_payload(view.payload)
    found += [f"Summary: {what}" for what in lookalikes.in_text(view.summary)]
    yield from line_blocks(
        "⚠ Not what it looks like", [[parts.words(shown_line(text))] for text in found[:200]]
    )


def shown_line(text: str) -> str:
    """A line of our own about untrusted text, which is visible in it already."""
    return parts.trimmed(text, 400)


def everything(view: ActionView) -> list[Json]:
    """All blocks of the details, to be spread over pages."""
    return [
        *opening(view),
        *line_blocks("Released in an emergency", emergency.banner(view)),
        *whole_payload(view),
        *line_blocks(
            "Edited, against what was proposed", progress.changes(view.changes, most=100, limit=400)
        ),
        *line_blocks("Evidence and facts", facts.rows(view, limit=None)),
        *line_blocks(None, [facts.known(view)]),
        *_agents_words(view),
        *line_blocks("Where it comes from", _context(view)),
        *line_blocks("Constraints for the executor", _constraints(view)),
        *line_blocks(
            "Safer ways", [[parts.words(f"• {shown(r.title, 300)}")] for r in view.remediations[:20]]
        ),
        *line_blocks(
            "Decision", progress.needs(view) if view.status is Status.PENDING else progress.state(view)
        ),
        *line_blocks("Votes", progress.votes(view)),
        *line_blocks("Edits", _edits(view)),
        *line_blocks("For the record", _record(view)),
    ]


def _agents_words(view: ActionView) -> Iterator[Json]:
    words = facts.rationale(view, 2_800)
    if words:
        yield parts.rich(words)


def _context(view: ActionView) -> list[Line]:
    told = (
        ("Workflow", view.workflow),
        ("Step", view.workflow_step),
        ("Run", view.run_id),
        ("Triggered by", view.trigger_of_run),
        ("Model", view.model),
        ("Prompt version", view.prompt_version),
        ("Original request", view.original_request),
        ("Policy flags", ", ".join(view.policy_flags)),
    )
    lines = [_pair(label, value) for label, value in told if value]
    for source in view.sources[:30]:
        named = " · ".join(
            text for text in (source.title or source.id, source.url, source.fetched_at) if text
        )
        lines.append(_pair("Source", named))
    for step in view.upstream[:30]:
        lines.append(_pair("Before", " · ".join(t for t in (step.agent, step.step, step.summary) if t)))
    for rest, noun in ((len(view.sources) - 30, "sources"), (len(view.upstream) - 30, "earlier steps")):
        if rest > 0:
            lines.append([parts.words(f"… and {rest:,} more {noun} on the record")])
    if lines:
        lines.append([parts.words(f"All of this in the words of {shown(view.agent_name, 60)}.", italic=True)])
    return lines


def _pair(label: str, value: str) -> Line:
    return [parts.words(f"{label}: ", bold=True), parts.words(shown(value, 1_200, newlines=True))]


def _constraints(view: ActionView) -> list[Line]:
    return [_pair(shown(key, 80), brief(value, 400)) for key, value in list(view.constraints.items())[:40]]


def _edits(view: ActionView) -> list[Line]:
    lines: list[Line] = []
    for edit in view.edits[-20:]:
        head = [
            parts.words(parts.name(edit.editor), bold=True),
            parts.words(f" made version {edit.version} · "),
        ]
        lines.append([*head, parts.when(edit.at)])
        if edit.comment:
            lines.append([parts.words(f"“{shown(edit.comment, 600)}”")])
        lines += progress.changes(edit.changes, most=10)
    return lines


def _record(view: ActionView) -> list[Line]:
    told = (
        ("Action", view.action_id),
        ("Topic", view.topic),
        ("Tool", view.tool or "none named"),
        ("Payload SHA-256", view.payload_sha256),
        ("Policy", f"{view.policy_version} {view.policy_digest}"),
        ("Risk tags and labels", facts.tags(view)),
    )
    lines = [_pair(label, value) for label, value in told if value]
    if view.payload_schema:
        lines.append(_pair("Payload schema", json.dumps(view.payload_schema, ensure_ascii=False)))
    return lines
