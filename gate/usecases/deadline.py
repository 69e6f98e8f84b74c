"""The ticker says that a deadline has come; whether it still is the armed one is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gate.domain.action import Json
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.timeouts import fire as act
from gate.domain.transitions import Change
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge_release
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action, on_actions


async def fire(deps: Deps, cmd: FireDeadline) -> Done | Refused:
    """The record after the deadline did its work, once (INV-25); refused `not_due` or `not_pending` otherwise."""
    firing = _Firing(deps, (cmd,))
    return firing.told(await on_action(deps, cmd.action_id, firing.decide))


async def fire_together(deps: Deps, cmds: Sequence[FireDeadline]) -> dict[str, Done | Refused]:
    """As `fire` for deadlines of different actions, in one transaction and so for one wait on the disk; by action id.

    An action that somebody else is changing at this moment has no entry. Where anything goes wrong with one of
    them it raises and nothing has happened to any: fire them one by one then.
    """
    firing = _Firing(deps, cmds)
    done = await on_actions(deps, [cmd.action_id for cmd in cmds], firing.decide)
    return {action_id: firing.told(each) for action_id, each in done.items()}


class _Firing:
    """Decides what deadlines do; the directory is read once in a transaction."""

    def __init__(self, deps: Deps, cmds: Sequence[FireDeadline]) -> None:
        self._deps = deps
        self._seqs = {cmd.action_id: cmd.seq for cmd in cmds}
        self._known: tuple[Transaction, Directory] | None = None
        self._details: dict[str, Mapping[str, Json]] = {}

    async def decide(self, tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        now = self._deps.clock.now()
        result = act(
            record,
            seq=self._seqs[record.id],
            now=now,
            directory=await self._directory(tx),
            repage_sec=self._deps.limits.repage_sec,
            judged_again=await judge_release(tx, self._deps.rules.current, record, now),
            break_glass=self._deps.rules.current.policy.break_glass,
        )
        if isinstance(result, Refused):
            return result
        self._details[record.id] = result.audit.detail
        return [result]

    async def _directory(self, tx: Transaction) -> Directory:
        if self._known is None or self._known[0] is not tx:
            self._known = (tx, await directory_now(self._deps, tx))
        return self._known[1]

    def told(self, done: Done | Refused) -> Done | Refused:
        """The answer, with what an operator should hear."""
        if isinstance(done, Refused):
            return done
        detail = self._details[done.record.id]
        return replace(
            done,
            nobody_reached=detail.get("nobody_reached") is True,
            unreached=tuple(detail.get("unreached", ())),
        )
