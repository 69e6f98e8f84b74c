"""people.yaml is read strictly: nobody is anybody else, and nobody unknown is anywhere."""

from __future__ import annotations

import pytest

from gate.domain.people import QuietHours
from gate.policy.documents import PolicyError
from gate.policy.people import parse_people
from tests.unit.policy.building import PEOPLE, people

TWO = "version: v1\npeople:\n  ana: {name: Ana, email: ana@example.com, slack: U0ANA}\n"


def test_everybody_is_found_by_id_address_and_alias() -> None:
    directory = people()
    assert {directory.find(word).id for word in ("ana", "ANA@example.com", "ana.ruiz@example.com")} == {"ana"}  # type: ignore[union-attr]
    assert directory.groups["finance"].channel == "#finance"
    assert [person.id for person in directory.members("finance")] == ["ana", "bo"]
    rotation = directory.rotas["primary"].rotation
    assert rotation is not None
    assert (rotation.people, rotation.every_days, rotation.weekday, rotation.hour) == (("bo", "dee"), 7, 0, 9)


def test_members_may_be_named_by_address() -> None:
    directory = parse_people(TWO + "groups: {g: {members: [ANA@example.com]}}")
    assert directory.groups["g"].members == ("ana",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            TWO + "  bo: {name: Bo, email: ANA@example.com}",
            "people.yaml:4: 'ANA@example.com' names 'ana' already",
            id="address",
        ),
        pytest.param(
            TWO + "  bo: {name: Bo, email: b@x, aliases: [ana@example.com]}",
            "people.yaml:4: 'ana@example.com' names 'ana' already",
            id="alias",
        ),
        pytest.param(
            TWO + "  bo: {name: Bo, email: b@x, slack: U0ANA}",
            "people.yaml:4: Slack id U0ANA belongs to 'ana' already",
            id="Slack id",
        ),
        pytest.param(
            TWO + "  ana: {name: Other, email: o@x}",
            "people.yaml:4: key 'ana' is given twice (first on line 3)",
            id="id",
        ),
        pytest.param(
            TWO + "  bo: {name: Bo, emal: b@x}",
            "people.yaml:4: unknown key 'emal' in people.bo (did you mean 'email'?)",
            id="key",
        ),
        pytest.param(
            TWO + "groups: {g: {members: [anna]}}",
            "people.yaml:4: unknown person 'anna' (did you mean 'ana'?)",
            id="member",
        ),
        pytest.param(
            TWO + "groups: {g: {members: [ana, ana]}}", "people.yaml:4: 'ana' is named twice", id="twice"
        ),
        pytest.param(
            TWO + "groups: {g: {members: []}}", "people.yaml:4: group 'g' has no members", id="nobody"
        ),
        pytest.param(
            TWO + "groups: {g: {members: [ana], slack_usergroup: S0SEC}}",
            "people.yaml:4: group 'g': give either members or a slack_usergroup",
            id="two sources",
        ),
        pytest.param(
            TWO + "on_call: {primary: {pagerduty_schedule: 'https://x'}}",
            "people.yaml:4: ",
            id="schedule",
        ),
        pytest.param(
            TWO + "on_call: {primary: {rotation: {people: [ana], every: 1w, tz: Europe/Nowhere}}}",
            "people.yaml:4: unknown time zone 'Europe/Nowhere'",
            id="zone",
        ),
        pytest.param(
            TWO
            + "on_call: {p: {overrides: [{person: ana, from: 2026-12-27T00:00:00Z, until: 2026-12-24T00:00:00Z}]}}",
            "people.yaml:4: an override ends after it starts",
            id="backwards",
        ),
        pytest.param(
            TWO + "on_call: {p: {overrides: [{person: ana, from: 2026-12-27, until: 2026-12-28}]}}",
            "people.yaml:4: '2026-12-27' is not an instant with a zone; write 2026-12-24T00:00:00Z",
            id="no zone",
        ),
        pytest.param("", "people.yaml:1: the document is empty", id="empty"),
        pytest.param(
            "version: v1\npeople: {'<!channel>': {name: A, email: a@x}}", "people.yaml:2", id="a strange id"
        ),
    ],
)
def test_what_is_wrong_with_people_is_said(text: str, expected: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_people(text)
    assert any(str(problem).startswith(expected) for problem in refused.value.problems), (
        refused.value.problems
    )


def test_overrides_are_instants() -> None:
    directory = parse_people(
        PEOPLE.replace(
            "tz: Europe/Berlin}",
            "tz: Europe/Berlin}, overrides: "
            "[{person: cho, from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00+01:00}]",
        )
    )
    (override,) = directory.rotas["primary"].overrides
    assert (override.person, override.end.hour) == ("cho", 23)


QUIET = """
version: v1
quiet_hours: {hours: "20:00-07:30", tz: Europe/Berlin}
people:
  ana: {name: Ana, email: ana@example.com}
  bo: {name: Bo, email: bo@example.com, quiet_hours: none}
  cho: {name: Cho, email: cho@example.com, quiet_hours: {hours: "22:00-06:00", days: [sun-thu], tz: Asia/Seoul}}
"""


def test_quiet_hours_are_everybodys_ones_own_or_none():
    found = parse_people(QUIET).people
    assert found["ana"].quiet == QuietHours(start=1_200, end=450, tz="Europe/Berlin")
    assert found["bo"].quiet is None
    assert found["cho"].quiet == QuietHours(
        start=1_320, end=360, tz="Asia/Seoul", days=frozenset({6, 0, 1, 2, 3})
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Europe/Berlin", "Europe/Berlim", "unknown time zone 'Europe/Berlim'"),
        ("[sun-thu]", "[sunday]", "unknown day 'sunday'"),
        ("20:00-07:30", "00:00-24:00", "would never end"),
        ("20:00-07:30", "08:00-08:00", "would never end"),
        ("20:00-07:30", "8pm", "hours"),
        ("quiet_hours: none", "quiet_hours: never", "quiet_hours"),
    ],
)
def test_quiet_hours_that_mean_nothing_are_refused(old: str, new: str, says: str):
    with pytest.raises(PolicyError) as refused:
        parse_people(QUIET.replace(old, new))
    assert says in str(refused.value)


def test_whole_days_are_quiet_where_others_are_not():
    weekend = QUIET.replace('hours: "20:00-07:30"', 'hours: "00:00-24:00", days: [sat, sun]')
    assert parse_people(weekend).people["ana"].quiet == QuietHours(
        start=0, end=1_440, tz="Europe/Berlin", days=frozenset({5, 6})
    )
