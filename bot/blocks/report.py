"""Knows how figures are said: what waits, how it went, how a person reviews; what counts as what is told elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bot.blocks import parts
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert
from bot.blocks.words import between, count, listed, risk_word, span, utc
from gate.usecases.reports import ReportView, Reviewer, ReviewerLine, Span, Waiting

Json = dict[str, Any]
Words = list[Json]

MAX_FALLBACK = 3_800
MAX_REVIEWERS = 20
"""Lines of other people; with the longest names the whole stays within the text Slack takes."""


def report_message(report: ReportView) -> Line:
    """`/gate report`: the queue, the last day, week and month, and how people review, the reader first."""
    blocks = [parts.header("Waiting now"), parts.lines(_waiting(report))]
    blocks += [parts.divider(), parts.header("How it went")]
    blocks += [parts.lines(_went(each, report)) for each in report.spans]
    if not all(each.complete for each in report.spans):
        blocks.append(
            parts.note("Too many to read them all: where it says “the newest”, those stand for the rest.")
        )
    if report.mine is not None:
        blocks += [parts.divider(), *own_blocks(report.mine)]
    blocks += [parts.divider(), parts.header("Reviewers, last 30 days"), *_others(report)]
    return Line(clip_bytes(inert(_fallback(report)), MAX_FALLBACK), blocks)


def own_blocks(mine: ReviewerLine) -> list[Json]:
    """`Your reviews, last 30 days`: the figures, and a kind word where they call for one."""
    figures = mine.figures
    blocks = [parts.header("Your reviews, last 30 days")]
    if not figures.decisions:
        return [*blocks, parts.lines([[parts.words("You have decided nothing in that time.")]])]
    said = [[parts.words(_decided(figures), bold=True), parts.words(f" · {_pace(figures)}")]]
    if figures.rubber_stamp:
        said.append(
            [
                parts.words("△ Please look at each one: ", bold=True),
                parts.words(
                    "so fast a card can hardly be read. Saying no or correcting a value is always fine, and if it is "
                    "too much, /gate delegate lets somebody help."
                ),
            ]
        )
    if mine.resting_until is not None:
        until = parts.when(mine.resting_until, parts.CLOCK)
        said.append(
            [parts.words("☕ Time for a break: ", bold=True), parts.words("you can approve again at "), until]
        )
        said[-1].append(parts.words(". Others can decide meanwhile, and you can still reject."))
    return [*blocks, parts.lines(said)]


def _waiting(report: ReportView) -> list[Words]:
    if not report.waiting:
        return [[parts.words("Nothing waits for anybody.")]]
    return [[parts.words(risk_word(each.risk), bold=True), *_open(each, report)] for each in report.waiting]


def _open(each: Waiting, report: ReportView) -> Words:
    said = [parts.words(f" · {count(each.count, 'request')} · oldest {between(each.oldest_at, report.now)}")]
    if each.overdue:
        said.append(parts.words(f" · ⏰ {each.overdue:,} overdue", bold=True))
    if each.held:
        said.append(parts.words(f" · {each.held:,} held until a person decides"))
    return said


def _went(each: Span, report: ReportView) -> list[Words]:
    newest = "" if each.complete else "the newest "
    title = f"Last {_length(each.length)}: {newest}{count(each.asked, 'request')}"
    if not each.asked:
        return [
            [
                parts.words(f"Last {_length(each.length)}: ", bold=True),
                parts.words("nobody was asked anything"),
            ]
        ]
    by_people = f" · {each.decided:,} decided by people"
    if each.decided:
        by_people += f" ({each.approved:,} approved, {each.rejected:,} rejected)"
    told = [f"{number:,} {what}" for number, what in _fates(each) if number]
    lines = [[parts.words(title, bold=True), parts.words("".join((by_people, *(f" · {t}" for t in told))))]]
    waits = [
        *_wait("median wait", each.median_wait_sec, report.care.target_median_wait_sec),
        *_wait("95 of 100 within", each.p95_wait_sec, report.care.target_p95_wait_sec),
    ]
    if waits:
        lines.append([parts.words("⏱"), *waits])
    return lines


def _fates(each: Span) -> Iterator[tuple[int, str]]:
    yield each.waiting, "still waiting"
    yield each.expired, "expired"
    yield each.timeout_allowed, "let through when time ran out (low risk)"
    yield each.emergency, "released in an emergency"
    yield each.cancelled, "taken back by the agent"
    yield each.joined, "duplicate joined" if each.joined == 1 else "duplicates joined"
    yield each.breached, "past the time to decide"
    yield each.escalations, "escalation" if each.escalations == 1 else "escalations"


def _wait(what: str, seconds: int | None, target: int | None) -> Words:
    """` · median wait 4 min (✓ within the target of 5 min)`; nothing where nothing was decided."""
    if seconds is None:
        return []
    said = [parts.words(f" {what} {_took(seconds)}")]
    if target is not None:
        over = seconds > target
        mark = f"{'▲ over' if over else '✓ within'} the target of {span(target)}"
        said += [parts.words(" ("), parts.words(mark, bold=over), parts.words(")")]
    return [*said, parts.words(" ·")] if what.startswith("median") else said


def _others(report: ReportView) -> Iterator[Json]:
    if not report.all_shown:
        yield parts.note("The figures of others are for the approvers and for who supervises emergencies.")
        return
    if not report.others:
        yield parts.lines([[parts.words("Nobody else has decided anything in that time.")]])
        return
    # Those who may need a word come first, so that no long list hides them.
    order = sorted(report.others, key=lambda each: not each.figures.rubber_stamp)
    yield parts.lines([_reviewer(each) for each in order[:MAX_REVIEWERS]])
    if len(order) > MAX_REVIEWERS:
        yield parts.note(
            f"… and {len(order) - MAX_REVIEWERS:,} more; “gate report” on the command line has all."
        )
    if not report.complete:
        yield parts.note("Too many votes to read them all; the newest stand for the rest.")


def _reviewer(line: ReviewerLine) -> Words:
    figures = line.figures
    said = [
        parts.words(parts.name(line.person), bold=True),
        parts.words(f": {_decided(figures)} · {_pace(figures)}"),
    ]
    if figures.rubber_stamp:
        said.append(parts.words(" · △ faster than a card is read: worth a friendly word", bold=True))
    if line.resting_until is not None:
        said += [parts.words(" · ☕ on a break until "), parts.when(line.resting_until, parts.CLOCK)]
    return said


def _decided(figures: Reviewer) -> str:
    """`97 of 98 approved`, and how many of them after a correction."""
    said = f"{figures.approved:,} of {figures.decisions:,} approved"
    return f"{said}, {figures.corrected:,} of them corrected first" if figures.corrected else said


def _pace(figures: Reviewer, between_them: str = " · ") -> str:
    """`median 12 s, nine of ten within 40 s · 5 with a comment`."""
    said: list[str] = []
    if figures.median_sec is not None and figures.p90_sec is not None:
        said.append(f"median {_took(figures.median_sec)}, nine of ten within {_took(figures.p90_sec)}")
    said.append(f"{figures.commented:,} with a comment" if figures.commented else "none with a comment")
    if figures.second_reviews:
        blind = count(figures.second_reviews, "blind second review")
        said.append(f"{blind}, {figures.disagreed or 'none'} in disagreement")
    return between_them.join(said)


def _took(seconds: int) -> str:
    """Seconds count while it is minutes: "within 2 min" would not be true of 150 s."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if 0 < minutes < 10 and rest else span(seconds)


def _length(length: timedelta) -> str:
    return "24 hours" if length == timedelta(days=1) else f"{length.days} days"


def _fallback(report: ReportView) -> str:
    """What screen readers say: the queue, the day, and the reader's own figures."""
    waits = [
        f"{count(each.count, 'request')} of {each.risk.value} risk"
        + (f", {each.overdue:,} overdue" if each.overdue else "")
        for each in report.waiting
    ]
    said = [f"Waiting now: {listed(waits)}." if waits else "Nothing waits for anybody."]
    said += [
        f"Last {_length(each.length)}: {each.asked:,} asked, {each.decided:,} decided by people."
        for each in report.spans
    ]
    if report.mine is not None and report.mine.figures.decisions:
        said.append(
            f"Your reviews of 30 days: {_decided(report.mine.figures)}, {_pace(report.mine.figures, ', ')}."
        )
    return f"{' '.join(said)} As of {utc(report.now)}."
