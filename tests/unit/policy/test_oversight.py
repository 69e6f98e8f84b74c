"""What a set says once: care for reviewers and breaking the glass; what acts on it is tested with what it does."""

from __future__ import annotations

import pytest

from gate.domain.care import Care
from gate.domain.emergency import BreakGlass
from gate.domain.risk import Risk
from gate.policy.compile import compile_set
from gate.policy.documents import Document
from tests.unit.policy.building import people, problems

HEAD = "version: v1\n"


def test_a_set_that_says_nothing_cares_as_the_defaults_say_and_breaks_no_glass() -> None:
    found = compile_set([Document(name="a.yaml", text=HEAD)], people())
    assert found.care == Care()
    assert found.break_glass is None


def test_what_a_set_says_about_reviewers_holds_for_all_of_it() -> None:
    fatigue = "fatigue_controls: {auto_rebalance: true, cooldown_after_approvals: 80, cooldown: 20m,\n"
    fatigue += "  sampled_second_review_rate: 0.1, join_duplicates: false, digest_above: 9}\n"
    queue = "approval_queue_policy: {max_open_requests_per_reviewer: 40, target_median_wait_sec: 900,\n"
    queue += "  target_p95_wait_sec: 1800}\n"
    texts = {"a.yaml": HEAD + fatigue, "b.yaml": HEAD + queue}
    found = compile_set([Document(name=name, text=text) for name, text in texts.items()], people())
    assert found.care == Care(
        rebalance=True,
        max_open=40,
        cooldown_after=80,
        cooldown_sec=1_200,
        second_review_rate=0.1,
        join_duplicates=False,
        digest_above=9,
        target_median_wait_sec=900,
        target_p95_wait_sec=1_800,
    )


def test_who_breaks_the_glass_is_resolved_to_ids() -> None:
    text = (
        HEAD + "break_glass: {who: [bo@example.com], supervisors: ['group:approvers'], max_risk: critical,\n"
    )
    text += "  topics: 'job.ops.*', max_valid: 30m, via: [slack, email], review_sla: 8h,\n    max_unreviewed: 1}\n"
    found = compile_set([Document(name="a.yaml", text=text)], people())
    assert found.break_glass == BreakGlass(
        who=("bo",),
        supervisors=("group:approvers",),
        topics=("job.ops.*",),
        max_risk=Risk.CRITICAL,
        max_valid_sec=1_800,
        via=("slack", "email"),
        review_sla_sec=28_800,
        max_unreviewed=1,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("break_glass: {who: [nobody], supervisors: [bo]}", "unknown person 'nobody'", id="who"),
        pytest.param(
            "break_glass: {who: [bo], supervisors: ['group:approver']}",
            "unknown group 'approver' (did you mean 'approvers'?)",
            id="supervisors",
        ),
        pytest.param("break_glass: {who: [bo]}", "key 'supervisors' is missing", id="no supervisors"),
        pytest.param("break_glass: {who: [], supervisors: [bo]}", "must not be empty", id="nobody"),
        pytest.param("break_glass: {who: assignees, supervisors: [bo]}", "'assignees' means", id="assignees"),
        pytest.param(
            "scope: {topics: ['a.*']}\nfatigue_controls: {auto_rebalance: true}",
            "without a scope",
            id="scope",
        ),
        pytest.param(
            "fatigue_controls: {cooldown_after: 3}", "unknown key 'cooldown_after'", id="unknown key"
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    assert said in " ".join(problems(HEAD + text))


def test_a_section_given_in_two_documents_is_refused() -> None:
    text = HEAD + "fatigue_controls: {auto_rebalance: true}\n"
    assert "given at d0.yaml:2 already" in " ".join(problems(text, text))
