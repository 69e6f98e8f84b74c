"""Every promise's test fails against a broken version: each mutant breaks one promise and must be caught."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("gate", "bot", "tests", "tools", "policies", "docs")
DOMAIN = "tests/unit/domain"
USECASES = "tests/integration/usecases"


@dataclass(frozen=True)
class Mutant:
    """Replace `old` by `new` in `file`; the tests in `tests` must then fail. `breaks` names the promise."""

    breaks: str
    file: str
    old: str
    new: str
    tests: str = DOMAIN


MUTANTS = (
    Mutant(
        "INV-01 a proposal joins what is decided",
        "gate/store/actions.py",
        'actions.c.agent_id == bindparam("agent_id"), actions.c.twin == bindparam("twin"), PENDING',
        'actions.c.agent_id == bindparam("agent_id"), actions.c.twin == bindparam("twin")',
        "tests/integration/usecases/test_joining.py",
    ),
    Mutant(
        "INV-42 a proposal joins another agent's",
        "gate/store/actions.py",
        'actions.c.agent_id == bindparam("agent_id"), actions.c.twin == bindparam("twin"), PENDING',
        'actions.c.twin == bindparam("twin"), PENDING',
        "tests/integration/usecases/test_joining.py",
    ),
    Mutant(
        "INV-41 a key that joined takes any body",
        "gate/usecases/submit.py",
        "before, idempotency_key=key, body_sha256=cmd.body_sha256",
        'before, idempotency_key=key + "x", body_sha256=cmd.body_sha256',
        "tests/integration/usecases/test_joining.py",
    ),
    Mutant(
        "INV-37 a change relies on a card message that is on its way already",
        "gate/store/outbox.py",
        'free = {"channel": "slack", "kind": "card", "leased_until": None, "dead": False}',
        'free = {"channel": "slack", "kind": "card", "dead": False}',
        "tests/contract/test_outbox.py",
    ),
    Mutant(
        "INV-34 who comes back after the lease takes a later change away",
        "gate/store/outbox.py",
        "done if lease is None else done.where(outbox.c.leased_until == lease)",
        "done",
        "tests/contract/test_outbox.py",
    ),
    Mutant(
        "INV-35 what is held for quiet hours holds up its line",
        "gate/store/outbox.py",
        "or_(earlier.c.not_before.is_(None), earlier.c.not_before <= _NOW),",
        "",
        "tests/contract/test_outbox.py",
    ),
    Mutant(
        "quiet hours hold back a message at critical risk",
        "gate/domain/quiet.py",
        "until is None or risk_of(record) > Risk.MEDIUM or record.breached or record.held",
        "until is None or record.breached or record.held",
        "tests/unit/domain/test_quiet.py",
    ),
    Mutant(
        "INV-30 a step that reached nobody alarms nobody",
        "gate/domain/timeouts.py",
        'missed = kind == "approval.escalated" and ("unreached" in told or "nobody" in told)',
        "missed = False",
        "tests/unit/domain/test_alarms.py",
    ),
    Mutant(
        "INV-01 a terminal state moves",
        "gate/domain/acting.py",
        "    if record.status.terminal:\n        return already(record, directory, person)\n",
        "",
    ),
    Mutant(
        "INV-02 a vote counts for a version its person never saw",
        "gate/domain/acting.py",
        "if version != record.version.number:",
        "if False:",
    ),
    Mutant(
        "INV-03 both of two clicks win",
        "gate/store/actions.py",
        'guarded = {"id": record.id, "revision": expected_revision, "data_key": seal.data_key}',
        'guarded = {"id": record.id, "data_key": seal.data_key}',
        USECASES,
    ),
    Mutant(
        "INV-04 a person counts twice",
        "gate/domain/eligibility.py",
        "    voters = tuple(dict.fromkeys(people))\n",
        "    voters = tuple(people) * 2\n",
    ),
    Mutant(
        "INV-05 the owner counts",
        "gate/domain/eligibility.py",
        "found[owner.id if owner else record.agent.owner]",
        'found["nobody"]',
    ),
    Mutant(
        "INV-05 the requester counts",
        "gate/domain/eligibility.py",
        "        if person is not None:\n            found[person.id]",
        "        if person is None:\n            found[label]",
    ),
    Mutant(
        "INV-05 an owner who is not listed decides under another name",
        "gate/domain/voting.py",
        "    if directory.find(record.agent.owner) is None:\n",
        "    if False:\n",
    ),
    Mutant(
        "an executor of another audience tells the outcome",
        "gate/usecases/outcome.py",
        "return grant is None or grant.audience in key.audiences",
        "return True",
        USECASES,
    ),
    Mutant(
        "INV-06 grantor and delegate count twice",
        "gate/domain/eligibility.py",
        "if voice is not None and used.isdisjoint(voice.uses_up):",
        "if voice is not None:",
    ),
    Mutant(
        "INV-07 a vote outlives its delegation",
        "gate/domain/eligibility.py",
        "if pair and lent.held_since(vote.at) and carries(lent, record, directory):",
        "if pair:",
        f"{DOMAIN} {USECASES}",
    ),
    Mutant(
        "INV-08 one person fills two slots",
        "gate/domain/eligibility.py",
        "return len(voters) >= needed and None not in slots(plan, voters, directory, risk).values()",
        "return len(voters) >= 1",
    ),
    Mutant(
        "INV-09 a timer releases high risk",
        "gate/domain/escalation.py",
        "if plan.on_timeout is OnTimeout.ALLOW and risk is not Risk.LOW:",
        "if False:",
    ),
    Mutant(
        "INV-10 votes survive an edit",
        "gate/domain/eligibility.py",
        "if vote.version != current or vote.choice is not Choice.APPROVE:",
        "if vote.choice is not Choice.APPROVE:",
    ),
    Mutant(
        "INV-11 a grant does not bind the version",
        "gate/domain/release.py",
        '"payload_sha256": version.payload_sha256,\n        "policy_digest"',
        '"payload_sha256": record.proposed.payload_sha256 + "0",\n        "policy_digest"',
    ),
    Mutant(
        "INV-12 approved after rejected",
        "gate/domain/transitions.py",
        "found = _BY_MOVE.get((record.status, kind))",
        "found = _BY_MOVE.get((record.status, kind)) or _BY_MOVE.get((Status.PENDING, kind))",
    ),
    Mutant(
        "INV-13 who left still counts",
        "gate/domain/eligibility.py",
        "return Standing(person=vote.person) if own is None else None",
        "return Standing(person=vote.person)",
    ),
    Mutant(
        "INV-14 a reload loosens",
        "gate/domain/tightening.py",
        "        quorum=max(quorum, newer.quorum),\n",
        "        quorum=newer.quorum,\n",
        f"{DOMAIN} {USECASES}",
    ),
    Mutant(
        "INV-14 a reload does not tighten",
        "gate/usecases/decide.py",
        "rules.policy.digest != record.version.policy_digest",
        "False",
        USECASES,
    ),
    Mutant(
        "INV-17 whoever broke the glass supervises it",
        "gate/domain/supervision.py",
        "if left := tuple(p for p in found if p != emergency.person):",
        "if left := tuple(found):",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "INV-17 whoever broke the glass reviews it",
        "gate/domain/supervision.py",
        "    if person_id == emergency.person:\n",
        "    if False:\n",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "INV-17 an emergency release outlives its expiry",
        "gate/domain/release.py",
        "    if emergency is not None and now >= emergency.until:\n",
        "    if False:\n",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "INV-17 a grant outlives the emergency release",
        "gate/domain/release.py",
        "    ends += [record.emergency.until] if record.emergency is not None else []\n",
        "",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "INV-17 an overdue review is asked for once only",
        "gate/domain/supervision.py",
        "        deadline=next_duty(replace(record, emergency=again)),\n",
        "        deadline=deadline,\n",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "INV-17 a glass releases what policy denies by now",
        "gate/usecases/break_glass.py",
        "            judged_again=await judged_again(tx, rules, record, now),\n",
        "",
        "tests/integration/usecases/test_break_glass.py",
    ),
    Mutant(
        "threat 34 a person goes on breaking the glass unreviewed",
        "gate/usecases/break_glass.py",
        "return tuple(e for e in waiting if e is not None and e.person == person_id)",
        "return tuple(e for e in waiting if e is not None and e.person == person_id + '?')",
        "tests/integration/usecases/test_break_glass.py",
    ),
    Mutant(
        "threat 34 a glass is broken under a delegation",
        "gate/domain/breaking.py",
        "    if person_id not in called_by(rules.who, record, directory, now):\n",
        "    lent = {d.grantor for d in directory.delegations if d.delegate == person_id} | {person_id}\n"
        "    if not lent & set(called_by(rules.who, record, directory, now)):\n",
        "tests/unit/domain/test_breaking.py",
    ),
    Mutant(
        "an unjustified release keeps its live grant",
        "gate/usecases/close_review.py",
        "        if result.record.grants_revoked and not record.grants_revoked:\n",
        "        if False:\n",
        "tests/integration/usecases/test_break_glass.py",
    ),
    Mutant(
        "INV-18 a second grant is redeemed",
        "gate/domain/release.py",
        "if record.redeemed_jti is not None or grant.state is GrantState.REDEEMED:",
        "if grant.state is GrantState.REDEEMED:",
    ),
    Mutant(
        "INV-20 an expired grant lives",
        "gate/domain/release.py",
        "if grant.state is GrantState.EXPIRED or now >= grant.expires_at:",
        "if grant.state is GrantState.EXPIRED:",
    ),
    Mutant(
        "INV-20 any audience redeems",
        "gate/domain/release.py",
        "if grant.audience not in executor.audiences:",
        "if False:",
    ),
    Mutant(
        "INV-21 another payload is executed",
        "gate/domain/release.py",
        "if payload_sha256 != grant.payload_sha256:",
        "if False:",
    ),
    Mutant(
        "INV-22 nobody waits for a report",
        "gate/domain/release.py",
        "        report_by=due,\n        deadline=next_duty(replace(record, report_by=due)),\n",
        "",
        f"{DOMAIN}/test_reporting.py",
    ),
    Mutant(
        "INV-22 the report is forgotten over the review",
        "gate/domain/reporting.py",
        "due_at=min(due)",
        "due_at=due[-1]",
        f"{DOMAIN}/test_reporting.py",
    ),
    Mutant(
        "INV-22 a late report is as good as one in time",
        "gate/domain/reporting.py",
        "if record.report_by is not None and now > record.report_by:",
        "if False:",
        f"{DOMAIN}/test_reporting.py",
    ),
    Mutant(
        "INV-24 a pending request loses its timer",
        "gate/domain/timeouts.py",
        "deadline=following,",
        "deadline=None,",
    ),
    Mutant(
        "INV-25 a timer fires twice",
        "gate/domain/timeouts.py",
        "    if deadline.seq != seq:\n",
        "    if deadline.seq < seq:\n",
    ),
    Mutant(
        "INV-26 lateness is forgotten",
        "gate/domain/timeouts.py",
        '"late_ms": int((now - deadline.due_at).total_seconds() * 1000)',
        '"late_ms": 0',
    ),
    Mutant(
        "INV-25 one deadline that fails keeps its whole batch waiting",
        "gate/workers/ticker.py",
        '            log.info("deadline.one_by_one", count=len(batch), error=type(error).__name__)\n'
        "            return await self._fire_each(batch)\n",
        "            return set()\n",
        "tests/integration/workers/test_many_at_once.py",
    ),
    Mutant(
        "INV-26 lateness is left out",
        "gate/domain/timeouts.py",
        '"late_ms": int((now - deadline.due_at).total_seconds() * 1000)',
        '"late_ms": 0',
        f"{DOMAIN}/test_state_machine.py tests/integration/workers/test_outage.py",
    ),
    Mutant(
        "INV-28 a late vote beats the deadline",
        "gate/usecases/decide.py",
        "due.due_at <= now:",
        "due.due_at < due.due_at:",
        USECASES,
    ),
    Mutant(
        "INV-31 a timer fires early",
        "gate/domain/timeouts.py",
        "if now < deadline.due_at:",
        "if False:",
    ),
    Mutant(
        "INV-33 messages are forgotten",
        "gate/usecases/transact.py",
        "        for intent in change.intents:\n",
        "        for intent in ():\n",
        USECASES,
    ),
    Mutant(
        "INV-32 an equal proposal gives reviewers more time, and nothing says so",
        "gate/domain/joining.py",
        "        joined=joined,\n    )",
        "        joined=joined,\n        sla_at=now,\n    )",
        f"{DOMAIN}/test_state_machine.py",
    ),
    Mutant(
        "INV-32 handing on stops the clock, and nothing says so",
        "gate/domain/handing_on.py",
        "        called=wider.called,\n        reassignments",
        "        called=wider.called,\n        sla_at=now + timedelta(days=1),\n        reassignments",
        f"{DOMAIN}/test_state_machine.py",
    ),
    Mutant(
        "INV-40 a twin makes a second action",
        "gate/usecases/submit.py",
        "                if before is not None:\n                    return before\n",
        "",
        USECASES,
    ),
    Mutant(
        "INV-41 another body passes under the same key",
        "gate/usecases/submit.py",
        "if body_sha256 != cmd.body_sha256:",
        "if False:",
        USECASES,
    ),
    Mutant(
        "INV-44 a transition leaves no record",
        "gate/usecases/transact.py",
        "    await tx.audit.append(*(change.audit for change in changes))\n",
        "",
        USECASES,
    ),
    Mutant(
        "INV-05 somebody in conflict is asked",
        "gate/domain/routing.py",
        "        out = {*conflicts(record, directory), *without}\n",
        "        out = set(without)\n",
        "tests/unit/domain/test_routing.py",
    ),
    Mutant(
        "somebody full is asked before others",
        "gate/domain/routing.py",
        "            lambda person: person not in self._spared,\n            most=",
        "            lambda _: True,\n            most=",
        "tests/unit/domain/test_routing.py",
    ),
    Mutant(
        "the same person is always the least loaded",
        "gate/domain/routing.py",
        "return (load.open, load.asked_at or _NEVER, self._place[person])",
        "return (0, _NEVER, self._place[person])",
        "tests/unit/domain/test_routing.py",
    ),
    Mutant(
        "INV-08 a seat nobody else can take stays empty",
        "gate/domain/routing.py",
        "self._filled((*found, person)) > self._filled(found):\n"
        "                found[person] = None\n\n    def _take_open",
        "len(found) < self._needed:\n                found[person] = None\n\n    def _take_open",
        "tests/unit/domain/test_routing.py",
    ),
    Mutant(
        "whoever needs a break may approve",
        "gate/domain/voting.py",
        "    if resting is not None:\n        return resting\n",
        "",
        "tests/unit/domain/test_fatigue.py",
    ),
    Mutant(
        "an edit that approves passes by the break",
        "gate/usecases/edit.py",
        "resting=await resting(tx, cmd.person, care, now),",
        "resting=None,",
        "tests/integration/usecases/test_care.py",
    ),
    Mutant(
        "INV-04 a second review counts the same person twice",
        "gate/domain/verdict.py",
        "return self.people_needed + (1 if self.second_review else 0)",
        "return self.people_needed",
        "tests/unit/domain/test_second_review.py",
    ),
    Mutant(
        "the first of two approvals is told",
        "gate/domain/voting.py",
        "        if blind(voted):\n",
        "        if False:\n",
        "tests/unit/domain/test_second_review.py",
    ),
    Mutant(
        "the card shows the first of two approvals",
        "gate/domain/second_review.py",
        "return replace(record, votes=()) if blind(record) else record",
        "return record",
        "tests/integration/usecases/test_care.py",
    ),
    Mutant(
        "a decided request goes on waiting for people",
        "gate/store/asks.py",
        '[{"action_id": each, "open": True} for each in ended]',
        '[{"action_id": each, "open": True} for each in ended[:0]]',
        "tests/contract/test_asks.py",
    ),
)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.breaks)
def test_a_broken_promise_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """The tests that pass on the real code fail on the mutant."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / mutant.file
    text = target.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} no longer holds: {mutant.old!r}"
    target.write_text(text.replace(mutant.old, mutant.new))
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--timeout=60",
            "-p",
            "no:cacheprovider",
            *mutant.tests.split(),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, f"survived: {run.stdout[-2000:]}{run.stderr[-500:]}"
