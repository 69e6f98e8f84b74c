"""How long one decision takes with few and many rules, next to a scan of them all; nothing absolute is gated on."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gate.domain.action import Agent, Claims, History, Proposal, Subject
from gate.domain.people import Directory, Group, Person
from gate.domain.risk import Risk
from gate.policy.compile import Document, compile_set
from gate.policy.derive import claimed
from gate.policy.evaluate import evaluate
from gate.policy.facts import Scratch
from gate.policy.matching import all_of
from gate.policy.snapshot import PolicySet
from tests.bench.rules import rules_text

pytestmark = pytest.mark.bench

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AGENT = Agent(id="agt_1", name="bench", team="support", owner="own")
PEOPLE = Directory(
    people={p: Person(id=p, name=p, email=f"{p}@example.com") for p in ("ana", "bo")},
    groups={"approvers": Group(name="approvers", members=("ana", "bo"))},
)
ROUNDS = 31
DECISIONS = 2_000
TOPICS = 400


def subjects(count: int) -> list[Subject]:
    """Different actions over the areas. About one in twelve is held: the share the guides call well calibrated."""
    pick = random.Random(7)  # noqa: S311 - made-up actions
    areas = min((count - 4) // 4, TOPICS)
    made: list[Subject] = []
    for _ in range(DECISIONS):
        verb = pick.choice(("read", "write", "refund", "note"))
        claims = Claims(
            risk=pick.choice((None, Risk.LOW, Risk.MEDIUM)),
            risk_tags=frozenset(
                pick.sample(["prod", "write", "pii", "eu", "crm", "eng"], pick.randint(0, 2))
            ),
            confidence=pick.uniform(0.49, 1.0),
            amount_usd=pick.uniform(1, 110),
            anomaly_score=pick.uniform(0, 0.81),
        )
        proposal = Proposal(
            topic=f"job.area{pick.randrange(areas)}.{verb}", payload={"id": 1}, summary="s", claims=claims
        )
        made.append(Subject(proposal=proposal, agent=AGENT, history=History(first_time=False)))
    return made


def scanner(policy: PolicySet) -> Callable[[Subject], object]:
    """The same closures without the index: every rule of the set asked in turn."""
    rules = [(all_of((*(p.test for p in r.match.placed), r.match.test)), r) for r in policy.rules]
    x = Scratch()

    def scan(s: Subject) -> object:
        e = claimed(s)
        for test, rule in rules:
            outcome = test(e, s, NOW, x)
            if outcome is True or (outcome is not False and rule.holds(outcome)):
                return rule
        return None

    return scan


def per_decision(run: Callable[[Subject], object], batch: list[Subject]) -> float:
    """Microseconds of processor time for one: what other processes take from the machine does not count."""
    start = time.thread_time_ns()
    for subject in batch:
        run(subject)
    return (time.thread_time_ns() - start) / len(batch) / 1e3


def test_a_decision_is_quick_and_stays_so_with_ten_thousand_rules() -> None:
    """Indexed against a scan, rounds interleaved, medians; the ratios are what carries over to other machines."""
    contenders: dict[str, tuple[Callable[[Subject], object], list[Subject]]] = {}
    for count in (100, 10_000):
        policy = compile_set([Document(name="bench.yaml", text=rules_text(count))], PEOPLE)
        batch = subjects(count)
        contenders[f"{count:>6} rules, indexed"] = (lambda s, p=policy: evaluate(p, s, NOW), batch)
        held = [s for s in batch if evaluate(policy, s, NOW).plan is not None]
        if count == 100:
            print(f"\n  {len(held) / len(batch):.0%} of the actions are held")
            contenders["   those held, with plan"] = (lambda s, p=policy: evaluate(p, s, NOW), held)
        contenders[f"{count:>6} rules, scanned"] = (scanner(policy), batch if count == 100 else batch[:20])
    contenders["   no rule, an empty call"] = (lambda s: None, contenders["   100 rules, indexed"][1])
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for run, batch in contenders.values():
        per_decision(run, batch)
    for _ in range(ROUNDS):
        for name, (run, batch) in contenders.items():
            taken[name].append(per_decision(run, batch))
    print("\n  µs of processor time a decision (median of", ROUNDS, "interleaved rounds, best)")
    for name, figures in taken.items():
        print(f"  {name:28} {statistics.median(figures):10.2f} {min(figures):10.2f}")
    small, large = (statistics.median(taken[f"{count:>6} rules, indexed"]) for count in (100, 10_000))
    print(f"  10,000 rules cost {large / small:.2f} times 100 rules")
    assert large < statistics.median(taken["   100 rules, scanned"]), (
        "the index finds candidates without a scan"
    )
