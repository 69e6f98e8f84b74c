"""Any order of votes, edits, loans of authority, hand-overs, timers and redemptions, against promises of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gate.domain.action import Agent
from gate.domain.audit import KINDS
from gate.domain.delegating import Lent, grant
from gate.domain.delegating import revoke as revoke_delegation
from gate.domain.delegation import Delegation
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.release import collectable, minting, redeem, revoke
from gate.domain.request import ActionRecord, Choice, Grant, Status
from gate.domain.review import approve, cancel, edit, reassign, reject
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import TABLE, Change
from gate.domain.verdict import Decision, OnTimeout
from tests.fakes.records import NOW, REPAGE, directory, pending, person, plan, verdict

PEOPLE = ("ana", "bo", "cho", "dee", "own", "zed", "zoe")
FINANCE_OR_APPROVERS = {"ana", "bo", "cho"}
EXECUTOR = Agent(id="agt_x", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))
LEGAL = {(t.kind, t.source, t.target) for t in TABLE}

people = st.sampled_from(PEOPLE)
versions = st.integers(1, 4)


class OneAction(RuleBasedStateMachine):
    """One pending request and everything that can be done to it, in any order."""

    record: ActionRecord
    now: datetime

    @initialize(
        risk=st.sampled_from(list(Risk)),
        on_timeout=st.sampled_from(list(OnTimeout)),
        quorum=st.integers(1, 2),
    )
    def begin(self, risk: Risk, on_timeout: OnTimeout, quorum: int) -> None:
        self.risk = risk
        self.needed = 2 if risk is Risk.CRITICAL else quorum
        self.record = pending(
            verdict_=verdict(risk=risk, plan_=plan(on_timeout=on_timeout, quorum=self.needed))
        )
        self.now = NOW
        self.called: set[str] = set()
        self.redeemed: list[str] = []
        self.grants: list[Grant] = []
        self.revoked = False
        self.rejected = False
        self.lent: list[Delegation] = []

    def people_now(self) -> Directory:
        """The directory as the use-cases make it: with the delegations that hold at this moment."""
        holding = tuple(d for d in self.lent if d.holds(self.now))
        known = directory().people | {"zed": person("zed")}
        return directory(people=known, delegations=holding)

    def own(self, who: str) -> bool:
        """Who may decide in their own right, said without the core's code."""
        return who in FINANCE_OR_APPROVERS | self.called and who not in ("own", "zoe")

    def holding(self, grantor: str, delegate: str, since: datetime) -> bool:
        """Whether one delegation between these two has held from `since` until now without a break."""
        return any(
            (d.grantor, d.delegate) == (grantor, delegate)
            and d.revoked_at is None
            and d.start <= since
            and self.now < d.end
            and not d.topics
            for d in self.lent
        )

    def really_count(self) -> int:
        """How many people's approvals of the current version may count now, at the very most (INV-06, INV-07)."""
        groups: list[set[str]] = []
        for vote in self.record.votes:
            if vote.version != self.record.version.number or vote.choice is not Choice.APPROVE:
                continue
            if vote.on_behalf_of is None:
                valid = self.own(vote.person)
            else:
                valid = self.own(vote.on_behalf_of) and self.holding(vote.on_behalf_of, vote.person, vote.at)
            both = {vote.person, vote.on_behalf_of or vote.person}
            if valid and not any(both & taken for taken in groups):
                groups.append(both)
        return len(groups)

    @rule(
        giver=people,
        taker=people,
        days=st.integers(1, 3),
        other_topic=st.booleans(),
        wait=st.integers(0, 600),
    )
    def lends(self, giver: str, taker: str, days: int, other_topic: bool, wait: int) -> None:
        start = self.now + timedelta(seconds=wait)
        wanted = Delegation(
            id=f"dlg_{len(self.lent)}",
            grantor=giver,
            delegate=taker,
            start=start,
            end=start + timedelta(seconds=days * 1000),
            reason="away",
            created_at=self.now,
            topics=("nothing.like.it",) if other_topic else (),
        )
        still = [d for d in self.lent if d.open(self.now)]
        result = grant(wanted, directory=self.people_now(), others=still, now=self.now)
        if isinstance(result, Lent):
            assert giver != taker
            assert "zoe" not in (giver, taker)
            assert result.audit.kind in KINDS
            self.lent.append(result.delegation)

    @rule(which=st.integers(0, 5), who=people)
    def ends(self, which: int, who: str) -> None:
        if which < len(self.lent):
            result = revoke_delegation(self.lent[which], person=who, now=self.now)
            if isinstance(result, Lent):
                assert who in (self.lent[which].grantor, self.lent[which].delegate)
                self.lent[which] = result.delegation

    def apply(self, result: Change | Refused) -> bool:
        if isinstance(result, Refused):
            return False
        before, after = self.record, result.record
        assert (result.audit.kind, before.status, after.status) in LEGAL
        assert result.audit.kind in KINDS
        assert after.revision == before.revision + 1, "one transition, one revision, one record (INV-44)"
        assert result.audit.detail["revision"] == after.revision
        if before.status.terminal:
            assert after.status is before.status, "INV-01"
            assert after.votes == before.votes
            assert after.versions == before.versions
        self.record = after
        return True

    @rule(who=people, version=versions)
    def approves(self, who: str, version: int) -> None:
        before = self.record
        done = self.apply(
            approve(
                before, person=who, version=version, comment=None, directory=self.people_now(), now=self.now
            )
        )
        if done:
            vote = self.record.votes[-1]
            if vote.on_behalf_of is None:
                assert self.own(who), "INV-05, INV-13"
            else:
                assert not self.own(who), "nobody acts for another where they may decide themselves"
                assert who not in ("own", "zoe"), "INV-05"
                assert self.own(vote.on_behalf_of), "INV-07: never more than the grantor's own"
                assert self.holding(vote.on_behalf_of, who, self.now), "INV-07"
            if self.record.status is Status.APPROVED:
                assert self.really_count() >= self.needed, "INV-04, INV-06, INV-07, INV-08"
            assert version == before.version.number, "INV-02"
            assert not self.rejected, "INV-12"
        elif (
            before.status is Status.PENDING
            and who in FINANCE_OR_APPROVERS
            and version == before.version.number
        ):
            involved = ({v.person, v.on_behalf_of} for v in before.votes if v.version == version)
            assert any(who in both for both in involved), "refused without need"

    @rule(who=people, version=versions)
    def rejects(self, who: str, version: int) -> None:
        if self.apply(
            reject(
                self.record,
                person=who,
                version=version,
                category="unsafe",
                comment="",
                directory=self.people_now(),
                now=self.now,
            )
        ):
            self.rejected = True

    @rule(who=people, amount=st.integers(1, 5), risk=st.sampled_from(list(Risk)))
    def edits(self, who: str, amount: int, risk: Risk) -> None:
        before = self.record
        done = self.apply(
            edit(
                before,
                person=who,
                version=before.version.number,
                payload={"amount": amount},
                payload_sha256=str(amount) * 64,
                verdict=verdict(risk=risk),
                comment=None,
                directory=self.people_now(),
                now=self.now,
            )
        )
        if done:
            if risk is Risk.CRITICAL:
                self.needed = 2
            current = self.record.version.number
            assert current == before.version.number + 1
            assert not [v for v in self.record.votes if v.version == current], "INV-10"

    @rule(who=people, to=people)
    def hands_on(self, who: str, to: str) -> None:
        if self.apply(
            reassign(self.record, person=who, to=(to,), reason="x", directory=self.people_now(), now=self.now)
        ):
            assert to != "own"
            assert self.own(who), "INV-07: nothing lent is handed on"
            self.called.add(to)

    @rule()
    def takes_back(self) -> None:
        self.apply(cancel(self.record, reason=None, now=self.now))

    @rule(seconds=st.integers(0, 4000))
    def time_passes(self, seconds: int) -> None:
        """The ticker fires whatever is due, as often as something is due."""
        self.now += timedelta(seconds=seconds)
        while (due := self.record.deadline) is not None and due.due_at <= self.now:
            before = self.record
            assert self.apply(
                fire(before, seq=due.seq, now=self.now, directory=self.people_now(), repage_sec=REPAGE)
            )
            self.called |= set(self.record.called)
            stale = fire(
                self.record, seq=due.seq, now=self.now, directory=self.people_now(), repage_sec=REPAGE
            )
            assert isinstance(stale, Refused), "INV-25"

    @rule(early=st.integers(1, 1000))
    def a_timer_comes_early(self, early: int) -> None:
        due = self.record.deadline
        if due is not None:
            at = due.due_at - timedelta(microseconds=early)
            assert isinstance(
                fire(self.record, seq=due.seq, now=at, directory=self.people_now(), repage_sec=REPAGE),
                Refused,
            ), "INV-31"

    @rule()
    def collects(self) -> None:
        if collectable(self.record, self.now) is None:
            assert self.record.status is Status.APPROVED
            assert not self.revoked
            made = minting(self.record, jti=f"grt_{len(self.grants)}", issuer="signoff", now=self.now)
            self.grants.append(
                Grant(
                    jti=made.jti,
                    action=self.record.id,
                    version=self.record.version.number,
                    payload_sha256=self.record.version.payload_sha256,
                    audience=made.audience,
                    issued_at=made.issued_at,
                    expires_at=made.expires_at,
                    token="t",
                )
            )

    @rule(which=st.integers(0, 3), right_payload=st.booleans())
    def redeems(self, which: int, right_payload: bool) -> None:
        if which >= len(self.grants):
            return
        grant = self.grants[which]
        digest = grant.payload_sha256 if right_payload else "f" * 64
        if self.apply(redeem(self.record, grant, executor=EXECUTOR, payload_sha256=digest, now=self.now)):
            assert right_payload, "INV-21"
            assert digest == self.record.version.payload_sha256, "INV-11"
            assert self.now < grant.expires_at, "INV-20"
            assert not self.revoked, "INV-20"
            self.redeemed.append(grant.jti)

    @rule()
    def is_revoked(self) -> None:
        if self.apply(revoke(self.record, operator="root", reason="x", now=self.now)):
            self.revoked = True

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "record"):
            return
        record = self.record
        assert (record.deadline is not None) == (record.status is Status.PENDING), "INV-24"
        assert len(self.redeemed) <= 1, "INV-18, INV-19"
        if record.status is Status.APPROVED:
            yes = {
                v.person
                for v in record.votes
                if v.choice is Choice.APPROVE and v.version == record.version.number
            }
            if record.decided_by == "timer":
                assert record.verdict.effective.risk is Risk.LOW, "INV-09"
                assert record.verdict.decision is Decision.REQUIRE_APPROVAL
            else:
                assert len(yes) >= self.needed, "INV-04, INV-08"
            assert "own" not in yes, "INV-05"
            assert not self.rejected, "INV-12"


TestOneAction = OneAction.TestCase
TestOneAction.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestOneAction.__doc__ = (
    "INV-01 INV-02 INV-04 INV-05 INV-06 INV-07 INV-08 INV-09 INV-10 INV-11 INV-12 INV-13 INV-18 INV-20 INV-21 INV-24 "
    "INV-25 INV-27 INV-31 INV-44: a model-based test over one action and the delegations around it."
)
