"""Reads the inputs of a submitted form; whether what they hold is acceptable is for the use-case to say."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.payloads import Submission


def typed(submission: Submission, name: str) -> str | None:
    """What was typed into the input of this name; None where it was left empty."""
    value = submission.view.values.get(name, {}).get(name, {})
    text = value.get("value") if isinstance(value, dict) else None
    return text.strip() or None if isinstance(text, str) else None


def chosen(submission: Submission, name: str) -> str | None:
    """The value of the option chosen in the select of this name."""
    value = submission.view.values.get(name, {}).get(name, {})
    option = value.get("selected_option") if isinstance(value, dict) else None
    picked = option.get("value") if isinstance(option, dict) else None
    return picked if isinstance(picked, str) else None


def all_chosen(submission: Submission, name: str) -> tuple[str, ...]:
    """The values of the options chosen in the multi-select of this name, each once."""
    value = submission.view.values.get(name, {}).get(name, {})
    options = value.get("selected_options") if isinstance(value, dict) else None
    picked = [o.get("value") for o in options if isinstance(o, dict)] if isinstance(options, list) else []
    return tuple(dict.fromkeys(p for p in picked if isinstance(p, str)))


def instant(submission: Submission, name: str) -> datetime | None:
    """The instant picked in the date-time picker of this name; None where there is none, or none that can be."""
    value = submission.view.values.get(name, {}).get(name, {})
    stamp = value.get("selected_date_time") if isinstance(value, dict) else None
    if type(stamp) is not int or not 0 <= stamp < 10**10:
        return None
    return datetime.fromtimestamp(stamp, UTC)
