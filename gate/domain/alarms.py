"""What whoever runs the gate hears in the channel for escalations: that people could not be reached, or waited too
long, or were not waited for."""

from __future__ import annotations

from datetime import datetime

from gate.domain.action import Json
from gate.domain.people import Directory
from gate.domain.transitions import Intent


def alarm(event: str, directory: Directory, now: datetime, **body: Json) -> tuple[Intent, ...]:
    """One line in people.yaml's `channels.escalations` about a transition (`event` is its audit kind) with a link to
    the card; nothing where there is no such channel. It mentions nobody: those concerned are told by other ways."""
    if directory.escalation_channel is None:
        return ()
    at = int(now.timestamp() * 1_000_000)
    return (Intent(channel="slack", kind="alarm", body={"event": event, "at": at, "person": None} | body),)
