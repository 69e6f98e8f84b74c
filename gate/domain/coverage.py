"""Who has a rota over a span of time, hand-off by hand-off; a single instant is oncall.py's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gate.domain.oncall import on_call
from gate.domain.people import Directory, Rota


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """`person` (an id, None where nobody does) has the rota from `start` until, not including, `end`."""

    person: str | None
    start: datetime
    end: datetime


def spells(rota: Rota, start: datetime, end: datetime) -> tuple[Spell, ...]:
    """The spells that cover [start, end) without gap or overlap; neighbours of one person are one spell.

    What an outside schedule said when it was read last is taken for what it will say.
    """
    changes = [edge for o in rota.overrides for edge in (o.start, o.end)]
    changes += [edge for s in rota.shifts for edge in (s.start, s.end) if edge is not None]
    edges = sorted({edge for edge in changes if start < edge < end})
    found: list[Spell] = []
    here = start
    while here < end:
        duty = on_call(rota if rota.read_at is None else replace(rota, read_at=here), here)
        ends = [end, *(edge for edge in edges if edge > here)]
        if duty.until is not None:
            ends.append(duty.until)
        until = min(ends)
        if found and found[-1].person == duty.person:
            found[-1] = Spell(person=duty.person, start=found[-1].start, end=until)
        else:
            found.append(Spell(person=duty.person, start=here, end=until))
        here = until
    return tuple(found)


def gaps(rota: Rota, directory: Directory, start: datetime, end: datetime) -> tuple[Spell, ...]:
    """The spells in which nobody who is active has the rota."""

    def empty(spell: Spell) -> bool:
        person = directory.people.get(spell.person or "")
        return person is None or not person.active

    return tuple(spell for spell in spells(rota, start, end) if empty(spell))
