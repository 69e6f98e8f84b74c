"""Nothing that happens to a pending request loosens what policy asks for: an edit, a reload, a timer, a sum."""

from __future__ import annotations

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.policy.people import parse_people
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.deadline import fire
from tests.fakes.world import World

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@example.com}
  bo: {name: Bo Lindqvist, email: bo@example.com}
  cho: {name: Cho Minji, email: cho@example.com}
  sue: {name: Sue Park, email: sue@example.com}
  tom: {name: Tom Reyes, email: tom@example.com}
  own: {name: Owen Hart, email: own@example.com}
groups:
  finance: {members: [ana, bo]}
  support: {members: [sue]}
  desk: {members: [tom]}
  nobody-else: {members: [own]}
  approvers: {members: [cho]}
channels: {default: "#approvals"}
"""
MONEY = """
version: v1
classify:
  - {match: {topics: ["pay.*"]}, facts: {amount_usd: payload.amount}}
guardrails:
  - id: day
    match: {topics: ["pay.*"], velocity: {max: 5000, per: 1d, key: [agent], sum: amount_usd}}
    decision: deny
    reason: Too much for a day
rules:
  - id: big
    match: {topics: ["pay.*"], amount_usd_above: 1000}
    decision: require_approval
    reason: Large
    approval: {groups: [finance], sla: 30m, on_timeout: deny, escalation: [{after: 20m, to: ["group:finance"]}]}
  - id: small
    match: {topics: ["pay.*"]}
    decision: require_approval
    reason: Small
    approval: {groups: [support], sla: 30m, on_timeout: deny, escalation: [{after: 10m, to: ["group:desk"]}]}
"""
NOTES = """
version: v1
rules:
  - id: notes
    match: {topics: ["note.*"]}
    decision: require_approval
    risk: low
    reason: A note
    approval: {groups: [support], sla: 30m, on_timeout: allow}
