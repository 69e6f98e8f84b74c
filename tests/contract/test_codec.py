"""Every record survives its way through text exactly, and nothing else is taken for a record."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from gate.domain.action import Agent, Claims, Context, Evidence, Proposal, Source, Upstream
from gate.domain.request import Outcome, Rejection, Result
from gate.domain.risk import Risk
from gate.domain.verdict import (
    ApprovalPlan,
    Decision,
    Editable,
    Effective,
    GrantTerms,
    LadderStep,
    OnTimeout,
    Remediation,
    Verdict,
)
from gate.store import UnreadableRow, codec
from gate.store.columns import Instant, Words, from_micros, to_micros

# Lone surrogates are refused at the door; everything else that Unicode has may come.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
maybe = st.none() | words
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(words, json_values, max_size=4)
names = st.lists(words, max_size=3).map(tuple)
risks = st.sampled_from(Risk)
seconds = st.integers(1, 10**7)
evidences = st.builds(Evidence, label=words, value=words, tone=words, url=maybe)

agents = st.builds(
    Agent,
    id=words,
    name=words,
    team=words,
    owner=words,
    scopes=st.frozensets(words, max_size=3),
    audiences=st.frozensets(words, max_size=3),
)
contexts = st.builds(
    Context,
    workflow=maybe,
    run_id=maybe,
    model_name=maybe,
    sources=st.lists(st.builds(Source, id=words, title=maybe, fetched_at=maybe), max_size=2).map(tuple),
    policy_flags=names,
    upstream=st.lists(st.builds(Upstream, agent=maybe, step=maybe), max_size=2).map(tuple),
)
claims = st.builds(
    Claims,
    risk=st.none() | risks,
    risk_tags=st.frozensets(words, max_size=3),
    confidence=st.none() | numbers,
    amount_usd=st.none() | numbers,
    affected_users=st.none() | st.integers(0, 2**53 - 1),
    retry_count=st.none() | st.integers(0, 99),
)
proposals = st.builds(
    Proposal,
    topic=words,
    payload=objects,
    summary=words,
    tool=maybe,
    environment=maybe,
    labels=st.dictionaries(words, words, max_size=3),
    claims=claims,
    evidence=st.lists(evidences, max_size=2).map(tuple),
    context=contexts,
    payload_schema=st.none() | objects,
    callback_url=maybe,
)
plans = st.builds(
    ApprovalPlan,
    assignees=names,
    groups=names,
    quorum=st.integers(1, 5),
    channel=maybe,
    sla_sec=seconds,
    ladder=st.lists(st.builds(LadderStep, after_sec=seconds, to=names, via=names), max_size=2).map(tuple),
    on_timeout=st.sampled_from(OnTimeout),
    allow=st.frozensets(words, max_size=3),
    editable=st.builds(Editable, paths=st.none() | names, schema=st.none() | objects),
    evidence=st.lists(evidences, max_size=2).map(tuple),
)
verdicts = st.builds(
    Verdict,
    decision=st.sampled_from(Decision),
    reason=words,
    rule=words,
    policy_version=words,
    policy_digest=words,
    effective=st.builds(
        Effective,
        risk=risks,
        amount_usd=st.none() | numbers,
        first_time=st.booleans(),
        verified=st.frozensets(words, max_size=3),
    ),
    constraints=objects,
    remediations=st.lists(st.builds(Remediation, id=words, title=words), max_size=2).map(tuple),
    plan=st.none() | plans,
    grant=st.builds(GrantTerms, ttl_sec=seconds, audience=maybe),
    retry_after_sec=st.none() | seconds,
)
instants = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
outcomes = st.builds(
    Outcome,
    result=st.sampled_from(Result),
    at=instants,
    reporter=words,
    detail=maybe,
    defect=st.booleans(),
)


def exactly(value: object) -> object:
    """Equality that tells 1 from 1.0 and True, and 0.0 from -0.0."""
    return repr(value)


@pytest.mark.parametrize(
    ("document", "values"),
    [
        pytest.param(codec.AGENT, agents, id="agent"),
        pytest.param(codec.VERDICT, verdicts, id="verdict"),
        pytest.param(codec.PLAN, plans, id="plan"),
        pytest.param(codec.OUTCOME, outcomes, id="outcome"),
        pytest.param(codec.REJECTION, st.builds(Rejection, category=words, comment=words), id="rejection"),
        pytest.param(codec.OBJECT, objects, id="object"),
        pytest.param(codec.NAMES, names, id="names"),
        pytest.param(codec.TEXTS, st.lists(st.tuples(words, words), max_size=3).map(tuple), id="texts"),
    ],
)
def test_a_record_comes_back_exactly(document: codec.Document, values: st.SearchStrategy) -> None:
    @given(values)
    def holds(value: object) -> None:
        text = document.dumps(value)
        again = document.loads(text, "it")
        assert again == value
        assert document.dumps(again) == text
        assert "\x00" not in text

    holds()


@given(objects)
def test_numbers_keep_their_type_and_every_digit(payload: dict) -> None:
    assert exactly(codec.OBJECT.loads(codec.OBJECT.dumps(payload), "it")) == exactly(payload)


@given(proposals)
def test_a_proposal_comes_back_with_the_payload_kept_elsewhere(proposal: Proposal) -> None:
    text = codec.PROPOSAL.dumps(proposal)
    assert codec.PROPOSAL.loads(text, "it", payload=proposal.payload) == proposal
    assert "payload" not in json.loads(text)["d"]


@given(st.text(max_size=20).map(lambda t: t.replace("a", "\\").replace("b", "\x00")))
def test_text_columns_hold_any_text_without_a_nul(text: str) -> None:
    column, dialect = Words(), postgresql.dialect()
    stored = column.process_bind_param(text, dialect)
    assert stored is not None
    assert "\x00" not in stored
    assert column.process_result_value(stored, dialect) == text


@given(words, words)
def test_different_texts_stay_different(one: str, other: str) -> None:
    column, dialect = Words(), postgresql.dialect()
    same = column.process_bind_param(one, dialect) == column.process_bind_param(other, dialect)
    assert same is (one == other)


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_an_instant_keeps_its_microseconds_whatever_its_zone(at: datetime, minutes: int) -> None:
    elsewhere = at.astimezone(timezone(timedelta(minutes=minutes)))
    assert to_micros(elsewhere) == to_micros(at)
    assert from_micros(to_micros(at)) == at


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(naive, postgresql.dialect())
    with pytest.raises(ValueError, match="time zone"):
        codec.OUTCOME.dumps(Outcome(result=Result.FAILED, at=naive, reporter="x"))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.OBJECT.dumps({"n": number})


GOOD = json.loads(codec.AGENT.dumps(Agent(id="agt_1", name="n", team="t", owner="o")))


def spoilt(**changes: object) -> str:
    return json.dumps({"v": 1, "d": GOOD["d"] | changes})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "damaged", id="empty"),
        pytest.param("{", "damaged", id="cut off"),
        pytest.param("[]", "not a document", id="a list"),
        pytest.param(json.dumps(GOOD["d"]), "not a document", id="no envelope"),
        pytest.param(json.dumps(GOOD | {"v": 2}), "format 2", id="a newer format"),
        pytest.param(json.dumps(GOOD | {"v": True}), "format True", id="a format that is no number"),
        pytest.param(spoilt(extra=1), "no extra", id="an unknown field"),
        pytest.param(spoilt(name=1), "a str was expected", id="a wrong type"),
        pytest.param(spoilt(name=None), "a str was expected", id="null"),
        pytest.param(spoilt(scopes="propose"), "a list was expected", id="no list"),
        pytest.param('{"v":1,"d":{"id":"x"}}', "lacks name", id="a missing field"),
        pytest.param('{"v":1,"d":{"id":NaN}}', "holds NaN", id="NaN"),
        pytest.param('{"v":1,"d":' + "[" * 10**5, "damaged", id="too deep"),
    ],
)
def test_what_is_no_record_is_refused_by_name_and_never_shown(text: str, why: str) -> None:
    with pytest.raises(UnreadableRow, match=f"Agent agt_1 cannot be read: .*{why}") as told:
        codec.AGENT.loads(text, "Agent agt_1")
    assert told.value.where == "Agent agt_1"


@pytest.mark.parametrize(
    ("field", "value"), [("decision", "maybe"), ("effective", {"risk": "LOW"}), ("retry_after_sec", True)]
)
def test_unknown_codes_and_booleans_for_numbers_are_refused(field: str, value: object) -> None:
    verdict = Verdict(decision=Decision.DENY, reason="", rule="", policy_version="", policy_digest="")
    document = json.loads(codec.VERDICT.dumps(verdict))
    document["d"][field] = value
    with pytest.raises(UnreadableRow):
        codec.VERDICT.loads(json.dumps(document), "it")


def test_a_field_that_came_later_reads_as_its_default() -> None:
    """Records written before a field existed stay readable."""
    plan = ApprovalPlan(assignees=("ana",))
    document = json.loads(codec.PLAN.dumps(plan))
    del document["d"]["min_review_sec"]
    assert codec.PLAN.loads(json.dumps(document), "it") == plan


def test_defaults_are_written_out() -> None:
    """A default that changes later does not change what was decided under the old one."""
    written = json.loads(codec.PLAN.dumps(ApprovalPlan()))["d"]
    assert written["sla_sec"] == ApprovalPlan().sla_sec
    assert written["allow"] == sorted(ApprovalPlan().allow)
    assert "channel" not in written  # None, and None by default


def test_a_value_of_another_type_is_not_written() -> None:
    with pytest.raises(TypeError):
        codec.AGENT.dumps(ApprovalPlan())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected"):
        codec.AGENT.dumps(replace(Agent(id="x", name="n", team="t", owner="o"), name=None))  # type: ignore[arg-type]
