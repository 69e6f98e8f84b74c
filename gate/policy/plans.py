"""The plan for asking people: what a rule says, the rest filled in by risk; votes and timers are the domain's.

Source of the defaults: "The language", paragraph on durations: what holds where a rule requires approval and
says nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from gate.domain.action import Evidence, Subject
from gate.domain.people import APPROVERS, Directory
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan, Editable, Effective, GrantTerms, LadderStep, OnTimeout
from gate.policy.facts import Scratch
from gate.policy.grammar import Approval
from gate.policy.when import Expression
from gate.policy.when_values import ExpressionError, to_string

SLA_SEC = {Risk.CRITICAL: 1_800, Risk.HIGH: 7_200, Risk.MEDIUM: 14_400, Risk.LOW: 28_800}
ON_TIMEOUT = {
    Risk.CRITICAL: OnTimeout.HOLD,
    Risk.HIGH: OnTimeout.DENY,
    Risk.MEDIUM: OnTimeout.ESCALATE,
    Risk.LOW: OnTimeout.DENY,
}
CRITICAL_QUORUM = 2
PRIMARY = "primary"
EVERYTHING = frozenset({"approve", "edit", "reject", "reassign"})
EVIDENCE_LENGTH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Whom a rule names itself: person ids, group names, and groups of which each must agree."""

    assignees: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    distinct_groups: tuple[str, ...] = ()

    @property
    def nobody(self) -> bool:
        """Whether the rule leaves it to routing."""
        return not (self.assignees or self.groups or self.distinct_groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Everything needed to plan for one rule. `ask.plan(risk, routed)` is pure and may be kept."""

    directory: Directory
    asked: Asked
    approval: Approval | None = None
    ladder: tuple[LadderStep, ...] | None = None
    evidence: tuple[tuple[str, Expression, str], ...] = ()
    low_risk_timeout: bool = False
    remind_after_sec: int | None = None

    def plan(self, risk: Risk, routed: str, editable: Editable | None = None) -> ApprovalPlan:
        """The plan at this effective risk; `routed` is the group asked where the rule names nobody.

        Critical never has a quorum below two, and nothing above low ever passes on a timer (INV-08, INV-09).
        """
        given = self.approval
        asked = Asked(groups=(routed,)) if self.asked.nobody else self.asked
        quorum = given.quorum if given is not None and given.quorum is not None else 1
        if risk is Risk.CRITICAL:
            quorum = max(quorum, CRITICAL_QUORUM)
        quorum = max(quorum, len(asked.distinct_groups))
        sla = given.sla if given is not None else SLA_SEC[risk]
        own = Editable()
        if given is not None and given.editable is not None:
            paths = given.editable.paths
            own = Editable(paths=tuple(paths) if paths is not None else None, schema=given.editable.schema_)
        elif editable is not None:
            own = editable
        return ApprovalPlan(
            assignees=asked.assignees,
            groups=asked.groups,
            distinct_groups=asked.distinct_groups,
            quorum=quorum,
            channel=self._channel(asked),
            sla_sec=sla,
            ladder=self.ladder if self.ladder is not None else self._default_ladder(asked, sla),
            on_timeout=self.on_timeout(risk),
            allow=frozenset(given.allow) if given is not None and given.allow is not None else EVERYTHING,
            editable=own,
            min_review_sec=given.min_review_sec if given is not None else 0,
        )

    def on_timeout(self, risk: Risk) -> OnTimeout:
        """What the last deadline does at this risk. An `allow` above low falls back to the default for the risk."""
        given = self.approval
        if given is not None and given.on_timeout is not None:
            wanted = OnTimeout(given.on_timeout)
            return wanted if wanted is not OnTimeout.ALLOW or risk is Risk.LOW else ON_TIMEOUT[risk]
        if risk is Risk.LOW and self.low_risk_timeout:
            return OnTimeout.ALLOW
        return ON_TIMEOUT[risk]

    def _channel(self, asked: Asked) -> str:
        if self.approval is not None and self.approval.channel is not None:
            return self.approval.channel
        for name in (*asked.groups, *asked.distinct_groups):
            group = self.directory.groups.get(name)
            if group is not None and group.channel is not None:
                return group.channel
        return self.directory.default_channel

    def _default_ladder(self, asked: Asked, sla: int) -> tuple[LadderStep, ...]:
        """A reminder at half the time, or after `remind_after_sec` where that comes before; the primary rota at three
        quarters where there is one."""
        everyone = (
            *(("assignees",) if asked.assignees else ()),
            *(f"group:{name}" for name in dict.fromkeys((*asked.groups, *asked.distinct_groups))),
        )
        remind = min(self.remind_after_sec or sla // 2, sla * 3 // 4)
        steps = [LadderStep(after_sec=max(1, remind), to=everyone)]
        if PRIMARY in self.directory.rotas:
            steps.append(LadderStep(after_sec=max(1, sla * 3 // 4), to=(f"oncall:{PRIMARY}",)))
        return tuple(steps)

    def _groups(self, routed: str) -> tuple[str, ...]:
        own = (routed,) if self.asked.nobody else (*self.asked.groups, *self.asked.distinct_groups)
        return (*own, APPROVERS)

    def open_ended(self, routed: str) -> bool:
        """Whether one of the groups gets its members from elsewhere, so that nobody can be counted at load."""
        return self.directory.filled_elsewhere(*self._groups(routed))

    def eligible(self, routed: str) -> frozenset[str]:
        """Ids of everybody who could decide: those asked and the members of `approvers`."""
        found = set(self.asked.assignees)
        for group in self._groups(routed):
            found.update(person.id for person in self.directory.members(group))
        return frozenset(found)

    def shown(self, e: Effective, s: Subject, now: datetime, x: Scratch) -> tuple[Evidence, ...]:
        """The evidence of the rule, worked out for one action; what cannot be is said so, in amber."""
        items: list[Evidence] = []
        for label, expression, tone in self.evidence:
            try:
                value = expression(x.variables(e, s))
                text = _listed(value)
                items.append(Evidence(label=label, value=text[:EVIDENCE_LENGTH], tone=tone))
            except ExpressionError as error:
                items.append(Evidence(label=label, value=f"not available: {error}", tone="amber"))
        return tuple(items)


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(to_string(item) for item in cast("list[Any]", value))
    return to_string(value)


def grant_terms(approval: Approval | None) -> GrantTerms:
    """The terms of grants under this rule."""
    if approval is None or approval.grant is None:
        return GrantTerms()
    grant, usual = approval.grant, GrantTerms()
    return GrantTerms(
        ttl_sec=grant.ttl if grant.ttl is not None else usual.ttl_sec,
        valid_for_sec=grant.valid_for if grant.valid_for is not None else usual.valid_for_sec,
        audience=grant.audience,
        report_within_sec=grant.report_within,
    )
