"""What becomes of a submitted form: errors at its fields, another view in its place, or closed with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.answering.answers import Said


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldErrors:
    """The form stays open; block id of an input -> what is wrong with it. Never empty."""

    errors: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Replaced:
    """Another view takes the form's place."""

    view: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """Every form is closed, and the person is told."""

    said: Said


FormOutcome = FieldErrors | Replaced | Closed


def acknowledgement(outcome: FormOutcome) -> dict[str, Any]:
    """What Slack is answered within its three seconds."""
    match outcome:
        case FieldErrors(errors=errors):
            return {"response_action": "errors", "errors": {b: e[:2_000] for b, e in errors.items()}}
        case Replaced(view=view):
            return {"response_action": "update", "view": dict(view)}
        case Closed():
            return {"response_action": "clear"}
