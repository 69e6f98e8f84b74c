"""Keeps grants as handed out and moves them, once, out of ISSUED."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, exists, select

from gate.domain.request import Grant, GrantState
from gate.store.bound import Bound
from gate.store.errors import UnreadableRow
from gate.store.newest import Made
from gate.store.questions import Question
from gate.store.tables import grants


class SqlGrants:
    """Implements `ports.Grants`."""

    def __init__(self, bound: Bound, made: Made) -> None:
        self._bound = bound
        self._made = made

    async def add(self, grant: Grant) -> None:
        self._made.grants[grant.action] = grant
        await self._bound.put(
            grants,
            {
                "jti": grant.jti,
                "action_id": grant.action,
                "version": grant.version,
                "payload_sha256": grant.payload_sha256,
                "audience": grant.audience,
                "issued_at": grant.issued_at,
                "expires_at": grant.expires_at,
                "token": grant.token,
                "state": grant.state.value,
                "redeemed_at": grant.redeemed_at,
                "redeemed_by": grant.redeemed_by,
            },
        )

    async def get(self, jti: str) -> Grant | None:
        return _grant(await self._bound.ask(_BY_JTI, jti=jti))

    async def latest(self, action_id: str, version: int) -> Grant | None:
        """The one issued last."""
        return _grant(await self._bound.ask(_LATEST, action_id=action_id, version=version))

    async def move(
        self, jti: str, *, to: GrantState, at: datetime | None = None, by: str | None = None
    ) -> bool:
        """Also False where another grant of the same version was redeemed before. Two transactions that redeem two
        grants of one version at the same instant cannot both commit: a unique index refuses the second. Where the
        transaction presumes, that none was redeemed is what its action says, which is saved with it."""
        values: dict[str, Any] = {"state": to.value}
        if to is GrantState.REDEEMED:
            values |= {"redeemed_at": at, "redeemed_by": by}
        if to is GrantState.REDEEMED and not self._bound.presuming:
            ((used, grant),) = await self._bound.ask(_USED, jti=jti) or ((0, None),)
            if used or grant is None:
                return False
        return await self._bound.change(grants, {"jti": jti, "state": GrantState.ISSUED.value}, values)


_BY_JTI = Question(select(grants).where(grants.c.jti == bindparam("jti")))
_LATEST = Question(
    select(grants)
    .where(grants.c.action_id == bindparam("action_id"), grants.c.version == bindparam("version"))
    .order_by(grants.c.issued_at.desc(), grants.c.jti.desc())
    .limit(1)
)
_other = grants.alias()
_USED = Question(
    select(
        exists()
        .where(
            _other.c.action_id == grants.c.action_id,
            _other.c.version == grants.c.version,
            _other.c.state == GrantState.REDEEMED.value,
        )
        .label("used"),
        grants.c.jti,
    ).where(grants.c.jti == bindparam("jti"))
)


def _grant(found: Sequence[Row[Any]]) -> Grant | None:
    if not found:
        return None
    (row,) = found
    try:
        state = GrantState(row.state)
    except ValueError:
        raise UnreadableRow(f"Grant {row.jti}", "it has an unknown state") from None
    return Grant(
        jti=row.jti,
        action=row.action_id,
        version=row.version,
        payload_sha256=row.payload_sha256,
        audience=row.audience,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        token=row.token,
        state=state,
        redeemed_at=row.redeemed_at,
        redeemed_by=row.redeemed_by,
    )
