"""Any order of votes, edits, loans of authority, hand-overs, timers and redemptions, against promises of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gate.domain.action import Agent
from gate.domain.audit import KINDS, AuditRecord
from gate.domain.breaking import break_glass
from gate.domain.care import Care
from gate.domain.delegating import Lent, grant
from gate.domain.delegating import revoke as revoke_delegation
from gate.domain.delegation import Delegation
from gate.domain.editing import edit
from gate.domain.emergency import BreakGlass, Finding
from gate.domain.handing_on import cancel, reassign
from gate.domain.joining import join
from gate.domain.people import Directory
from gate.domain.rebalancing import rebalance
from gate.domain.refusal import Refused
from gate.domain.release import collectable, minting, redeem, revoke
from gate.domain.reporting import report
from gate.domain.request import ActionRecord, Choice, DeadlineKind, Grant, Result, Status
from gate.domain.risk import Risk
from gate.domain.routing import Load
from gate.domain.second_review import blind, veiled
from gate.domain.supervision import close_review
from gate.domain.timeouts import fire
from gate.domain.transitions import CARD, TABLE, Change
from gate.domain.verdict import ApprovalPlan, Decision, OnTimeout
from gate.domain.voting import approve, reject
from tests.fakes.records import NOW, REPAGE, directory, pending, person, plan, verdict
from tests.unit.domain.bystander import MEMBERS, Bystander

PEOPLE = ("ana", "bo", "cho", "dee", "own", "zed", "zoe")
EXECUTOR = Agent(id="agt_x", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))
LEGAL = {(t.kind, t.source, t.target) for t in TABLE}
GLASS = BreakGlass(
    who=("group:security", "cho"),
    supervisors=("group:approvers", "ana"),
    max_risk=Risk.HIGH,
    max_valid_sec=900,
)
FIRED = {"approval.escalated", "approval.sla_breach", "approval.repaged"}
"""What a timer leaves pending: each says which deadline came, and a later one is armed (INV-32)."""
LONG = 10_000
"""More deadlines than any request has before its ladder ends."""

people = st.sampled_from((*PEOPLE, "ana", "bo", "cho", "zed"))
off = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far from the current version somebody's form is: mostly not at all."""
seldom = st.integers(0, 5).map(lambda drawn: drawn == 5)
"""For what ends a request, so that most runs go on for long."""
moments = st.one_of(st.integers(0, 60), st.integers(0, 60), st.integers(0, 900), st.integers(0, 4000))


waiting = precondition(lambda self: self.record.status is Status.PENDING)
decided = precondition(lambda self: self.record.status is not Status.PENDING)
"""Where a rule could do nothing else, so that few steps are spent on nothing."""


