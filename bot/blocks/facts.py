"""Knows how evidence, claims and the gate's own knowledge are told apart: what Signoff read or counted, and what
rests on the agent's word."""

from __future__ import annotations

from typing import Any

from bot.blocks import parts
from bot.blocks.text import shown
from bot.blocks.words import FACT_LABELS, TONE_WORDS, amount, count, listed
from gate.usecases.views import ActionView, EvidenceView

Json = dict[str, Any]
Line = list[Json]

CARD_ROWS = 8
"""Rows of evidence on the card; the rest is in the details, and the card says so."""
LOW_CONFIDENCE = 0.8
"""Below it a stated confidence is marked with care; only how it looks, never a decision."""


_SEVERITY = ("red", "amber", "emerald", "blue", "slate")
"""What a reviewer must not miss comes first; of one tone the order stays as it was sent."""


def _row(tone: str, label: str, value: str, *, scale: float = 1.0, whole: bool = False) -> Line:
    symbol, word = TONE_WORDS.get(tone, TONE_WORDS["slate"])
    limit = 1_500 if whole else int(140 * scale)
    return [
        parts.words(f"{symbol} {word}", bold=True),
        parts.words(f"  {shown(label, 200 if whole else int(48 * scale))}: {shown(value, limit)}"),
    ]


def _evidence_row(item: EvidenceView, *, scale: float, whole: bool) -> Line:
    value = f"{item.value}  ({item.url})" if item.url else item.value
    return _row(item.tone, item.label, value, scale=scale, whole=whole)


def _facts(view: ActionView) -> list[tuple[bool, str, str, str]]:
    """(claimed, tone, label, value) of each effective fact that is known."""
    care = view.confidence is not None and view.confidence < LOW_CONFIDENCE
    known = (
        ("slate", "amount_usd", None if view.amount_usd is None else amount(view.amount_usd)),
        ("slate", "affected_users", None if view.affected_users is None else f"{view.affected_users:,}"),
        (
            "amber" if care else "slate",
            "confidence",
            None if view.confidence is None else f"{view.confidence:g}",
        ),
        ("slate", "anomaly_score", None if view.anomaly_score is None else f"{view.anomaly_score:g}"),
        ("amber", "retry_count", str(view.retry_count) if view.retry_count else None),
    )
    return [
        (fact in view.claimed, tone, FACT_LABELS[fact], value)
        for tone, fact, value in known
        if value is not None
    ]


def rows(view: ActionView, *, scale: float = 1.0, limit: int | None = CARD_ROWS) -> list[Line]:
    """Evidence and facts as lines under two headings; `limit` None gives all of them, whole."""
    whole = limit is None
    found = [(not e.by_gate, e.tone, _evidence_row(e, scale=scale, whole=whole)) for e in view.evidence]
    plain: dict[bool, list[str]] = {False: [], True: []}
    for claimed, tone, label, value in _facts(view):
        if tone == "slate":
            plain[claimed].append(f"{label}: {value}")
        else:
            found.append((claimed, tone, _row(tone, label, value)))
    found.sort(key=lambda row: (row[0], _severity(row[1])))
    kept = found if limit is None else found[: int(limit * scale)]
    lines: list[Line] = []
    for claimed, heading in (
        (False, "Read or derived by Signoff"),
        (True, f"Claimed by {shown(view.agent_name, 60)}, not checked"),
    ):
        group = [row for is_claim, _, row in kept if is_claim is claimed]
        if plain[claimed]:
            group.append([parts.words("• note", bold=True), parts.words(f"  {' · '.join(plain[claimed])}")])
        if group:
            lines += [[parts.words(heading, italic=True)], *group]
    if len(found) > len(kept):
        lines.append([parts.words(f"… and {len(found) - len(kept):,} more in the details")])
    return lines


def _severity(tone: str) -> int:
    return _SEVERITY.index(tone) if tone in _SEVERITY else len(_SEVERITY)


def known(view: ActionView) -> list[Json]:
    """One line: what the gate itself remembers of this agent and topic."""
    history = view.history
    said: list[str] = []
    if history.first_time:
        said.append("the first action of its kind by this agent")
    if history.total:
        ends = [
            f"{number:,} {word}"
            for number, word in (
                (history.approved, "approved"),
                (history.rejected, "rejected"),
                (history.allowed, "allowed by policy"),
            )
            if number
        ]
        said.append(f"{history.total:,} like it in 30 days: {listed(ends) if ends else 'none was decided'}")
    elif not history.first_time:
        said.append("none like it in 30 days")
    said += _amount_against_range(view)
    return [parts.words("Signoff", bold=True), parts.words(": " + " · ".join(said or ["nothing known"]))]


def _amount_against_range(view: ActionView) -> list[str]:
    low, high = view.history.amount_low, view.history.amount_high
    if view.amount_usd is None or low is None or high is None:
        return []
    usual = f"{amount(low)} to {amount(high)}" if low != high else amount(low)
    if view.amount_usd > high:
        return [f"▲ amount {amount(view.amount_usd)}, so far {usual}"]
    if view.amount_usd < low:
        return [f"amount {amount(view.amount_usd)}, so far {usual}"]
    return [f"amount as usual, {usual}"]


def rationale(view: ActionView, limit: int) -> Json | None:
    """A quote of the agent's own reasons, marked as such; None where it gave none."""
    if not view.rationale:
        return None
    return parts.quote(
        parts.words(f"{shown(view.agent_name, 60)} says: ", bold=True),
        parts.words(shown(view.rationale, limit, newlines=True)),
    )


def tags(view: ActionView) -> str:
    """Risk tags and labels on one line; empty where there are none."""
    found = [shown(tag, 40) for tag in view.risk_tags[:8]]
    found += [f"{shown(key, 30)}={shown(value, 40)}" for key, value in list(view.labels.items())[:6]]
    rest = len(view.risk_tags) + len(view.labels) - len(found)
    return ", ".join(found) + (f" and {count(rest, 'more', 'more')}" if rest > 0 else "")
