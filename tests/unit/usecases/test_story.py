"""The story of one decision: nothing that an auditor asks for is missing, and nothing hidden comes out early."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gate.domain.action import Claims, Context, Source
from gate.domain.audit import AuditRecord, canonical_bytes
from gate.domain.editing import edit
from gate.domain.handing_on import reassign
from gate.domain.merkle import leaf_hash
from gate.domain.release import issue, redeem
from gate.domain.reporting import report
from gate.domain.request import Grant, GrantState, Result
from gate.domain.risk import Risk
from gate.domain.transitions import Change
from gate.domain.voting import approve
from gate.usecases.story import Story, story
from gate.usecases.telling import chapters, span, without_hidden_votes
from tests.fakes.records import AGENT, directory, later, pending, plan, proposal, submitted, verdict


def made(result: object) -> Change:
    assert isinstance(result, Change), result
    return result


def told(*changes: Change, grants: tuple[Grant, ...] = ()) -> Story:
    trail = [change.audit for change in changes]
    numbers = {leaf_hash(canonical_bytes(each)): place for place, each in enumerate(trail)}
    return story(changes[-1].record, trail=trail, grants=grants, numbers=numbers)


def text_of(found: Story) -> str:
    return "\n".join(
        f"{chapter.title} | {line.label} | {line.text}"
        for chapter in chapters(found)
        for line in chapter.lines
    )


def whole_life() -> Story:
    context = Context(
        model_name="m-large",
        model_version="7",
        prompt_version="p12",
        policy_flags=("pii",),
        sources=(Source(id="kb-1", title="Refund rules", url="https://kb.example.com/1"),),
    )
    effective = replace(
        verdict().effective, amount_usd=1400.0, confidence=0.84, verified=frozenset({"amount_usd"})
    )
    first = submitted(
        proposal_=proposal(rationale="Charged twice", context=context, claims=Claims(amount_usd=900.0)),
        verdict_=verdict(effective=effective),
    )
    handed = made(
        reassign(
            first.record, person="ana", to=("cho",), reason="I am off", directory=directory(), now=later(30)
        )
    )
    changed = made(
        edit(
            handed.record,
            person="ana",
            version=1,
            payload={"amount": 1200, "order": "881"},
            payload_sha256="b" * 64,
            verdict=verdict(effective=effective),
            comment="too much",
            directory=directory(),
            now=later(60),
        )
    )
    voted = made(
        approve(
            changed.record, person="bo", version=2, comment="fine now", directory=directory(), now=later(101)
        )
    )
    grant = Grant(
        jti="grt_1",
        action="act_1",
        version=2,
        payload_sha256="b" * 64,
        audience="executors",
        issued_at=later(110),
        expires_at=later(1_010),
        token="secret-token",
    )
    issued = issue(voted.record, grant, now=later(110))
    runner = replace(AGENT, id="agt_run", scopes=frozenset({"execute"}))
    used = made(redeem(issued.record, grant, executor=runner, payload_sha256="b" * 64, now=later(120)))
    ended = made(
        report(
            used.record,
            reporter=runner,
            result=Result.SUCCEEDED,
            detail="re_1",
            defect=True,
            incident=False,
            now=later(130),
        )
    )
    redeemed = replace(grant, state=GrantState.REDEEMED, redeemed_at=later(120), redeemed_by="agt_run")
    return told(first, handed, changed, voted, issued, used, ended, grants=(redeemed,))


def test_the_story_answers_who_approved_what_on_which_evidence_under_which_policy():
    found = whole_life()
    text = text_of(found)
    for words in (
        "Prompt version | p12",
        "Model | m-large 7",
        "kb-1 · Refund rules · https://kb.example.com/1",
        "Policy flags | pii",
        "Amount usd | 1,400 (known to the gate; the agent claimed 900)",
        "Confidence | 0.84 (in the agent's word)",
        "Rule | refunds",
        "v1 sha256:one",
        "asked ana, bo, because the rule names them",
        "ana asked cho",
        "ana gave as a reason: I am off",
        "ana made payload 2: “too much”",
        "/amount | 1,400 → 1,200",
        "bo approved payload 2 after 41 s",
        "Comment | fine now",
        "Decided | 2026-11-02 09:01:41 UTC by bo, after 1 min 41 s",
        "Grant grt_1 | issued 2026-11-02 09:01:50 UTC for executors, redeemed 2026-11-02 09:02:00 UTC by agt_run",
        "Outcome | succeeded",
        "Found later | a defect",
    ):
        assert words in text, text
    assert "secret-token" not in text


def test_a_grant_names_the_record_that_released_it():
    found = whole_life()
    released = next(each for each in found.trail if each.kind == "approval.granted")
    assert [permit.leaf for permit in found.permits] == [released.leaf]
    assert released.number == 3


def test_a_hidden_first_vote_stays_hidden_until_it_may_be_told():
    first = pending(verdict_=verdict(risk=Risk.HIGH, plan_=plan(second_review=True)))
    voted = made(approve(first, person="ana", version=1, comment="ok", directory=directory(), now=later(9)))
    assert voted.record.status.value == "pending"
    shown = without_hidden_votes(told(voted))
    assert shown.ballots == ()
    assert shown.trail == ()
    assert "ana approved" not in text_of(shown)
    assert "ana approved" in text_of(told(voted))


def test_a_record_without_a_number_says_so():
    change = submitted()
    found = story(change.record, trail=(change.audit,), grants=(), numbers={})
    assert found.trail[0].number is None
    assert isinstance(change.audit, AuditRecord)


def test_lengths_of_time_are_told_in_words():
    spans = {41: "41 s", 200: "3 min 20 s", 7_500: "2 h 05 min", 360_000: "4 d 4 h"}
    assert {seconds: span(timedelta(seconds=seconds)) for seconds in spans} == spans
