"""Whom to ask first, and whom next: the plan's people, sparing those who are full or need a break; tells nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gate.domain.care import Care
from gate.domain.eligibility import conflicts, own_right, risk_of, slots, voices
from gate.domain.people import APPROVERS, Directory
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan

FULL = "full"
"""As many requests wait for this person as may."""
COOLING = "cooling"
"""This person approved many without a break and is left alone for a while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one person has to do: requests that wait for them (counted up to a cap), when they were asked last (None:
    never), and until when they have a break (None: they need none)."""

    open: int = 0
    asked_at: datetime | None = None
    cooling_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """Whom to ask, in order, and the (person, `full` or `cooling`) whom the plan means and who are spared."""

    asked: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()


NO_LOADS: Mapping[str, Load] = {}


def candidates(plan: ApprovalPlan, directory: Directory, risk: Risk) -> tuple[str, ...]:
    """Everybody of whom `route` may want to know the load."""
    groups = (*plan.groups, *plan.distinct_groups, APPROVERS)
    members = [p.id for group in groups for p in directory.members(group, risk)]
    return tuple(dict.fromkeys((*plan.assignees, *members)))


def route(
    record: ActionRecord,
    directory: Directory,
    *,
    care: Care,
    loads: Mapping[str, Load],
    now: datetime,
) -> Routed:
    """Whom to ask for a request nobody was asked for yet.

    Named people before groups, every distinct group a seat, of several groups the smallest that suffices, else
    `approvers`; never somebody in conflict (INV-05). With `care.rebalance` as many as are needed, the least loaded
    first; else everybody of those chosen. Whoever is full or has a break is spared while others can do it, and asked
    after all where too few are left: asking too few is worse than asking somebody tired.
    """
    return _Choice(record, directory, care, loads, now).first()


def next_one(
    record: ActionRecord,
    directory: Directory,
    *,
    care: Care,
    loads: Mapping[str, Load],
    now: datetime,
    without: Iterable[str] = (),
) -> str | None:
    """One more person to ask, beside those who were asked: the first by the same order, None where nobody is left."""
    return _Choice(record, directory, care, loads, now, without=(*record.asked, *without)).one_more()


def used_people(record: ActionRecord, directory: Directory) -> frozenset[str]:
    """Who cannot count a second time on the present version, with those they act for (INV-04, INV-06)."""
    return frozenset[str]().union(*(voice.uses_up for voice in voices(record, directory)))


def able_of_asked(
    record: ActionRecord, directory: Directory, *, loads: Mapping[str, Load], now: datetime
) -> tuple[str, ...]:
    """Those of the people asked who may decide, have not yet, and need no break."""
    used = used_people(record, directory)

    def rests(person: str) -> bool:
        until = loads.get(person, Load()).cooling_until
        return until is not None and now < until

    return tuple(
        p for p in record.asked if p not in used and own_right(record, p, directory) is None and not rests(p)
    )


def _spared(load: Load, care: Care, now: datetime) -> str | None:
    if load.cooling_until is not None and now < load.cooling_until:
        return COOLING
    return FULL if care.max_open is not None and load.open >= care.max_open else None


_NEVER = datetime.min.replace(tzinfo=UTC)


class _Choice:
    """One choice among the people of a plan."""

    def __init__(
        self,
        record: ActionRecord,
        directory: Directory,
        care: Care,
        loads: Mapping[str, Load],
        now: datetime,
        *,
        without: Iterable[str] = (),
    ) -> None:
        self._plan = record.plan or ApprovalPlan()
        self._directory, self._risk, self._care, self._loads = directory, risk_of(record), care, loads
        out = {*conflicts(record, directory), *without}

        def members(group: str) -> tuple[str, ...]:
            found = directory.members(group, self._risk)
            return tuple(dict.fromkeys(p.id for p in found if p.id not in out))

        named = (directory.people.get(person) for person in self._plan.assignees)
        self._assignees = tuple(
            dict.fromkeys(p.id for p in named if p is not None and p.active and p.id not in out)
        )
        self._seats = {group: members(group) for group in self._plan.distinct_groups}
        self._groups = {group: members(group) for group in self._plan.groups}
        self._approvers = members(APPROVERS)
        self._needed = self._plan.people_needed
        pools = (*self._seats.values(), *self._groups.values(), self._approvers)
        everyone = dict.fromkeys((*self._assignees, *(p for pool in pools for p in pool)))
        self._place = {person: place for place, person in enumerate(everyone)}
        spared = {person: _spared(loads.get(person, Load()), care, now) for person in everyone}
        self._spared = {person: why for person, why in spared.items() if why is not None}

    def first(self) -> Routed:
        meant = self._pick(lambda _: True, most=False, top_up=False)
        if not self._care.rebalance and not self._spared:
            return Routed(asked=meant)
        some_spared = any(person in self._spared for person in meant)
        asked = self._pick(
            lambda person: person not in self._spared,
            most=self._care.rebalance,
            top_up=self._care.rebalance or some_spared,
        )
        asked = self._after_all(asked, meant)
        skipped = ((person, why) for person, why in self._spared.items() if person in meant)
        return Routed(
            asked=asked, skipped=tuple((person, why) for person, why in skipped if person not in asked)
        )

    def one_more(self) -> str | None:
        """Also where seats are filled by those who were asked before, somebody who can take any of them."""
        pools = (
            self._assignees,
            *(pool for pool in self._seats.values()),
            *self._smallest_first(lambda person: person not in self._spared, wanted=1),
            self._approvers,
        )
        for pool in pools:
            fit = [person for person in pool if person not in self._spared]
            if fit:
                return min(fit, key=self._rank)
        return min(self._spared, key=self._spared_rank, default=None)

    def _rank(self, person: str) -> tuple[int, datetime, int]:
        """The least loaded first, of equals whoever was asked longest ago, then in the order of the file."""
        load = self._loads.get(person, Load())
        return (load.open, load.asked_at or _NEVER, self._place[person])

    def _spared_rank(self, person: str) -> tuple[bool, tuple[int, datetime, int]]:
        return (self._spared[person] == COOLING, self._rank(person))

    def _pick(self, able: Callable[[str], bool], *, most: bool, top_up: bool) -> tuple[str, ...]:
        """People who are `able`: of those chosen everybody or, with `most`, as many as are needed."""
        found: dict[str, None] = {}

        def take(pool: Iterable[str], limit: int) -> None:
            fit = [person for person in pool if able(person) and person not in found]
            for person in sorted(fit, key=self._rank)[: max(0, limit)] if most else fit:
                found[person] = None

        def lacking() -> int:
            return self._needed - len(found)

        if most:
            self._take_seats(found, able)
        take(self._assignees, lacking())
        if not most:
            self._take_open_seats(found, able)
        pools = [*self._smallest_first(able, wanted=lacking(), beside=found), *self._seats.values()]
        for pool in pools:
            if lacking() > 0:
                take(pool, lacking())
        if not found or (top_up and lacking() > 0):
            take(self._approvers, lacking())
        return tuple(found)

    def _take_seats(self, found: dict[str, None], able: Callable[[str], bool]) -> None:
        """One for each distinct group, so that all can be filled by different people (INV-08): named people first,
        the least loaded of them first. Taking whoever fills one more is best, seats being a matroid."""
        seated = dict.fromkeys(person for pool in self._seats.values() for person in pool)
        named = [person for person in sorted(seated, key=self._rank) if person in self._assignees]
        others = [person for person in sorted(seated, key=self._rank) if person not in self._assignees]
        for person in (*named, *others):
            if able(person) and self._filled((*found, person)) > self._filled(found):
                found[person] = None

    def _take_open_seats(self, found: dict[str, None], able: Callable[[str], bool]) -> None:
        """Everybody of the distinct groups whose seats the named people leave open."""
        if not self._seats:
            return
        held = slots(self._plan, tuple(found), self._directory, self._risk)
        for group, pool in self._seats.items():
            if held.get(group) is None:
                found.update(dict.fromkeys(person for person in pool if able(person)))
        if self._filled(found) < len(self._seats):
            # Whoever was named may sit where another could, and be needed where nobody else can.
            everyone = (person for pool in self._seats.values() for person in pool)
            found.update(dict.fromkeys(person for person in everyone if able(person)))

    def _filled(self, people: Iterable[str]) -> int:
        held = slots(self._plan, tuple(people), self._directory, self._risk)
        return sum(holder is not None for holder in held.values())

    def _smallest_first(
        self, able: Callable[[str], bool], *, wanted: int, beside: Iterable[str] = ()
    ) -> list[tuple[str, ...]]:
        """The one smallest group that has enough; where none has, all of them from the smallest on."""
        known = set(beside)
        sized = [
            (sum(able(person) and person not in known for person in pool), pool)
            for pool in self._groups.values()
        ]
        sized = sorted((each for each in sized if each[0]), key=lambda each: each[0])
        enough = [pool for size, pool in sized if size >= wanted]
        return enough[:1] or [pool for _, pool in sized]

    def _after_all(self, asked: tuple[str, ...], meant: tuple[str, ...]) -> tuple[str, ...]:
        """With those who should have been spared, where too few or nobody for a seat would be asked without them."""
        found = dict.fromkeys(asked)
        tired = sorted((p for p in meant if p in self._spared), key=self._spared_rank)
        tired += sorted((p for p in self._spared if p not in meant), key=self._spared_rank)
        for person in tired:
            if self._filled((*found, person)) > self._filled(found):
                found[person] = None
        if len(found) < self._needed and not self._care.rebalance:
            found.update(dict.fromkeys(p for p in meant if p in self._spared))
        elif self._care.rebalance:
            for person in tired:
                if len(found) < self._needed:
                    found[person] = None
        return tuple(found)
