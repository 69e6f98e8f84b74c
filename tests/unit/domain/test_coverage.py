"""Who has a rota over a span: held against asking instant by instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gate.domain.coverage import gaps, spells
from gate.domain.oncall import on_call
from gate.domain.people import Directory, Override, Person, Rota, Rotation, Shift

START = datetime(2026, 10, 20, tzinfo=UTC)
"""Five days before the clocks of Berlin go back."""
END = START + timedelta(days=14)
DAILY = Rotation(people=("ana", "bo"), every_days=1, weekday=0, hour=9, minute=0, tz="Europe/Berlin")
HOURS = st.integers(min_value=-48, max_value=24 * 16)


@st.composite
def rotas(draw: st.DrawFn) -> Rota:
    overrides = tuple(
        Override(
            person=person,
            start=START + timedelta(hours=min(first, last)),
            end=START + timedelta(hours=max(first, last) + 1),
        )
        for person, first, last in draw(
            st.lists(st.tuples(st.sampled_from(["ana", "bo", "cho"]), HOURS, HOURS), max_size=4)
        )
    )
    return Rota(name="primary", rotation=draw(st.sampled_from([None, DAILY])), overrides=overrides)


@given(rotas())
def test_spells_say_of_every_hour_what_asking_for_that_hour_says(rota: Rota):
    found = spells(rota, START, END)
    assert (found[0].start, found[-1].end) == (START, END)
    assert all(one.end == two.start and one.person != two.person for one, two in pairwise(found))
    for hour in range(24 * 14):
        at = START + timedelta(hours=hour, minutes=1)
        (holder,) = [spell.person for spell in found if spell.start <= at < spell.end]
        assert holder == on_call(rota, at).person


def person(name: str, *, active: bool = True) -> Person:
    return Person(id=name, name=name, email=f"{name}@example.com", active=active)


def test_a_gap_is_where_nobody_is_or_nobody_active():
    people = {"ana": person("ana"), "bo": person("bo", active=False)}
    directory = Directory(people=people)
    night = Override(person="ana", start=START + timedelta(hours=3), end=START + timedelta(hours=5))
    found = gaps(Rota(name="nights", overrides=(night,)), directory, START, END)
    assert [(gap.person, gap.start, gap.end) for gap in found] == [
        (None, START, night.start),
        (None, night.end, END),
    ]
    assert {gap.person for gap in gaps(Rota(name="primary", rotation=DAILY), directory, START, END)} == {"bo"}


def test_the_turns_of_an_outside_schedule_count_as_read_last():
    turn = Shift(person="ana", start=None, end=START + timedelta(days=3))
    later = Shift(person="bo", start=START + timedelta(days=4), end=None)
    rota = Rota(name="primary", schedule="PSCHED1", shifts=(turn, later), read_at=START)
    assert [(spell.person, (spell.end - START).days) for spell in spells(rota, START, END)] == [
        ("ana", 3),
        (None, 4),
        ("bo", 14),
    ]
