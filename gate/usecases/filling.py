"""Put what other systems said about groups and rotas into the directory; pure, and a stranger stays a stranger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gate.domain.people import Directory, Group, Rota, Shift
from gate.usecases.ports import Listing, Pin, Turn

USERGROUP = "usergroup"
SCHEDULE = "schedule"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Everything known from elsewhere at one moment."""

    listings: tuple[Listing, ...] = ()
    pins: tuple[Pin, ...] = ()


def sources(directory: Directory) -> tuple[str, ...]:
    """Which lists this directory needs, as `Listing.source`, each once."""
    groups = [f"{USERGROUP}:{g.usergroup}" for g in directory.groups.values() if g.usergroup is not None]
    rotas = [f"{SCHEDULE}:{r.schedule}" for r in directory.rotas.values() if r.schedule is not None]
    return tuple(dict.fromkeys((*groups, *rotas)))


def filled(directory: Directory, known: Known) -> Directory:
    """The directory with members and shifts as read last, each with the time of its reading.

    A Slack user is the person pinned to that team and user id; else the one for whom people.yaml has the id, unless
    that person is pinned to another account. An address never decides here: a renamed account keeps its person,
    and one that took over an address gains nobody (threat 7).
    """
    listings = {listing.source: listing for listing in known.listings}
    people = _People(directory, known.pins)
    return replace(
        directory,
        groups={name: _group(group, listings, people) for name, group in directory.groups.items()},
        rotas={name: _rota(rota, listings, directory) for name, rota in directory.rotas.items()},
    )


class _People:
    def __init__(self, directory: Directory, pins: Iterable[Pin]) -> None:
        self._directory = directory
        self._by_user = {(pin.team_id, pin.user_id): pin.person for pin in pins}
        self._pinned = frozenset(self._by_user.values())

    def behind(self, team_id: str, user_id: str) -> str | None:
        """The person's id; None for whoever people.yaml does not have."""
        pinned = self._by_user.get((team_id, user_id))
        if pinned is not None:
            return pinned if pinned in self._directory.people else None
        person = self._directory.by_slack(user_id)
        return person.id if person is not None and person.id not in self._pinned else None


def strangers(listing: Listing, directory: Directory, pins: Iterable[Pin]) -> tuple[str, ...]:
    """The members of a user group of whom nobody knows yet which person they are."""
    people = _People(directory, pins)
    team = listing.listed.team_id
    return tuple(user for user in listing.listed.users if people.behind(team, user) is None)


def _group(group: Group, listings: Mapping[str, Listing], people: _People) -> Group:
    listing = listings.get(f"{USERGROUP}:{group.usergroup}")
    if group.usergroup is None or listing is None:
        return group
    found = [people.behind(listing.listed.team_id, user) for user in listing.listed.users]
    members = tuple(dict.fromkeys(person for person in found if person is not None))
    return replace(group, members=members, read_at=listing.read_at, strangers=found.count(None))


def _rota(rota: Rota, listings: Mapping[str, Listing], directory: Directory) -> Rota:
    listing = listings.get(f"{SCHEDULE}:{rota.schedule}")
    if rota.schedule is None or listing is None:
        return rota
    shifts = tuple(_shift(turn, directory) for turn in listing.listed.turns)
    return replace(rota, shifts=shifts, read_at=listing.read_at)


def _shift(turn: Turn, directory: Directory) -> Shift:
    person = directory.find(turn.email)
    known = person is not None and person.active
    return Shift(person=person.id if person is not None and known else None, start=turn.start, end=turn.end)
