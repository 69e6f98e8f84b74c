"""people.yaml to a `Directory`, strictly; who may decide what, and whose turn it is, are the domain's business."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field

from gate.domain.people import Directory, Group, Override, Person, QuietHours, Rota, Rotation
from gate.policy.clock import minutes, time_zone, weekdays
from gate.policy.documents import Document, PolicyError, Problem, did_you_mean
from gate.policy.grammar import Duration, Hours, Name, Section, listed
from gate.policy.parse import validated
from gate.policy.source import Path, Source, read

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
_EMAIL = r"^[^@\s<>,;]+@[^@\s<>,;]+$"
_CHANNEL = r"^(#[^\s#@<>]{1,80}|[CG][A-Z0-9]{5,})$"

Email = Annotated[str, Field(pattern=_EMAIL, max_length=254)]
Channel = Annotated[str, Field(pattern=_CHANNEL)]


class QuietItem(Section):
    hours: Hours
    days: Annotated[list[Name], Field(min_length=1), BeforeValidator(listed)] | None = None
    tz: Name = "UTC"


class PersonItem(Section):
    name: Annotated[str, Field(min_length=1, max_length=120)]
    email: Email
    slack: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,}$")] | None = None
    aliases: list[Email] | None = None
    active: bool = True
    quiet_hours: QuietItem | Literal["none"] | None = None


class GroupItem(Section):
    members: list[Name] | None = None
    channel: Channel | None = None
    slack_usergroup: Annotated[str, Field(pattern=r"^S[A-Z0-9]{2,}$")] | None = None


class RotationItem(Section):
    people: Annotated[list[Name], Field(min_length=1)]
    every: Duration
    handoff: Annotated[str, Field(pattern=r"^(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):[0-5]\d$")] = (
        "mon 09:00"
    )
    tz: Name = "UTC"


class OverrideItem(Section):
    person: Name
    from_: Annotated[str, Field(alias="from")]
    until: str


class RotaItem(Section):
    rotation: RotationItem | None = None
    overrides: list[OverrideItem] | None = None
    pagerduty_schedule: Annotated[str, Field(pattern=r"^[A-Z0-9]{4,32}$")] | None = None


class ChannelsItem(Section):
    default: Channel = "#approvals"
    escalations: Channel | None = None


class PeopleText(Section):
    version: Literal["v1"]
    people: dict[Annotated[str, Field(pattern=_ID)], PersonItem] | None = None
    groups: dict[Annotated[str, Field(pattern=_ID)], GroupItem] | None = None
    on_call: dict[Annotated[str, Field(pattern=_ID)], RotaItem] | None = None
    channels: ChannelsItem | None = None
    quiet_hours: QuietItem | None = None


def parse_people(text: str, name: str = "people.yaml") -> Directory:
    """The directory a text describes. Raises `PolicyError` with every problem and its line.

    Members may be named by id, address or alias; the directory holds ids. Nobody shares an id, address, alias
    or Slack id.
    """
    source = read(Document(name=name, text=text))
    if source.value is None:
        raise PolicyError([Problem(file=name, line=1, message="the document is empty")])
    return _Builder(source, validated(PeopleText, source.value, source)).directory()


class _Builder:
    def __init__(self, source: Source, text: PeopleText) -> None:
        self.source = source
        self.text = text
        self.problems: list[Problem] = []
        self.ids: dict[str, str] = {}

    def directory(self) -> Directory:
        people = self._people()
        groups = self._groups()
        rotas = self._rotas()
        if self.problems:
            raise PolicyError(self.problems)
        channels = self.text.channels or ChannelsItem()
        return Directory(
            people=people,
            groups=groups,
            rotas=rotas,
            default_channel=channels.default,
            escalation_channel=channels.escalations,
        )

    def _problem(self, path: Path, message: str) -> None:
        self.problems.append(Problem(file=self.source.name, line=self.source.line(path), message=message))

    def _people(self) -> dict[str, Person]:
        people: dict[str, Person] = {}
        slack_ids: dict[str, str] = {}
        given = self.text.quiet_hours
        usual = None if given is None else self._quiet(given, ("quiet_hours",))
        for key, item in (self.text.people or {}).items():
            here: Path = ("people", key)
            self._claim(key, key, here)
            self._claim(item.email, key, (*here, "email"))
            for index, alias in enumerate(item.aliases or []):
                self._claim(alias, key, (*here, "aliases", index))
            if item.slack is not None:
                if item.slack in slack_ids:
                    self._problem(
                        (*here, "slack"),
                        f"Slack id {item.slack} belongs to '{slack_ids[item.slack]}' already",
                    )
                slack_ids.setdefault(item.slack, key)
            people[key] = Person(
                id=key,
                name=item.name,
                email=item.email,
                slack=item.slack,
                aliases=tuple(item.aliases or ()),
                active=item.active,
                quiet=self._quiet_of(item, usual, (*here, "quiet_hours")),
            )
        return people

    def _quiet_of(self, item: PersonItem, usual: QuietHours | None, path: Path) -> QuietHours | None:
        """A person's own quiet hours, else those of everybody; none where they want none."""
        if item.quiet_hours == "none":
            return None
        return usual if item.quiet_hours is None else self._quiet(item.quiet_hours, path)

    def _quiet(self, item: QuietItem, path: Path) -> QuietHours | None:
        start, _, end = item.hours.partition("-")
        try:
            found = QuietHours(
                start=minutes(start),
                end=minutes(end),
                days=weekdays(item.days) if item.days is not None else frozenset(range(7)),
                tz=time_zone(item.tz).key,
            )
        except ValueError as problem:
            self._problem(path, str(problem))
            return None
        if (found.end - found.start) % 1_440 == 0 and len(found.days) == 7:
            self._problem((*path, "hours"), "these quiet hours would never end; give days, or shorter hours")
            return None
        return found

    def _claim(self, word: str, person: str, path: Path) -> None:
        """Every id, address and alias names one person; a second claim to it is a problem."""
        holder = self.ids.setdefault(word.casefold(), person)
        if holder != person:
            self._problem(path, f"'{word}' names '{holder}' already")
        elif (
            path[-1] != person and sum(1 for w in self._words(person) if w.casefold() == word.casefold()) > 1
        ):
            self._problem(path, f"'{word}' is given twice for '{person}'")

    def _words(self, person: str) -> list[str]:
        item = (self.text.people or {})[person]
        return [item.email, *(item.aliases or [])]

    def _resolved(self, names: list[str], path: Path) -> tuple[str, ...]:
        found: list[str] = []
        for index, name in enumerate(names):
            person = self.ids.get(name.casefold())
            if person is None:
                self._problem((*path, index), f"unknown person '{name}'{did_you_mean(name, self.ids)}")
            elif person in found:
                self._problem((*path, index), f"'{name}' is named twice")
            else:
                found.append(person)
        return tuple(found)

    def _groups(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        for key, item in (self.text.groups or {}).items():
            here: Path = ("groups", key)
            if item.slack_usergroup is not None and item.members is not None:
                self._problem(
                    (*here, "slack_usergroup"), f"group '{key}': give either members or a slack_usergroup"
                )
            elif item.slack_usergroup is None and not item.members:
                self._problem(here, f"group '{key}' has no members")
            members = self._resolved(item.members or [], (*here, "members"))
            groups[key] = Group(
                name=key, members=members, channel=item.channel, usergroup=item.slack_usergroup
            )
        return groups

    def _rotas(self) -> dict[str, Rota]:
        rotas: dict[str, Rota] = {}
        for key, item in (self.text.on_call or {}).items():
            here: Path = ("on_call", key)
            if item.pagerduty_schedule is None and item.rotation is None and not item.overrides:
                self._problem(
                    here, f"rota '{key}' has neither a rotation, overrides nor a pagerduty_schedule"
                )
            rotation = (
                self._rotation(item.rotation, (*here, "rotation")) if item.rotation is not None else None
            )
            overrides = tuple(
                override
                for index, given in enumerate(item.overrides or [])
                if (override := self._override(given, (*here, "overrides", index))) is not None
            )
            rotas[key] = Rota(
                name=key, rotation=rotation, overrides=overrides, schedule=item.pagerduty_schedule
            )
        return rotas

    def _rotation(self, item: RotationItem, path: Path) -> Rotation:
        if item.every % 86_400:
            self._problem((*path, "every"), "a rotation changes every so many whole days or weeks")
        try:
            ZoneInfo(item.tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._problem((*path, "tz"), f"unknown time zone '{item.tz}'")
        day, _, at = item.handoff.partition(" ")
        return Rotation(
            people=self._resolved(item.people, (*path, "people")),
            every_days=item.every // 86_400,
            weekday=WEEKDAYS.index(day),
            hour=int(at[:2]),
            minute=int(at[3:]),
            tz=item.tz,
        )

    def _override(self, item: OverrideItem, path: Path) -> Override | None:
        start, end = (self._instant(item.from_, (*path, "from")), self._instant(item.until, (*path, "until")))
        people = self._resolved([item.person], path)
        if start is None or end is None or not people:
            return None
        if end <= start:
            self._problem((*path, "until"), "an override ends after it starts")
        return Override(person=people[0], start=start, end=end)

    def _instant(self, text: str, path: Path) -> datetime | None:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self._problem(path, f"'{text}' is not an instant with a zone; write 2026-12-24T00:00:00Z")
            return None
        return instant.astimezone(UTC)