class OneAction(RuleBasedStateMachine):
    """One pending request and everything that can be done to it, in any order."""

    record: ActionRecord
    now: datetime

    @initialize(
        risk=st.sampled_from(list(Risk)),
        on_timeout=st.sampled_from(list(OnTimeout)),
        quorum=st.integers(1, 2),
        seats=st.sampled_from([(), (), ("security",), ("finance", "security"), ("security", "approvers")]),
        blindly=st.booleans(),
        pair=st.sampled_from([None, ("ana", "zed"), ("bo", "zed"), ("bo", "zed"), ("cho", "dee")]),
        scope=st.sampled_from([(), ("finance",), ("security",)]),
    )
    def begin(
        self,
        risk: Risk,
        on_timeout: OnTimeout,
        quorum: int,
        seats: tuple[str, ...],
        blindly: bool,
        pair: tuple[str, str] | None,
        scope: tuple[str, ...],
    ) -> None:
        people_needed = max(2 if risk is Risk.CRITICAL else quorum, len(seats))
        # A second review is drawn only where one person would be enough; it takes one more than policy names.
        blindly = blindly and people_needed == 1
        self.plan = plan(
            on_timeout=on_timeout,
            quorum=2 if risk is Risk.CRITICAL else quorum,
            distinct_groups=seats,
            second_review=blindly,
        )
        self.record = pending(verdict_=verdict(risk=risk, plan_=self.plan))
        self.seen = Bystander(
            groups=frozenset({"finance"}), seats=seats, needed=people_needed + (1 if blindly else 0)
        )
        self.now = NOW
        self.redeemed: list[str] = []
        self.grants: list[Grant] = []
        self.revoked = False
        self.rejected = False
        self.history: list[AuditRecord] = []
        if pair is not None:
            self.lends(giver=pair[0], taker=pair[1], days=2, other_topic=False, groups=scope, wait=0)

    def people_now(self) -> Directory:
        """The directory as the use-cases make it: who is there, with the delegations that hold at this moment."""
        holding = tuple(d for d in self.seen.lent if d.holds(self.now))
        known = directory().people | {"zed": person("zed")}
        known = {each: replace(p, active=each not in self.seen.gone) for each, p in known.items()}
        return directory(people=known, delegations=holding)

    @waiting
    @rule(who=st.sampled_from(["ana", "bo", "cho", "dee", "zed"]), really=seldom)
    def leaves(self, who: str, really: bool) -> None:
        """Or returns; their votes count while they are there (INV-13)."""
        if really:
            self.seen.gone.add(who)
        else:
            self.seen.gone.discard(who)

    @waiting
    @rule(
        giver=people,
        taker=people,
        days=st.integers(1, 3),
        other_topic=seldom,
        groups=st.sampled_from([(), (), ("finance",), ("security",), ("approvers",)]),
        wait=st.sampled_from([0, 0, 0, 1, 600]),
    )
    def lends(
        self, giver: str, taker: str, days: int, other_topic: bool, groups: tuple[str, ...], wait: int
    ) -> None:
        start = self.now + timedelta(seconds=wait)
        wanted = Delegation(
            id=f"dlg_{len(self.seen.lent)}",
            grantor=giver,
            delegate=taker,
            start=start,
            end=start + timedelta(seconds=days * 1000),
            reason="away",
            created_at=self.now,
            topics=("nothing.like.it",) if other_topic else (),
            groups=groups,
        )
        still = [d for d in self.seen.lent if d.open(self.now)]
        result = grant(wanted, directory=self.people_now(), others=still, now=self.now)
        if isinstance(result, Lent):
            assert giver != taker
            assert "zoe" not in (giver, taker)
            assert result.audit.kind in KINDS
            self.seen.lent.append(result.delegation)

    @rule(which=st.integers(0, 5), who=people)
    def ends(self, which: int, who: str) -> None:
        lent = self.seen.lent
        if which < len(lent):
            result = revoke_delegation(lent[which], person=who, now=self.now)
            if isinstance(result, Lent):
                assert who in (lent[which].grantor, lent[which].delegate)
                lent[which] = result.delegation

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
        elif after.status is Status.PENDING:
            self.no_time_is_given(before, after, result.audit)
        self.history.append(result.audit)
        self.record = after
        return True

    def no_time_is_given(self, before: ActionRecord, after: ActionRecord, audit: AuditRecord) -> None:
        """INV-32: no clock stops and no deadline moves, but for one that came and did its work, and says so."""
        assert after.sla_at == before.sla_at, "INV-32"
        was, armed = before.deadline, after.deadline
        assert was is not None
        assert armed is not None
        if audit.kind not in FIRED:
            assert armed == was, "INV-32"
            return
        assert audit.actor == "timer"
        assert (audit.detail["deadline"], audit.detail["seq"]) == (was.kind.value, was.seq)
        assert armed.seq == was.seq + 1, "INV-25, INV-27: a timer read before can never fire again"
        assert was.due_at <= self.now, "INV-31"
        assert audit.detail["late_ms"] == (self.now - was.due_at) // timedelta(milliseconds=1), "INV-26"
        if after.held and not before.held:
            assert (audit.kind, audit.detail["on_timeout"]) == ("approval.sla_breach", "hold"), "INV-32"

    @rule(who=people, off=off)
    def approves(self, who: str, off: int) -> None:
        before = self.record
        version = before.version.number + off
        result = approve(
            before, person=who, version=version, comment=None, directory=self.people_now(), now=self.now
        )
        if self.apply(result):
            assert isinstance(result, Change)
            vote = self.record.votes[-1]
            self.authority_was_there(who, vote.on_behalf_of)
            if self.record.status is Status.APPROVED:
                counted = self.seen.counting(self.record, self.now)
                assert len(counted) >= self.seen.needed, "INV-04, INV-06, INV-07, INV-08"
                assert self.seen.seated(counted), "INV-08: every seat has somebody of its own"
            elif blind(self.record):
                told = [each.kind for each in result.intents if each == CARD or each.kind == "thread"]
                assert not told, "a first approval under a second review is nobody's news"
            assert version == before.version.number, "INV-02"
            assert not self.rejected, "INV-12"
        elif (
            before.status is Status.PENDING
            and who in self.seen.reviewers
            and version == before.version.number
        ):
            involved = ({v.person, v.on_behalf_of} for v in before.votes if v.version == version)
            assert any(who in both for both in involved), "refused without need"

    def authority_was_there(self, who: str, on_behalf_of: str | None) -> None:
        if on_behalf_of is None:
            assert self.seen.own(who), "INV-05, INV-13"
            return
        assert not self.seen.own(who), "nobody acts for another where they may decide themselves"
        assert who not in {"own", "zoe"} | self.seen.gone, "INV-05, INV-13"
        assert self.seen.own(on_behalf_of), "INV-07: never more than the grantor's own"
        assert self.seen.holding(on_behalf_of, who, self.now, self.now), "INV-07"

    @rule(which=st.sampled_from([0, 0, 0, 1, 2]))
    def somebody_lent_authority_approves(self, which: int) -> None:
        """As anybody may; said for itself because few of those who try at random were lent any."""
        if which < len(self.seen.lent):
            self.approves(self.seen.lent[which].delegate, 0)

    @waiting
    @rule(who=people)
    def approves_without_a_break(self, who: str) -> None:
        """Somebody who needs a break approves nothing meanwhile, in whosever right."""
        resting = Refused(code="cooldown", sentence="Please pause.")
        number = self.record.version.number
        result = approve(
            self.record,
            person=who,
            version=number,
            comment=None,
            directory=self.people_now(),
            now=self.now,
            resting=resting,
        )
        assert isinstance(result, Refused)

    @rule(who=people, off=off, really=seldom)
    def rejects(self, who: str, off: int, really: bool) -> None:
        if really and self.apply(
            reject(
                self.record,
                person=who,
                version=self.record.version.number + off,
                category="unsafe",
                comment="",
                directory=self.people_now(),
                now=self.now,
            )
        ):
            assert off == 0, "INV-02"
            self.authority_was_there(who, self.record.votes[-1].on_behalf_of)
            self.rejected = True

    @rule(who=people, amount=st.integers(1, 5), risk=st.sampled_from(list(Risk)), really=seldom)
    def edits(self, who: str, amount: int, risk: Risk, really: bool) -> None:
        before = self.record
        if not really:
            return
        judged = verdict(
            risk=risk, plan_=plan(quorum=2 if risk is Risk.CRITICAL else 1, distinct_groups=self.seen.seats)
        )
        done = self.apply(
            edit(
                before,
                person=who,
                version=before.version.number,
                payload={"amount": amount},
                payload_sha256=str(amount) * 64,
                verdict=judged,
                comment=None,
                directory=self.people_now(),
                now=self.now,
            )
        )
        if done:
            self.authority_was_there(who, self.history[-1].detail.get("on_behalf_of"))
            if risk is Risk.CRITICAL:
                self.seen.needed = max(self.seen.needed, 2)
            current = self.record.version.number
            assert current == before.version.number + 1
            assert not [v for v in self.record.votes if v.version == current], "INV-10"
            assert not self.seen.counting(self.record, self.now), "INV-10"
            self.asked_less_of_nobody(before.plan)

    def asked_less_of_nobody(self, before: ApprovalPlan | None) -> None:
        """INV-08, INV-14: nothing makes fewer people enough, but a second review that has nobody left for it."""
        now = self.record.plan
        assert before is not None
        assert now is not None
        assert now.people_needed >= before.people_needed
        if before.second_review and not now.second_review and now.people_needed < 2:
            self.seen.needed = now.people_needed
            assert len(self.seen.reviewers - {"own"}) < 2, "dropped without need"

    @waiting
    @rule(who=people, to=people, really=seldom)
    def hands_on(self, who: str, to: str, really: bool) -> None:
        if really and self.apply(
            reassign(self.record, person=who, to=(to,), reason="x", directory=self.people_now(), now=self.now)
        ):
            assert to != "own"
            assert self.seen.own(who), "INV-07: nothing lent is handed on"
            self.seen.called.add(to)

    @waiting
    @rule(who=people)
    def is_asked_of_others_too(self, who: str) -> None:
        """Somebody needs a break: others are asked, nobody loses or gains a right, and no time is given."""
        before = self.record
        tired = Load(cooling_until=self.now + timedelta(minutes=30))
        result = rebalance(
            before,
            person=who,
            directory=self.people_now(),
            care=Care(rebalance=True, cooldown_after=3),
            loads=dict.fromkeys(before.asked, tired),
            now=self.now,
        )
        if self.apply(result):
            more = self.record.asked[len(before.asked) :]
            assert more
            assert self.record.asked[: len(before.asked)] == before.asked
            assert all(self.seen.own(each) and each != who for each in more)
            assert (self.record.called, self.record.votes) == (before.called, before.votes)

    @waiting
    @rule(really=seldom)
    def is_proposed_again(self, really: bool) -> None:
        before = self.record
        if really and before.status is Status.PENDING:
            assert self.apply(join(before, now=self.now))
            same = replace(before, revision=self.record.revision, joined=before.joined + 1)
            assert self.record == same, "an equal proposal changes nothing but the count"

    @rule(who=people, valid=st.integers(1, 1000), stale=seldom, really=seldom)
    def breaks_the_glass(self, who: str, valid: int, stale: bool, really: bool) -> None:
        before = self.record
        done = really and self.apply(
            break_glass(
                before,
                person=who,
                version=before.version.number + (1 if stale else 0),
                reason="The site is down",
                valid_sec=valid,
                rules=GLASS,
                policy_digest="sha256:one",
                directory=self.people_now(),
                now=self.now,
            )
        )
        if done:
            assert who in (MEMBERS["security"] | {"cho"}) - self.seen.gone, "INV-17"
            assert valid <= GLASS.max_valid_sec, "INV-17"
            assert not stale, "INV-02"
            assert before.verdict.effective.risk <= Risk.HIGH, "INV-17"
            assert self.record.in_review, "INV-17: reviewed after"
            assert [p for p in self.record.emergency.supervisors if p != who]  # pyright: ignore
            assert not self.rejected, "INV-12"

    @decided
    @rule(who=people, finding=st.sampled_from(list(Finding)))
    def is_reviewed(self, who: str, finding: Finding) -> None:
        before = self.record
        if self.apply(
            close_review(
                before,
                person=who,
                finding=finding,
                comment="Looked at",
                rules=GLASS,
                directory=self.people_now(),
                now=self.now,
            )
        ):
            assert before.emergency is not None
            assert before.in_review, "a review is closed once"
            assert who not in {before.emergency.person, "own"} | self.seen.gone, "INV-17"
            if finding is Finding.UNJUSTIFIED and not self.redeemed:
                assert self.record.grants_revoked
                self.revoked = True

    @rule(really=seldom)
    def takes_back(self, really: bool) -> None:
        if really:
            self.apply(cancel(self.record, reason=None, now=self.now))

    @rule(seconds=moments)
    def time_passes(self, seconds: int) -> None:
        """The ticker fires whatever is due, as often as something is due."""
        self.now += timedelta(seconds=seconds)
        while (due := self.record.deadline) is not None and due.due_at <= self.now:
            self.a_deadline_comes()

    def a_deadline_comes(self) -> None:
        before, people = self.record, self.people_now()
        due = before.deadline
        assert due is not None
        fired = fire(
            before, seq=due.seq, now=self.now, directory=people, repage_sec=REPAGE, break_glass=GLASS
        )
        assert self.apply(fired)
        last = self.history[-1]
        self.seen.called |= set(self.record.called)
        stale = fire(
            self.record, seq=due.seq, now=self.now, directory=people, repage_sec=REPAGE, break_glass=GLASS
        )
        assert isinstance(stale, Refused), "INV-25"
        if due.kind is DeadlineKind.STEP and before.plan is not None:
            self.a_step_reached_somebody(before.plan.ladder[due.step].to, due.step, last)

    def a_step_reached_somebody(self, to: tuple[str, ...], step: int, record: AuditRecord) -> None:
        """INV-29, INV-30: steps come in order; where nobody is there the approvers hear of it, and the next is due."""
        assert record.detail["step"] == self.record.escalation_step == step + 1
        if to == ("oncall:primary",):
            assert (record.detail.get("nobody_reached") is True) == ("dee" in self.seen.gone), "INV-30"
        if record.detail.get("nobody_reached") is True:
            assert set(record.detail["called"]) == MEMBERS["approvers"] - self.seen.gone, "INV-30"
            following = self.record.deadline
            assert following is not None
            if following.kind is DeadlineKind.STEP:
                assert following.due_at <= self.now, "INV-30"

    @waiting
    @rule(who=people, vote_first=st.booleans(), yes=st.booleans(), really=seldom)
    def a_vote_and_the_deadline_come_together(
        self, who: str, vote_first: bool, yes: bool, really: bool
    ) -> None:
        """INV-28: whichever is committed first, the other finds what it left, and one of them at most decides."""
        due = self.record.deadline
        if due is None or self.record.status is not Status.PENDING or not really:
            return
        self.now = max(self.now, due.due_at)

        def votes() -> None:
            self.approves(who, 0) if yes else self.rejects(who, 0, True)

        def comes() -> None:
            if self.record.deadline == due:
                self.a_deadline_comes()
            else:
                late = fire(
                    self.record, seq=due.seq, now=self.now, directory=self.people_now(), repage_sec=REPAGE
                )
                assert isinstance(late, Refused), "INV-27"

        decided = sum(each.detail["status"] != "pending" for each in self.history)
        for each in (votes, comes) if vote_first else (comes, votes):
            each()
        after = sum(each.detail["status"] != "pending" for each in self.history)
        assert after - decided <= 1, "INV-28"

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
            emergency = self.record.emergency
            assert emergency is None or self.now < emergency.until, "INV-17: it has an expiry"
            made = minting(
                self.record, jti=f"grt_{len(self.grants)}", issuer="signoff", leaf=b"\x01" * 32, now=self.now
            )
            assert emergency is None or made.expires_at <= emergency.until, "INV-17"
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

    @decided
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

    @decided
    @rule(what=st.sampled_from(list(Result)))
    def is_reported(self, what: Result) -> None:
        before = self.record
        told = report(
            before, reporter=EXECUTOR, result=what, detail=None, defect=False, incident=False, now=self.now
        )
        if self.apply(told):
            assert self.redeemed, "nothing was executed"
            known = before.outcome
            assert known is None or known.result is Result.UNKNOWN, "INV-22: what is known stands"
            late = before.report_by is not None and self.now > before.report_by
            assert ("late_ms" in self.history[-1].detail) == late, "INV-22"

    @decided
    @rule()
    def is_revoked(self) -> None:
        if self.apply(revoke(self.record, operator="root", reason="x", now=self.now)):
            self.revoked = True

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "record"):
            return
        record = self.record
        owed = self.redeemed and record.outcome is None
        waits = record.status is Status.PENDING or record.in_review or bool(owed)
        assert (record.deadline is not None) == waits, "INV-24, INV-22"
        if record.deadline is not None and owed:
            assert record.report_by is not None
            assert record.deadline.due_at <= record.report_by, (
                "INV-22: the report is not forgotten over the review"
            )
        assert len(self.redeemed) <= 1, "INV-18, INV-19"
        if record.status is Status.PENDING:
            self.time_runs()
            assert not veiled(record).votes if blind(record) else veiled(record) == record
        if record.status is Status.APPROVED:
            yes = {
                v.person
                for v in record.votes
                if v.choice is Choice.APPROVE and v.version == record.version.number
            }
            if record.decided_by == "timer":
                assert record.verdict.effective.risk is Risk.LOW, "INV-09"
                assert record.verdict.decision is Decision.REQUIRE_APPROVAL
            elif record.emergency is not None:
                assert record.decided_by == record.emergency.person, "INV-17"
            else:
                assert len(yes) >= self.seen.needed, "INV-04, INV-08"
            assert "own" not in yes, "INV-05"
            assert not self.rejected, "INV-12"

    def time_runs(self) -> None:
        """INV-32: past its SLA a request waits only where the record says so, and before it no deadline is later."""
        record = self.record
        assert record.deadline is not None
        assert record.sla_at is not None
        breaches = [each for each in self.history if each.kind == "approval.sla_breach"]
        assert len(breaches) == (1 if record.breached else 0)
        if record.breached:
            assert record.held == (breaches[0].detail["on_timeout"] == "hold"), "INV-32"
        else:
            assert record.deadline.due_at <= record.sla_at, "INV-32"

    def teardown(self) -> None:
        """INV-29: left alone from here on, it is decided, or held and paged again; it never just stops."""
        for _ in range(LONG):
            due = self.record.deadline if hasattr(self, "record") else None
            if due is None or due.kind is DeadlineKind.REPAGE or self.record.status is Status.APPROVED:
                break
            self.now = max(self.now, due.due_at)
            self.a_deadline_comes()
        else:
            raise AssertionError("INV-29: the ladder has no end")
        if hasattr(self, "record") and self.record.status is Status.PENDING:
            assert self.record.held, "INV-29"


TestOneAction = OneAction.TestCase
TestOneAction.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestOneAction.__doc__ = (
    "INV-01 INV-02 INV-04 INV-05 INV-06 INV-07 INV-08 INV-09 INV-10 INV-11 INV-12 INV-13 INV-17 INV-18 INV-20 INV-21 "
    "INV-24 INV-25 INV-26 INV-27 INV-28 INV-29 INV-30 INV-31 INV-32 INV-44: a model-based test over one action, the "
    "delegations around it, who comes and goes, and what is done in an emergency."
)
