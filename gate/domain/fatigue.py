"""When somebody approved so much without a break that they should take one; what they decided is not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from gate.domain.care import Care
from gate.domain.refusal import Refused


def cooling_until(approvals: Sequence[datetime], care: Care) -> datetime | None:
    """The end of the break that somebody's latest approvals make, the newest first; None where they make none.

    `care.cooldown_after` approvals of which none came `care.cooldown_sec` or more after the one before it make a
    break of that length. It may be over by now.
    """
    enough = care.cooldown_after
    if enough is None or len(approvals) < enough:
        return None
    streak, pause = approvals[:enough], timedelta(seconds=care.cooldown_sec)
    if any(later - earlier >= pause for later, earlier in pairwise(streak)):
        return None
    return streak[0] + pause


def resting(approvals: Sequence[datetime], care: Care, now: datetime) -> Refused | None:
    """Why somebody with these latest approvals should not approve one more now; None where they may."""
    until = cooling_until(approvals, care)
    if until is None or now >= until:
        return None
    end = until.astimezone(UTC)
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + timedelta(minutes=1)  # never a moment too early
    when = f"{end:%H:%M} UTC" if end.date() == now.astimezone(UTC).date() else f"{end:%Y-%m-%d at %H:%M} UTC"
    return Refused(
        code="cooldown",
        sentence=f"You have approved {care.cooldown_after} requests without a break; please pause until {when}. "
        "Others can decide meanwhile, and you can still reject.",
    )
