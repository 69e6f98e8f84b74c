"""Views nobody hopes for: what an agent could send to mislead, to break a limit or to ping someone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from gate.domain.request import Choice, Status
from gate.domain.risk import Risk
from gate.usecases.views import (
    ActionView,
    ChangeView,
    DecisionView,
    EditView,
    EmergencyView,
    EvidenceView,
    HistoryView,
    PersonRef,
    SlotView,
    VoteView,
)
from tests.fakes.views import ANA, NOW, REFUND, with_payload

NASTY = [
    "<!channel>",
    "<!here|x>",
    "<@U0ANA>",
    "<#C1>",
    "<https://evil.example|ok>",
    "@here",
    "@EVERYONE",
    "https://evil.example/x",
    "&amp;&lt;",
    "&" * 300,
    "<" * 300,
    "*b* _i_ ~s~ `c` ```d```",
    ":rotating_light:",
    "\u202eabc\u2066",
    "a\u200bb\u200d\ufeff",
    "\x00\x1b[31m\x7f",
    "\n\n\n",
    "\r\n",
    "👩‍👩‍👧‍👦" * 40,
    "🏴\U000e0067\U000e0062\U000e007f",
    "🇩🇪" * 60,
    "e" + "\u0301" * 50,
    "שלום 123",
    "pаypal.com",
    "xn--pypal-4ve.com",
    "\ue000\U000f0000",
    "⟦U+0041⟧",
    "\u3164\u2800",
    "x" * 3_100,
    "𝕏" * 1_600,
    "",
    " ",
    "null",
    "2026-11-12",
    "2026-11-12T10:00:00+05:30",
    "a@b.example",
]
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=60),
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=4).map("".join),
)
"""Texts of any kind, without lone surrogates: those never pass the door."""
short = texts.map(lambda text: text[:300] or "x")
keys = st.one_of(texts.map(lambda text: text[:300]), st.sampled_from(["amount", "a/b", "m~n", "0", ""]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)
payloads = st.dictionaries(keys, values, max_size=8)
ids = st.one_of(st.none(), st.sampled_from(["U0ANA", "U0BO", "<!channel>", "U1|x", "here", "u0ana", ""]))
people = st.builds(PersonRef, id=short, name=texts, slack=ids)
changes = st.lists(
    st.builds(
        ChangeView,
        pointer=short.map(lambda text: "/" + text),
        old=values,
        new=values,
        absent_old=st.booleans(),
        absent_new=st.booleans(),
    ),
    max_size=12,
).map(tuple)


emergencies = st.builds(
    EmergencyView,
    person=people,
    reason=texts.map(lambda text: text[:1_000]),
    at=st.just(NOW),
    until=st.just(NOW + timedelta(minutes=15)),
    supervisors=st.lists(people, max_size=20).map(tuple),
    review_due_at=st.just(NOW + timedelta(days=1)),
    state=st.sampled_from(["open", "overdue", "justified", "unjustified"]),
    reviewer=st.one_of(st.none(), people),
    comment=st.one_of(st.none(), texts.map(lambda text: text[:1_000])),
    reviewed_at=st.just(NOW),
)


@st.composite
def views(draw: st.DrawFn, payload: st.SearchStrategy[dict[str, Any]] = payloads) -> ActionView:
    """A view of which every text is hostile."""
    status = draw(st.sampled_from([Status.PENDING, Status.PENDING, *Status]))
    edited = draw(changes)
    optional = st.one_of(st.none(), short)
    view = with_payload(REFUND, draw(payload))
    votes = tuple(
        VoteView(
            person=draw(people),
            choice=draw(st.sampled_from(Choice)),
            version=2,
            at=NOW,
            comment=draw(optional),
            current=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(0, 6)))
    )
    return replace(
        view,
        status=status,
        held=draw(st.booleans()),
        version=2 if edited else 1,
        summary=draw(short),
        topic=draw(short),
        tool=draw(optional),
        environment=draw(optional),
        labels=draw(st.dictionaries(short, short, max_size=8)),
        agent_name=draw(short),
        agent_team=draw(short),
        owner=draw(people),
        workflow=draw(optional),
        workflow_step=draw(optional),
        original_request=draw(st.one_of(st.none(), texts)),
        policy_flags=tuple(draw(st.lists(short, max_size=4))),
        sla_at=draw(st.sampled_from([None, NOW, NOW - timedelta(days=3), NOW + timedelta(days=900)])),
        risk=draw(st.sampled_from(Risk)),
        risk_tags=tuple(draw(st.lists(short, max_size=12))),
        rule=draw(short),
        reason=draw(texts),
        trigger=draw(texts),
        policy_version=draw(short),
        changes=edited,
        edits=(EditView(version=2, editor=draw(people), at=NOW, comment=draw(optional), changes=edited),)
        if edited
        else (),
        evidence=tuple(
            draw(
                st.lists(
                    st.builds(
                        EvidenceView,
                        label=short,
                        value=texts,
                        tone=st.sampled_from(["red", "emerald", "amber", "blue", "slate", "<!here>"]),
                        url=st.one_of(st.none(), texts),
                        by_gate=st.booleans(),
                    ),
                    max_size=14,
                )
            )
        ),
        rationale=draw(st.one_of(st.none(), texts)),
        confidence=draw(st.one_of(st.none(), st.floats(0, 1))),
        amount_usd=draw(st.one_of(st.none(), st.floats(-1e300, 1e300))),
        history=HistoryView(
            first_time=draw(st.booleans()),
            total=draw(st.integers(0, 10**9)),
            allowed=3,
            approved=0,
            rejected=1,
            amount_low=draw(st.one_of(st.none(), st.just(1e300))),
            amount_high=1e300,
        ),
        constraints=draw(st.dictionaries(short, values, max_size=3)),
        quorum=draw(st.integers(1, 4)),
        groups=tuple(draw(st.lists(short, max_size=9))),
        slots=tuple(
            SlotView(group=draw(short), filled_by=draw(st.one_of(st.none(), people)))
            for _ in range(draw(st.integers(0, 4)))
        ),
        votes=votes,
        asked=tuple(draw(st.lists(people, max_size=20))),
        escalation_step=draw(st.integers(0, 5)),
        decision=None
        if status is Status.PENDING
        else DecisionView(
            status=status,
            at=NOW,
            by=draw(st.one_of(st.none(), people)),
            words=draw(texts),
            category=draw(optional),
            comment=draw(st.one_of(st.none(), texts)),
        ),
        emergency=draw(st.one_of(st.none(), emergencies)) if status is Status.APPROVED else None,
    )


def _deep(levels: int) -> dict[str, Any]:
    value: Any = "bottom"
    for _ in range(levels):
        value = {"down": value}
    return value


LARGE: dict[str, ActionView] = {
    "256 KiB in one string": with_payload(REFUND, {"body": "x" * 262_000, "last": "tail"}),
    "256 KiB of lines": with_payload(REFUND, {"body": "line\n" * 52_000, "last": "tail"}),
    "256 KiB of emoji": with_payload(REFUND, {"body": "👩‍👩‍👧" * 14_000, "last": "tail"}),
    "256 KiB of bidi": with_payload(REFUND, {"body": "\u202e" * 87_000, "last": "tail"}),
    "256 KiB beyond the basic plane": with_payload(REFUND, {"body": "𝕏" * 65_000, "last": "tail"}),
    "one key of 100 KiB above 3,000 values": with_payload(
        REFUND, {"k" * 100_000: {str(n): n for n in range(3_000)}, "last": "tail"}
    ),
    "3,000 keys": with_payload(REFUND, {f"key_{n}": n for n in range(3_000)} | {"last": "tail"}),
    "3,000 keys in an object": with_payload(
        REFUND, {"o": {f"k{n}": str(n) for n in range(3_000)}, "last": "tail"}
    ),
    "30,000 numbers": with_payload(REFUND, {"list": list(range(30_000)), "last": "tail"}),
    "40 texts of 2,900 letters": with_payload(
        REFUND, {f"t{n}": "ж" * 2_900 for n in range(40)} | {"last": "tail"}
    ),
    "lists of long texts": with_payload(
        REFUND, {f"t{n}": ["\u202e" * 400, "\u202e" * 90] for n in range(70)} | {"last": "tail"}
    ),
    "64 levels": with_payload(REFUND, {**_deep(63), "last": "tail"}),
    "long keys": with_payload(REFUND, {"k" * 300 + str(n): n for n in range(200)} | {"last": "tail"}),
    "a summary of ampersands": with_payload(replace(REFUND, summary="&" * 300), {"last": "tail"}),
    "500 votes": replace(
        with_payload(REFUND, {"last": "tail"}),
        votes=tuple(
            VoteView(
                person=PersonRef(id=f"p{n}", name=f"Person {n}", slack=f"U{n:05d}"),
                choice=Choice.APPROVE,
                version=1,
                at=NOW,
                comment="<!channel> " * 30,
                current=True,
            )
            for n in range(500)
        ),
        quorum=501,
    ),
    "100 people asked": replace(
        with_payload(REFUND, {"last": "tail"}),
        asked=tuple(PersonRef(id=f"p{n}", name="<!here>" * 20, slack=f"U{n:05d}") for n in range(100)),
        groups=tuple("g" * 200 + str(n) for n in range(40)),
    ),
    "500 rows of evidence": replace(
        with_payload(REFUND, {"last": "tail"}),
        evidence=tuple(
            EvidenceView(
                label="l" * 200,
                value="v" * 2_000,
                tone="red",
                url="https://e.example/" + "x" * 500,
                by_gate=False,
            )
            for _ in range(500)
        ),
        rationale="because\n" * 5_000,
        owner=ANA,
    ),
}
"""Large ones; every payload ends in `last: "tail"`, which nobody may miss."""
