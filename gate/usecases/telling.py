"""A story in words, chapter by chapter, for whoever was not there. Text of agents and people stands in it as it was
sent: whoever shows it makes it harmless first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gate.domain.action import Json
from gate.domain.audit import KINDS
from gate.domain.masking import spelled
from gate.domain.request import REJECT_CATEGORIES
from gate.domain.second_review import veiled
from gate.domain.verdict import ApprovalPlan
from gate.usecases.story import Altered, Ballot, Happening, Story
from gate.usecases.views import Chapter
from gate.usecases.views import ChapterLine as Line

NOT_SAID = "not said"


def chapters(told: Story) -> tuple[Chapter, ...]:
    """The whole story; a chapter about which nothing is on record is left out."""
    parts: tuple[tuple[str, Iterator[Line]], ...] = (
        ("What was proposed", _proposed(told)),
        ("On what evidence", _evidence(told)),
        ("What it was taken for", _facts(told)),
        ("Under which policy", _policy(told)),
        ("Who was asked", _asked(told)),
        ("What was changed", _changed(told)),
        ("Who saw what is masked", _unmasked(told)),
        ("How people voted", _votes(told)),
        ("What was decided", _decision(told)),
        ("Who executed it", _execution(told)),
    )
    found = ((title, tuple(lines)) for title, lines in parts)
    return tuple(Chapter(title=title, lines=lines) for title, lines in found if lines)


def without_hidden_votes(told: Story) -> Story:
    """The story as people may know it while a second review is blind: as if nobody had voted."""
    record = veiled(told.record)
    if record is told.record:
        return told
    trail = tuple(each for each in told.trail if each.kind != "approval.vote")
    return Story(
        record=record,
        input_sha256=told.input_sha256,
        facts=told.facts,
        versions=told.versions,
        ballots=(),
        permits=told.permits,
        trail=trail,
    )


def moment(at: datetime) -> str:
    """A time as it is told, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """A length of time in words: `41 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86_400:
        return f"{seconds // 3_600} h {seconds % 3_600 // 60:02} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3_600} h"


def _proposed(told: Story) -> Iterator[Line]:
    record = told.record
    proposal, agent = record.proposal, record.agent
    yield Line(label="Action", text=record.id)
    gone = record.shredded
    if gone is not None:
        yield Line(label="Shredded", text=f"its content was destroyed {moment(gone.at)} by {gone.by}")
    yield Line(label="Summary", text=proposal.summary)
    yield Line(label="At", text=moment(record.created_at))
    yield Line(label="By", text=f"{agent.name} ({agent.id}), team {agent.team}, owner {agent.owner}")
    yield Line(label="What would run", text=f"{proposal.tool or 'no tool named'} · topic {proposal.topic}")
    if proposal.environment:
        yield Line(label="Environment", text=proposal.environment)
    if told.input_sha256 is not None:
        yield Line(label="Input SHA-256", text=told.input_sha256)
    for version in told.versions:
        yield Line(label=f"Payload {version.number} SHA-256", text=version.payload_sha256)


def _evidence(told: Story) -> Iterator[Line]:
    proposal, context = told.record.proposal, told.record.proposal.context
    model = " ".join(part for part in (context.model_name, context.model_version) if part)
    yield Line(label="Model", text=model or NOT_SAID)
    yield Line(label="Prompt version", text=context.prompt_version or NOT_SAID)
    yield Line(label="Policy flags", text=", ".join(context.policy_flags) or "none")
    yield Line(label="Rationale", text=proposal.rationale or NOT_SAID)
    if context.original_request:
        yield Line(label="Original request", text=context.original_request)
    where = (("workflow", context.workflow), ("step", context.step), ("run", context.run_id))
    if any(value for _, value in where):
        yield Line(label="From", text=", ".join(f"{name} {value}" for name, value in where if value))
    if not context.sources:
        yield Line(label="Sources", text="none named")
    for source in context.sources:
        told_of = (source.id, source.title, source.url, source.fetched_at and f"read {source.fetched_at}")
        yield Line(label="Source", text=" · ".join(part for part in told_of if part))
    for each in proposal.evidence:
        yield Line(label=f"Evidence: {each.label}", text=each.value + (f" · {each.url}" if each.url else ""))
    for step in context.upstream:
        yield Line(label="Before it", text=" · ".join(p for p in (step.agent, step.step, step.summary) if p))


def _facts(told: Story) -> Iterator[Line]:
    for fact in told.facts:
        by = "known to the gate" if fact.verified else "in the agent's word"
        text = f"{_said(fact.decided_on)} ({by}"
        if fact.verified and fact.claimed is not None and fact.claimed != fact.decided_on:
            text += f"; the agent claimed {_said(fact.claimed)}"
        yield Line(label=fact.name.replace("_", " ").capitalize(), text=text + ")")


def _policy(told: Story) -> Iterator[Line]:
    verdict = told.record.verdict
    yield Line(label="Answer", text=verdict.decision.value)
    yield Line(label="Rule", text=verdict.rule)
    yield Line(label="Reason", text=verdict.reason)
    if verdict.trigger:
        yield Line(label="Because", text=verdict.trigger)
    for version in told.versions:
        which = f" (payload {version.number})" if len(told.versions) > 1 else ""
        yield Line(label=f"Snapshot{which}", text=f"{verdict.policy_version} {version.policy_digest}")
    again = dict.fromkeys(
        str(each.detail["judged_again_under"]) for each in told.trail if "judged_again_under" in each.detail
    )
    for digest in again:
        yield Line(label="Judged again under", text=digest)


def _asked(told: Story) -> Iterator[Line]:
    record = told.record
    if record.plan is None:
        return
    plan: ApprovalPlan = record.plan
    people = f"{plan.people_needed} of " if plan.people_needed > 1 else ""
    named = [*plan.assignees, *(f"group {g}" for g in (*plan.groups, *plan.distinct_groups))]
    yield Line(label="Could decide", text=people + (", ".join(dict.fromkeys(named)) or "approvers"))
    if record.sla_at is not None:
        yield Line(label="Time until", text=moment(record.sla_at))
    for each in told.trail:
        words = _calling(each)
        if words:
            yield Line(label=moment(each.at), text=words)
    for handed in record.reassignments:
        yield Line(label=moment(handed.at), text=f"{handed.by} gave as a reason: {handed.reason}")


def _calling(each: Happening) -> str:
    """Whom a record says was asked, and why; empty where it asked nobody."""
    detail = each.detail
    match each.kind:
        case "approval.requested":
            words = f"asked {_people(detail.get('asked'))}, because the rule names them"
            passed = detail.get("skipped")
            return words + (f"; passed over {_people(passed)}" if passed else "")
        case "approval.escalated":
            words = f"step {detail.get('step')} of the ladder called {_people(detail.get('called'))}"
            words += f" by {_people(detail.get('via'))}"
            return words + (f"; not reached: {_people(detail['unreached'])}" if "unreached" in detail else "")
        case "approval.sla_breach":
            return f"time was up ({detail.get('on_timeout')}): called {_people(detail.get('called'))}"
        case "approval.repaged":
            return f"held past its time: called {_people(detail.get('called'))} again"
        case "approval.reassigned":
            return f"{_who(each.actor)} asked {_people(detail.get('to'))}"
        case "approval.rebalanced":
            return f"asked {_people(detail.get('asked'))} in place of {detail.get('in_place_of')}, who needs a break"
        case "approval.vote" | "approval.edited" if "asked" in detail:
            return f"then also asked {_people(detail['asked'])}"
        case "approval.break_glass":
            return f"called the supervisors: {_people(detail.get('supervisors'))}"
        case _:
            return ""


def _changed(told: Story) -> Iterator[Line]:
    for version in told.versions[1:]:
        head = f"{version.editor} made payload {version.number}"
        yield Line(
            label=moment(version.at), text=head + (f": “{version.comment}”" if version.comment else "")
        )
        for change in version.changes:
            yield Line(label=change.pointer or "the whole payload", text=_altered(change))


def _altered(change: Altered) -> str:
    if change.added:
        return f"added {_said(change.new)}"
    if change.removed:
        return f"removed {_said(change.old)}"
    return f"{_said(change.old)} → {_said(change.new)}"


def _votes(told: Story) -> Iterator[Line]:
    for ballot in told.ballots:
        yield Line(label=moment(ballot.at), text=_ballot(ballot))
        if ballot.comment:
            yield Line(label="Comment", text=ballot.comment)
        for surface, digest in sorted(ballot.shown.items()):
            yield Line(label=f"Saw the {surface}", text=digest)


def _ballot(ballot: Ballot) -> str:
    words = {"approve": "approved", "reject": "rejected"}[ballot.choice]
    lent = f" for {ballot.on_behalf_of}" if ballot.on_behalf_of else ""
    void = "" if ballot.counts else "; void since the payload was changed"
    return f"{ballot.person}{lent} {words} payload {ballot.version} after {span(ballot.after)}{void}"


def _unmasked(told: Story) -> Iterator[Line]:
    for each in told.trail:
        if each.kind == "action.unmasked":
            said = f"{_who(each.actor)} was shown page {each.detail.get('page')} of payload "
            said += f"{each.detail.get('version')} with its {each.detail.get('values')} masked values"
            yield Line(label=moment(each.at), text=said)


def _decision(told: Story) -> Iterator[Line]:
    record = told.record
    if record.decided_at is None or told.took is None:
        held = ", held past its time" if record.held else ""
        yield Line(label="State", text=f"waits for a decision{held}")
        return
    yield Line(label="State", text=record.status.value)
    by = _who(record.decided_by or "policy")
    yield Line(label="Decided", text=f"{moment(record.decided_at)} by {by}, after {span(told.took)}")
    if record.rejection is not None:
        yield Line(
            label="Why",
            text=REJECT_CATEGORIES.get(record.rejection.category, record.rejection.category)
            + (f": {record.rejection.comment}" if record.rejection.comment else ""),
        )
    if record.decision_note:
        yield Line(label="Note", text=record.decision_note)
    emergency = record.emergency
    if emergency is not None:
        yield Line(
            label="Emergency",
            text=f"{emergency.person} broke the glass until {moment(emergency.until)}: {emergency.reason}",
        )
        review = emergency.review
        yield Line(
            label="Review",
            text=f"{review.person} at {moment(review.at)}, {review.finding.value}: {review.comment}"
            if review is not None
            else f"due {moment(emergency.review_due_at)}",
        )


def _execution(told: Story) -> Iterator[Line]:
    record = told.record
    for permit in told.permits:
        text = f"issued {moment(permit.issued_at)} for {permit.audience}, {permit.state}"
        if permit.redeemed_at is not None:
            text += f" {moment(permit.redeemed_at)} by {permit.redeemed_by}"
        yield Line(label=f"Grant {permit.jti}", text=text)
        if permit.leaf is not None:
            yield Line(label="Names the record", text=permit.leaf)
    if record.grants_revoked:
        yield Line(label="Taken back", text="nothing more is issued for it")
    outcome = record.outcome
    if outcome is not None:
        yield Line(
            label="Outcome", text=f"{outcome.result.value}, {moment(outcome.at)}, told by {outcome.reporter}"
        )
        if outcome.detail:
            yield Line(label="Detail", text=outcome.detail)
        for flag, what in ((outcome.defect, "a defect"), (outcome.incident, "an incident")):
            if flag:
                yield Line(label="Found later", text=what)
    elif record.status.released and not told.permits:
        yield Line(label="Outcome", text="no grant was collected")
    elif record.status.released:
        yield Line(label="Outcome", text="none was reported")


def trail_line(each: Happening) -> str:
    """What one record of the trail says, by whom."""
    return f"{KINDS.get(each.kind, each.kind)} {_who(each.actor)}"


def _who(actor: str) -> str:
    kind, colon, name = actor.partition(":")
    return name if colon and kind in ("person", "agent", "operator") else actor


def _people(names: Json) -> str:
    return ", ".join(map(str, names or ())) or "nobody"


def _said(value: Json) -> str:
    match value:
        case str():
            return value
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return f"{int(value):,}"
        case int() | float():
            return f"{value:,}"
        case _:
            return json.dumps(spelled(value), ensure_ascii=False, sort_keys=True)
