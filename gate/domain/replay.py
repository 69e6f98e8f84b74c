"""Goes through an audit record by the table of transitions and says what could not have happened; it reads no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gate.domain.audit import KINDS, NOTED
from gate.domain.transitions import TABLE

_MOVES = {(t.kind, t.source.value if t.source is not None else None): t.target.value for t in TABLE}
_OF_ACTIONS = frozenset(t.kind for t in TABLE)


@dataclass(slots=True)
class _Action:
    """An action as far as its records tell."""

    status: str
    revision: int
    redeemed: bool = False


class Replay:
    """Takes records in the order of their numbers."""

    def __init__(self) -> None:
        self._actions: dict[str, _Action] = {}
        self.policies: set[str] = set()
        """Digests of the policy sets that decided something."""
        self.partial = False
        """Whether records before these are elsewhere, so that an action may be met in the middle of its life."""

    def take(self, body: Mapping[str, Any]) -> str | None:
        """Why this record could not have followed the ones before; None where it could. The action is then taken to
        be as the record says, so that one forgery is told once."""
        kind, action = body.get("kind"), body.get("action")
        told = body.get("detail")
        if not isinstance(kind, str) or not isinstance(told, dict) or kind not in KINDS:
            return f"no gate writes a record of the kind {kind!r}"
        detail = cast("Mapping[str, Any]", told)
        if isinstance(digest := detail.get("policy_digest"), str):
            self.policies.add(digest)
        if kind in NOTED:
            return None if isinstance(action, str) else f"{kind} does not say which action it is of"
        if kind not in _OF_ACTIONS:
            return None if action is None else f"{kind} is nothing that happens to an action"
        status, revision = detail.get("status"), detail.get("revision")
        if not isinstance(action, str) or not isinstance(status, str) or not isinstance(revision, int):
            return f"{kind} does not say which action it is of, and how it then stood"
        before = self._actions.get(action)
        met = before is None and self.partial and revision > 1
        problem = None if met else _problem(before, kind, status, revision)
        redeemed = kind == "grant.redeemed"
        if before is not None and before.redeemed and redeemed:
            problem = problem or "a grant was redeemed twice"
        redeemed = redeemed or (before is not None and before.redeemed)
        self._actions[action] = _Action(status=status, revision=revision, redeemed=redeemed)
        return problem


def _problem(before: _Action | None, kind: str, status: str, revision: int) -> str | None:
    source = None if before is None else before.status
    target = _MOVES.get((kind, source))
    if target is None:
        return f"{kind} cannot follow {'nothing' if source is None else f'the status {source}'}"
    if target != status:
        return f"{kind} leads to {target}, not to {status}"
    expected = 1 if before is None else before.revision + 1
    if revision != expected:
        return f"it has revision {revision} where {expected} comes next"
    return None
