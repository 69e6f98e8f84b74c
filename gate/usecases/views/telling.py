"""What is told of an action: line by line in a card's thread, and as the story of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.domain.action import Json
from gate.usecases.views.people import PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadEvent:
    """One thing to tell in a card's thread. `kind` is an audit kind; `words` are already plain and safe to format.

    `mention` are people to be pinged with it.
    """

    action_id: str
    kind: str
    at: datetime
    who: PersonRef | None
    detail: Mapping[str, Json] = field(default_factory=dict[str, Json])
    mention: tuple[PersonRef, ...] = ()
    on_behalf_of: PersonRef | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChapterLine:
    """One thing told of a decision; `label` says what it is."""

    label: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """What belongs together in the story of a decision, in the order in which it is asked for."""

    title: str
    lines: tuple[ChapterLine, ...]
