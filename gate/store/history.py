"""Questions to the gate's own history of actions; what the answers mean is the policy's business."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, func, literal, literal_column, or_, select

from gate.domain.action import Velocity
from gate.domain.request import Status
from gate.store.bound import Bound
from gate.store.questions import Absence, Question
from gate.store.tables import PENDING, actions
from gate.usecases.ports import AloneOnly, LikeIt

_REFUSED = (Status.DENIED.value, Status.THROTTLED.value)
_RELEASED = (Status.ALLOWED.value, Status.APPROVED.value)

_KEYS: Mapping[str, ColumnElement[Any]] = {
    "agent": actions.c.agent_id,
    "topic": actions.c.topic,
    "tool": actions.c.tool,
    "team": actions.c.team,
    "environment": actions.c.environment,
}
_SUMS: Mapping[str, ColumnElement[Any]] = {
    "amount_usd": actions.c.amount_usd,
    "affected_users": actions.c.affected_users,
}


async def pending_count(bound: Bound, agent_id: str, *, cap: int | None) -> int:
    """Together with others, that there is room for this one and all those beside it is what the commit counts, once for
    all of them; where the transaction presumes so, it is 0 before that."""
    if cap is not None:
        below = cap - -(-bound.beside // ROUNDED) * ROUNDED
        if below > 0 and bound.presume(_ROOM, agent_id=agent_id, below=below):
            return 0
    ((count,),) = await bound.ask(_OPEN, agent_id=agent_id)
    if cap is not None and count < cap and not bound.alone:
        if count + bound.beside >= cap:
            raise AloneOnly  # those beside may fill what is left
        bound.demand(_ROOM, agent_id=agent_id, below=cap - bound.beside)
    return count


class Seen:
    """Which agents are known to have had an action of a topic released. It stays so, also when that action is let go of
    after years; so what was found once need not be asked again, and what was not may have happened since."""

    def __init__(self, *, most: int = 10_000) -> None:
        self._found: dict[tuple[str, str], None] = {}
        self._most = most

    async def before(self, bound: Bound, agent_id: str, topic: str) -> bool:
        which = (agent_id, topic)
        if which in self._found:
            return True
        if not await bound.ask(_SEEN, agent_id=agent_id, topic=topic):
            return False
        if not bound.alone:  # what shares its commit reads only what is committed
            if len(self._found) >= self._most:
                del self._found[next(iter(self._found))]
            self._found[which] = None
        return True


async def retries(bound: Bound, agent_id: str, topic: str, payload_sha256: str, since: datetime) -> int:
    """Mostly there is none, which is looked up in the commit where that may be presumed."""
    if bound.presume_none(_RETRY, agent_id, payload_sha256, topic, since):
        return 0
    ((count,),) = await bound.ask(
        _RETRIES, agent_id=agent_id, topic=topic, payload_sha256=payload_sha256, since=since
    )
    return count


ROUNDED = 32
"""Those beside are counted in steps, so that many ask the same."""
_ROOM = Question(
    select(literal(1)).where(
        select(func.count())
        .select_from(actions)
        .where(actions.c.agent_id == bindparam("agent_id"), PENDING)
        .scalar_subquery()
        < bindparam("below", type_=Integer)
    )
)
_OPEN = Question(
    select(func.count()).select_from(actions).where(actions.c.agent_id == bindparam("agent_id"), PENDING)
)
_SEEN = Question(
    select(literal(1))
    .select_from(actions)
    .where(
        actions.c.agent_id == bindparam("agent_id"),
        actions.c.topic == bindparam("topic"),
        or_(*(actions.c.status == status for status in _RELEASED)),
    )
    .limit(1)
)
_RETRY = Absence(actions, "agent_id", "payload_sha256", "topic", "created_at", beside=frozenset({"topic"}))
_RETRIES = Question(
    select(func.count())
    .select_from(actions)
    .where(
        actions.c.agent_id == bindparam("agent_id"),
        actions.c.payload_sha256 == bindparam("payload_sha256"),
        # No plain column, or SQLite may go by all of the topic's actions instead of the few equal ones.
        actions.c.topic.concat(literal_column("''")) == bindparam("topic"),
        actions.c.created_at >= bindparam("since"),
    )
)


async def velocity(bound: Bound, probe: Velocity, values: Mapping[str, str], since: datetime) -> float:
    """Neither denied nor throttled actions count: they did nothing, and counting the throttled would lock an agent
    out for as long as it keeps asking. An empty value asks for actions without one. KeyError for a key or a sum
    that actions do not have. `AloneOnly` together with others: at once they would all stay below one limit."""
    if not bound.alone:
        raise AloneOnly
    measure = func.count() if probe.sum_of is None else func.coalesce(func.sum(_SUMS[probe.sum_of]), 0)
    same = [_KEYS[key] == values[key] if values[key] else _KEYS[key].is_(None) for key in probe.key]
    statement = (
        select(measure)
        .select_from(actions)
        .where(*same, actions.c.created_at >= since, actions.c.status.not_in(_REFUSED))
    )
    return float(await bound.scalar(statement))


async def like_it(bound: Bound, agent_id: str, topic: str, since: datetime, *, except_id: str) -> LikeIt:
    """`total` counts all that were decided, however; the amounts are those of released ones."""
    (row,) = await bound.ask(_LIKE_IT, agent_id=agent_id, topic=topic, since=since, except_id=except_id)
    return LikeIt(
        total=row.total,
        allowed=row.allowed,
        approved=row.approved,
        rejected=row.rejected,
        amount_low=row.low,
        amount_high=row.high,
    )


def _having(status: Status) -> ColumnElement[int]:
    return func.count().filter(actions.c.status == status.value)


_WERE_RELEASED = or_(*(actions.c.status == status for status in _RELEASED))
_LIKE_IT = Question(
    select(
        func.count().filter(actions.c.status != Status.PENDING.value).label("total"),
        _having(Status.ALLOWED).label("allowed"),
        _having(Status.APPROVED).label("approved"),
        _having(Status.REJECTED).label("rejected"),
        func.min(actions.c.amount_usd).filter(_WERE_RELEASED).label("low"),
        func.max(actions.c.amount_usd).filter(_WERE_RELEASED).label("high"),
    ).where(
        actions.c.agent_id == bindparam("agent_id"),
        actions.c.topic == bindparam("topic"),
        actions.c.created_at >= bindparam("since"),
        actions.c.id != bindparam("except_id"),
    )
)
