"""The metrics of reviewing: how long decisions take, what waits, and nothing that tells a person."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.refusal import Refused
from gate.domain.request import Choice, Status
from gate.domain.reviewing import LEAST_DECISIONS
from gate.metrics import Metrics
from gate.usecases.break_glass import break_glass
from gate.usecases.commands import BreakTheGlass, Done
from gate.usecases.report import report
from gate.workers.figures import SIGNALS_EVERY, FigureKeeper, ReviewMeter
from tests.fakes.world import POLICY, World

GLASS = POLICY + "break_glass: {who: [bo], supervisors: [cho]}\n"


def metered(gate: World, metrics: Metrics) -> World:
    return replace(gate, deps=replace(gate.deps, meter=ReviewMeter(metrics, gate.deps.rules)))


async def ask(gate: World, number: int, topic: str = "pay.refund"):
    return (await gate.propose(topic, payload={"amount": 200, "order": str(number)})).record


async def test_a_decision_is_timed_by_risk_and_choice_and_never_by_person(gate: World, metrics: Metrics):
    """INV-51: what `/metrics` shows of people's decisions names none of them."""
    gate = metered(gate, metrics)
    first, second = await ask(gate, 1), await ask(gate, 2)
    gate.clock.pass_(seconds=30)
    await gate.vote(first, "ana")
    await gate.vote(second, "bo", Choice.REJECT, comment="Wrong order")

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert value("signoff_decision_seconds_sum", risk="high", choice="approve") == 30
    assert value("signoff_decision_seconds_count", risk="high", choice="reject") == 1
    labels = {
        value for family in metrics.registry.collect() for s in family.samples for value in s.labels.values()
    }
    people = gate.source.current.directory.people.values()
    told = {text for person in people for text in (person.id, person.name, person.email, person.slack)}
    assert not labels & (told | {first.id, second.id})


async def test_a_hidden_first_vote_is_timed_once_it_may_be_told(gate: World, metrics: Metrics):
    gate.source.load(POLICY + "fatigue_controls: {sampled_second_review_rate: 1}\n")
    gate = metered(gate, metrics)
    record = await ask(gate, 1)

    def approvals() -> float | None:
        labels = {"risk": "high", "choice": "approve"}
        return metrics.registry.get_sample_value("signoff_decision_seconds_count", labels)

    await gate.vote(record, "ana")
    assert not approvals()
    await gate.vote(record, "bo")
    assert approvals() == 2


async def test_joined_duplicates_and_emergencies_are_counted(gate: World, metrics: Metrics):
    gate.source.load(GLASS)
    gate = metered(gate, metrics)
    record = await ask(gate, 1)
    await ask(gate, 1)
    assert metrics.registry.get_sample_value("signoff_requests_joined_total") == 1
    result = await break_glass(
        gate.deps,
        BreakTheGlass(
            action_id=record.id, version=1, person="bo", reason="Customers are locked out", valid_sec=600
        ),
    )
    assert isinstance(result, Done), result
    assert metrics.registry.get_sample_value("signoff_emergency_releases_total") == 1


async def test_what_is_open_and_who_shows_the_sign_are_kept_as_gauges(gate: World, metrics: Metrics):
    keeper = FigureKeeper(gate.deps, metrics)
    for number in range(LEAST_DECISIONS):
        record = await ask(gate, number)
        gate.clock.pass_(seconds=3)
        await gate.vote(record, "ana")
    await ask(gate, 100)
    await ask(gate, 101, "pay.wire")
    await keeper.look()

    def gauge(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert gauge("signoff_open_requests", risk="high") == 1
    assert gauge("signoff_open_requests", risk="critical") == 1
    assert gauge("signoff_open_requests", risk="low") == 0
    assert gauge("signoff_rubber_stamping_reviewers") == 1
    gate.clock.pass_(days=31)
    await keeper.look()
    assert gauge("signoff_rubber_stamping_reviewers") == 1, "a month of votes is not read at every look"
    for _ in range(SIGNALS_EVERY):
        await keeper.look()
    assert gauge("signoff_rubber_stamping_reviewers") == 0


async def test_an_incomplete_record_blocks_the_approval_and_completeness_is_counted(
    gate: World, metrics: Metrics
):
    """Policy that is loaded while a request waits holds for it too, and the report says what is missing most."""
    gate = metered(gate, metrics)
    first, second = await ask(gate, 1), await ask(gate, 2)
    await gate.vote(first, "ana")
    gate.source.load(POLICY + "evidence_contract: {required_fields: [prompt_version, approver_id]}\n")
    refused = await gate.vote(second, "ana")
    assert isinstance(refused, Refused)
    assert refused.code == "incomplete_record"
    assert "the prompt version (prompt_version)" in refused.sentence
    await gate.vote(second, "ana", Choice.REJECT, comment="say with which prompt")
    denied = await ask(gate, 3)
    assert (denied.status, denied.verdict.rule) == (Status.DENIED, "evidence_contract")

    def counted(complete: str) -> float | None:
        return metrics.registry.get_sample_value("signoff_decisions_recorded_total", {"complete": complete})

    assert (counted("yes"), counted("no")) == (0, 3)
    found = (await report(gate.deps, None)).record
    assert (found.decided, found.complete, found.lacking) == (3, 0, (("prompt_version", 3),))
