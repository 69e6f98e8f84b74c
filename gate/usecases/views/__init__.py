"""Frozen read models for whoever shows things to people; they hold words, times and numbers, no rules."""

from __future__ import annotations

from gate.usecases.views.action import (
    ActionView,
    ChangeView,
    DecisionView,
    EditView,
    EmergencyView,
    EvidenceView,
    ExecutionView,
    GlassView,
    HistoryView,
    ReassignmentView,
    ShreddedView,
    SlotView,
    StandInView,
    VoteView,
)
from gate.usecases.views.digest import DigestItem, DigestView
from gate.usecases.views.people import DelegationView, PersonRef
from gate.usecases.views.queue import (
    DecidedLine,
    OnCallLine,
    QueueLine,
    QueueView,
    ReleaseLine,
    ReviewLine,
    UnknownLine,
)
from gate.usecases.views.telling import Chapter, ChapterLine, ThreadEvent

__all__ = [
    "ActionView",
    "ChangeView",
    "Chapter",
    "ChapterLine",
    "DecidedLine",
    "DecisionView",
    "DelegationView",
    "DigestItem",
    "DigestView",
    "EditView",
    "EmergencyView",
    "EvidenceView",
    "ExecutionView",
    "GlassView",
    "HistoryView",
    "OnCallLine",
    "PersonRef",
    "QueueLine",
    "QueueView",
    "ReassignmentView",
    "ReleaseLine",
    "ReviewLine",
    "ShreddedView",
    "SlotView",
    "StandInView",
    "ThreadEvent",
    "UnknownLine",
    "VoteView",
]
