"""What the channel for escalations hears, and what it does not."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.people import Directory
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change, Intent
from gate.domain.verdict import LadderStep, OnTimeout
from tests.fakes.records import REPAGE, directory, pending, plan, verdict

TOLD = directory(escalation_channel="#alarms")


def asked(*to: str, **changes: object) -> ActionRecord:
    steps = (LadderStep(after_sec=60, to=to),)
    return pending(verdict_=verdict(risk=Risk.HIGH, plan_=plan(ladder=steps, **changes)), people=TOLD)


def after(record: ActionRecord, people: Directory = TOLD) -> tuple[ActionRecord, list[Intent]]:
    assert record.deadline is not None
    change = fire(
        record, seq=record.deadline.seq, now=record.deadline.due_at, directory=people, repage_sec=REPAGE
    )
    assert isinstance(change, Change)
    return change.record, [i for i in change.intents if i.kind == "alarm"]


def test_a_step_that_reaches_nobody_alarms() -> None:
    """INV-30"""
    empty = replace(TOLD, rotas={})
    _, (alarm,) = after(asked("oncall:primary"), empty)
    assert (alarm.channel, alarm.body["event"], alarm.body["nobody"]) == ("slack", "approval.escalated", True)
    assert alarm.body["unreached"] == ["oncall:primary nobody"]
    assert "mention" not in alarm.body


def test_a_step_with_one_target_missing_alarms_too() -> None:
    """INV-30: somebody was called, and somebody who was meant was not."""
    _, (alarm,) = after(asked("assignees", "group:none"))
    assert alarm.body["unreached"] == ["group:none nobody"]
    assert "nobody" not in alarm.body


def test_a_step_that_reaches_everybody_alarms_nobody() -> None:
    assert after(asked("assignees", "oncall:primary"))[1] == []


def test_a_request_held_past_its_time_alarms_and_one_that_expires_does_not() -> None:
    """INV-29"""
    held, _ = after(asked("assignees", on_timeout=OnTimeout.HOLD))
    _, (alarm,) = after(held)
    assert alarm.body["event"] == "approval.sla_breach"
    denied, _ = after(asked("assignees", on_timeout=OnTimeout.DENY))
    assert after(denied)[1] == []


def test_without_a_channel_for_it_there_is_no_alarm() -> None:
    silent = replace(TOLD, rotas={}, escalation_channel=None)
    assert after(asked("oncall:primary"), silent)[1] == []