"""


async def small(gate: World, amount: int = 10) -> ActionRecord:
    gate.source.load(MONEY, PEOPLE)
    return (await gate.propose("pay.refund", payload={"amount": amount})).record


async def timers(gate: World, record: ActionRecord) -> ActionRecord:
    """Fire every deadline that is due."""
    current = await gate.load(record.id)
    while current.deadline is not None and current.deadline.due_at <= gate.clock.now():
        fired = await fire(gate.deps, FireDeadline(action_id=record.id, seq=current.deadline.seq))
        assert isinstance(fired, Done)
        current = fired.record
    return current


async def test_nobody_brings_an_action_under_another_rule_and_decides_it_under_the_old_one(gate: World):
    """INV-10: the people whom the rule for the changed payload names decide about it, and are asked."""
    record = await small(gate)
    both = await gate.edit(record, "sue", {"amount": 4000}, approve=True)
    assert isinstance(both, Refused)
    assert both.code == "edit_refused"
    saved = await gate.edit(record, "sue", {"amount": 4000})
    assert isinstance(saved, Done)
    assert saved.record.asked == ("sue", "ana", "bo")
    late = await gate.vote(saved.record, "sue")
    assert isinstance(late, Refused)
    assert late.code == "not_a_reviewer"
    decided = await gate.vote(saved.record, "ana")
    assert isinstance(decided, Done)
    assert decided.record.status is Status.APPROVED


async def test_whom_the_ladder_of_the_old_rule_called_does_not_decide_under_the_new_one(gate: World):
    """INV-10: neither those it has called before the edit nor those it calls after it."""
    record = await small(gate)
    gate.clock.pass_(minutes=11)
    called = await timers(gate, record)
    assert called.called == ("tom",)
    edited = await gate.edit(called, "tom", {"amount": 4000})
    assert isinstance(edited, Done)
    refused = await gate.vote(edited.record, "tom")
    assert isinstance(refused, Refused)
    second = (await gate.propose("pay.refund", payload={"amount": 20})).record
    edited = await gate.edit(second, "sue", {"amount": 900})
    assert isinstance(edited, Done)
    assert edited.record.plan is not None
    assert edited.record.plan.groups == ("support",)


async def test_the_ladder_goes_on_with_the_people_of_the_new_rule(gate: World):
    record = await small(gate)
    edited = await gate.edit(record, "sue", {"amount": 4000})
    assert isinstance(edited, Done)
    gate.clock.pass_(minutes=11)
    after = await timers(gate, record)
    assert after.escalation_step == 1
    assert "tom" not in after.asked
    assert isinstance(await gate.vote(after, "tom"), Refused)


async def test_an_edit_that_leaves_nobody_to_decide_is_refused(gate: World):
    gate.source.load(MONEY, PEOPLE)
    record = (await gate.propose("pay.refund", payload={"amount": 10})).record
    gate.source.load(MONEY.replace("groups: [finance]", "groups: [finance], quorum: 3"), PEOPLE)
    people = PEOPLE.replace("approvers: {members: [cho]}", "approvers: {members: [own]}")
    gate.source.current = type(gate.source.current)(
        policy=gate.source.current.policy, directory=parse_people(people)
    )
    refused = await gate.edit(record, "sue", {"amount": 4000})
    assert isinstance(refused, Refused)
    assert refused.code == "edit_refused"


async def test_an_edit_cannot_raise_an_amount_past_a_limit_on_the_sum(gate: World):
    """INV-10, threat 24: what others of the day add up to counts for the changed amount too."""
    await small(gate, 3000)
    record = (await gate.propose("pay.refund", payload={"amount": 1500})).record
    assert isinstance(await gate.edit(record, "ana", {"amount": 1900}), Done)
    refused = await gate.edit(await gate.load(record.id), "ana", {"amount": 2100})
    assert isinstance(refused, Refused)
    assert "Too much for a day" in refused.sentence


async def test_an_edit_cannot_grow_a_payload_past_what_may_be_proposed(gate: World):
    record = await small(gate)
    refused = await gate.edit(record, "sue", {"amount": 11, "note": "x" * 256 * 1024})
    assert isinstance(refused, Refused)
    assert refused.code == "edit_refused"


async def test_a_timer_releases_nothing_that_the_policy_in_force_would_not(gate: World):
    """INV-09, INV-14: low risk when it was asked, critical or denied by the time the timer fires."""
    for number, (stricter, ends) in enumerate((
        (NOTES.replace("risk: low", "risk: high").replace("on_timeout: allow", "on_timeout: deny"), "expired"),
        (NOTES.replace("decision: require_approval", "decision: deny").split("    approval")[0], "expired"),
        (NOTES.replace("risk: low", "risk: critical").replace("[support], sla: 30m, on_timeout: allow",
                       "[finance], quorum: 2, sla: 30m, on_timeout: hold"), "pending"),
        (NOTES.replace("A note", "Another reason"), "approved"),
    )):  # fmt: skip
        gate.source.load(NOTES, PEOPLE)
        record = (await gate.propose("note.add", payload={"a": number})).record
        assert record.status is Status.PENDING
        gate.source.load(stricter, PEOPLE)
        gate.clock.pass_(minutes=31)
        assert (await timers(gate, record)).status.value == ends


async def test_a_late_vote_finds_the_same_as_the_timer_would_have(gate: World):
    """INV-14, INV-28: a deadline that was not fired yet is judged again before a vote is looked at."""
    gate.source.load(NOTES, PEOPLE)
    record = (await gate.propose("note.add", payload={"a": 1})).record
    gate.source.load(
        NOTES.replace("decision: require_approval", "decision: deny").split("    approval")[0], PEOPLE
    )
    gate.clock.pass_(minutes=31)
    assert isinstance(await gate.vote(record, "sue"), Refused)
    assert (await gate.load(record.id)).status is Status.EXPIRED
