"""Knows the story below a card: one line for every transition people should hear of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from bot.blocks import parts, progress
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import RESULT_WORDS, between, count, listed, utc
from gate.domain.request import Choice, Result
from gate.usecases.views import ActionView, EditView, PersonRef, ThreadEvent, VoteView

Json = dict[str, Any]
Paragraphs = list[list[Json]]

MAX_FALLBACK = 3_800


def thread_line(event: ThreadEvent, view: ActionView) -> Line:
    """What to say in the thread about one event; `view` is the present state, which may be further on already.

    People in `event.mention` are pinged. A kind without a line of its own is told by its name, never dropped.
    """
    tell = _TELLERS.get(event.kind)
    sentence, paragraphs = tell(event, view) if tell else _other(event, view)
    if event.mention and event.kind not in _NAMES_THEM:
        paragraphs = [*paragraphs, [parts.words("Asked:"), *progress.people(event.mention, most=30)]]
    text = clip_bytes(inert(f"{sentence} ({shown(view.summary, 300)})"), MAX_FALLBACK)
    return Line(text, [parts.lines(paragraphs)])


def sentence(event: ThreadEvent, view: ActionView) -> str:
    """What happened, as one or more whole sentences without the comments people made."""
    tell = _TELLERS.get(event.kind)
    return (tell(event, view) if tell else _other(event, view))[0]


Told = tuple[str, Paragraphs]


def _who(event: ThreadEvent) -> str:
    return progress.acting(event.who, event.on_behalf_of) if event.who is not None else "Somebody"


def _said(symbol: str, who: str | None, rest: str, *more: list[Json]) -> Told:
    """A sentence as fallback and as a first line with the person in bold."""
    first = [parts.words(f"{symbol} "), *([parts.words(who, bold=True), parts.words(" ")] if who else [])]
    return (f"{who} {rest}" if who else rest), [[*first, parts.words(rest)], *more]


def _comment(comment: str | None) -> list[list[Json]]:
    return [[parts.words(f"“{shown(comment, 1_000, newlines=True)}”")]] if comment else []


def _vote_of(event: ThreadEvent, view: ActionView, choice: Choice) -> VoteView | None:
    """The vote the event tells of: of this person, and the one cast nearest to it."""
    mine = [v for v in view.votes if event.who and v.person.id == event.who.id and v.choice is choice]
    return min(mine, key=lambda v: abs(v.at - event.at)) if mine else None


def _number(detail: Mapping[str, Any], key: str) -> int | None:
    value = detail.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _agreed(event: ThreadEvent, view: ActionView) -> Told:
    counted, quorum = _number(event.detail, "counted"), _number(event.detail, "quorum") or view.quorum
    so_far = f" {counted} of {quorum} so far." if counted else ""
    vote = _vote_of(event, view, Choice.APPROVE)
    return _said(
        "✓", _who(event), f"approved;{so_far} More people are needed.", *_comment(vote and vote.comment)
    )


def _granted(event: ThreadEvent, view: ActionView) -> Told:
    vote = _vote_of(event, view, Choice.APPROVE)
    after = between(view.created_at, event.at)
    others = [progress.voter(v) for v in view.approvals if event.who and v.person.id != event.who.id]
    together = f", with {listed(others[:5])}" if others else ""
    rest = f"approved{together}: released after {after}, version {vote.version if vote else view.version}."
    return _said("✓", _who(event), rest, *_comment(vote and vote.comment), *_opinions(view))


def _opinions(view: ActionView) -> Paragraphs:
    told = progress.second_review(view)
    return [[parts.words(told)]] if told is not None else []


def _rejected(event: ThreadEvent, view: ActionView) -> Told:
    reason = view.decision.category if view.decision else None
    vote = _vote_of(event, view, Choice.REJECT)
    comment = (view.decision.comment if view.decision else None) or (vote.comment if vote else None)
    told = f"rejected it: {shown(reason, 120)}." if reason else "rejected it."
    return _said("✗", _who(event), told, *_comment(comment), *_opinions(view))


def _edit_of(event: ThreadEvent, view: ActionView) -> EditView | None:
    version = _number(event.detail, "version")
    return next((e for e in view.edits if e.version == version), view.edits[-1] if view.edits else None)


def _edited(event: ThreadEvent, view: ActionView) -> Told:
    edit = _edit_of(event, view)
    if edit is None:
        return _said("✎", _who(event), "changed the payload.")
    voided = _number(event.detail, "voided")
    lost = f" {count(voided, 'vote')} on the version before count no more." if voided else ""
    places = count(len(edit.changes), "place")
    rest = f"changed the payload in {places}: version {edit.version}.{lost}"
    return _said("✎", _who(event), rest, *progress.changes(edit.changes, most=20), *_comment(edit.comment))


def _reassigned(event: ThreadEvent, view: ActionView) -> Told:
    mine = [r for r in view.reassignments if event.who and r.by.id == event.who.id]
    said = min(mine, key=lambda r: abs(r.at - event.at)).reason if mine else None
    names = listed([parts.name(p) for p in event.mention[:10]]) or "others"
    sentence = f"{_who(event)} asked {names} to decide."
    first = [
        parts.words("→ "),
        parts.words(_who(event), bold=True),
        parts.words(" asks"),
        *_ping(event.mention),
    ]
    return sentence, [[*first, parts.words(" to decide.")], *_comment(said)]


def _rebalanced(event: ThreadEvent, _: ActionView) -> Told:
    names = listed([parts.name(p) for p in event.mention[:10]]) or "others"
    sentence = f"Asked {names} as well."
    return sentence, [[parts.words("→ Asked"), *_ping(event.mention), parts.words(" as well.")]]


def _ping(people: tuple[PersonRef, ...]) -> list[Json]:
    return progress.people(people, most=30)


def _left(event: ThreadEvent, view: ActionView) -> str:
    if view.sla_at is None:
        return ""
    if view.sla_at <= event.at:
        return f" Overdue since {utc(view.sla_at)}."
    return f" {between(event.at, view.sla_at)} left."


def _escalated(event: ThreadEvent, view: ActionView) -> Told:
    step = _number(event.detail, "step")
    numbered = f", step {step}" if step else ""
    whom = listed([parts.name(p) for p in event.mention[:10]])
    via = event.detail.get("via")
    ways = [word for way, word in _WAYS.items() if isinstance(via, list) and way in via]
    numbered += f", by {listed(ways)}" if ways else ""
    hole = event.detail.get("nobody") is True or (not event.mention and via is None)
    nobody = " Nobody could be reached on this step." if hole else ""
    nobody += "".join(f" {said}" for said in _missed(event.detail.get("unreached")))
    sentence = f"Escalated{numbered}{f' to {whom}' if whom else ''}.{nobody}{_left(event, view)}"
    first = [parts.words("▲ "), parts.words(f"Escalated{numbered}", bold=True)]
    asked = [parts.words(" ·"), *_ping(event.mention)] if event.mention else []
    return sentence, [[*first, *asked, parts.words(f".{nobody}{_left(event, view)}")]]


def _missed(unreached: Any) -> list[str]:
    """A sentence for each target of a step that led to nobody, or only to a stand-in."""
    found: list[str] = []
    for entry in cast("list[Any]", unreached) if isinstance(unreached, list) else []:
        target, _, why = str(entry).rpartition(" ")
        kind, _, name = target.partition(":")
        whom = {"oncall": f"On call for {name}", "group": f"Group {name}"}.get(kind, target)
        found.append(f"{shown(whom, 80)}: {_MISSED.get(why, 'nobody is there')}.")
    return found


def _breach(event: ThreadEvent, view: ActionView) -> Told:
    held = " It stays open until a person decides." if view.held else ""
    waited = between(view.created_at, event.at)
    return _said("⏰", None, f"Nobody decided in time ({waited}).{held}")


def _repaged(event: ThreadEvent, view: ActionView) -> Told:
    return _said("⏰", None, f"Still waiting, asked again after {between(view.created_at, event.at)}.")


def _expired(event: ThreadEvent, view: ActionView) -> Told:
    waited = between(view.created_at, event.at)
    return _said("⏰", None, f"Expired: nobody decided within {waited}. Nothing was released.")


def _timeout_allowed(event: ThreadEvent, view: ActionView) -> Told:
    waited = between(view.created_at, event.at)
    return _said("✓", None, f"Released without a person: low risk, and nobody objected within {waited}.")


def _broken(event: ThreadEvent, view: ActionView) -> Told:
    held = view.emergency
    until = f", good until {utc(held.until)}" if held is not None else ""
    rest = f"broke the glass: released after {between(view.created_at, event.at)} without waiting{until}."
    return _said(
        "🚨", _who(event), rest, *_comment(held and held.reason), *_called(event, "Called to review it:")
    )


def _review_overdue(event: ThreadEvent, view: ActionView) -> Told:
    held = view.emergency
    whose = f" of {parts.name(held.person)}" if held is not None else ""
    nobody = " Nobody is left to be called." if event.detail.get("nobody") is True else ""
    rest = f"Nobody has reviewed the emergency release{whose} in time.{nobody}"
    return _said("⏰", None, rest, *_called(event, "Called again:"))


def _reviewed(event: ThreadEvent, view: ActionView) -> Told:
    comment = _comment(view.emergency and view.emergency.comment)
    if event.detail.get("finding") == "justified":
        return _said("✓", _who(event), "reviewed the emergency release: justified.", *comment)
    if event.detail.get("taken_back") is True:
        then = "The release is taken back; nothing more is issued for it."
    elif event.detail.get("used") is True:
        then = "It was used already and cannot be taken back."
    else:
        then = "It had been taken back before."
    return _said("✗", _who(event), f"reviewed the emergency release: NOT justified. {then}", *comment)


def _called(event: ThreadEvent, label: str) -> Paragraphs:
    return [[parts.words(label), *progress.people(event.mention, most=30)]] if event.mention else []


def _cancelled(_: ThreadEvent, view: ActionView) -> Told:
    note = view.decision.comment if view.decision else None
    return _said("⊘", shown(view.agent_name, 80), "took the request back.", *_comment(note))


def _redeemed(_: ThreadEvent, view: ActionView) -> Told:
    return _said("→", None, f"Handed to the executor: version {view.version} as approved.")


def _revoked(event: ThreadEvent, view: ActionView) -> Told:
    who = _who(event) if event.who is not None else "An operator"
    reason = view.decision.comment if view.decision is not None and view.decision.taken_back else None
    return _said("✗", who, "took the release back; nothing more is issued for it.", *_comment(reason))


def _outcome(_: ThreadEvent, view: ActionView) -> Told:
    done = view.execution
    if done is None or done.result is None:
        return _said("·", None, "An outcome was reported.")
    symbol, word = RESULT_WORDS[done.result]
    flags = "".join(
        f" {flag} reported." for flag, on in (("Defect", done.defect), ("Incident", done.incident)) if on
    )
    return _said(symbol, None, f"Outcome: {word}.{flags}", *_comment(done.detail))


def _unreported(_: ThreadEvent, view: ActionView) -> Told:
    rest = "Nobody reported in time what came of it: outcome unknown, somebody has to look. Nothing is issued again."
    symbol = RESULT_WORDS[Result.UNKNOWN][0]
    return _said(
        symbol, None, rest, [parts.words("Owner of the agent:"), *progress.people((view.owner,), most=1)]
    )


def _other(event: ThreadEvent, _: ActionView) -> Told:
    return _said("·", None, f"{shown(event.kind, 60)}.")


_TELLERS: Mapping[str, Callable[[ThreadEvent, ActionView], Told]] = {
    "approval.vote": _agreed,
    "approval.granted": _granted,
    "approval.rejected": _rejected,
    "approval.edited": _edited,
    "approval.reassigned": _reassigned,
    "approval.rebalanced": _rebalanced,
    "approval.escalated": _escalated,
    "approval.sla_breach": _breach,
    "approval.repaged": _repaged,
    "approval.expired": _expired,
    "approval.timeout_allowed": _timeout_allowed,
    "approval.break_glass": _broken,
    "review.overdue": _review_overdue,
    "review.closed": _reviewed,
    "action.cancelled": _cancelled,
    "grant.redeemed": _redeemed,
    "grant.revoked": _revoked,
    "outcome.reported": _outcome,
    "outcome.overdue": _unreported,
}
_MISSED = {
    "never_read": "the schedule could not be read yet",
    "outdated": "what is known is too old to rely on",
    "empty": "the schedule has nobody on duty",
    "unknown_person": "the schedule names somebody who is not in people.yaml",
    "nobody": "nobody is there",
    "conflict": "only people who must not decide this",
}
_WAYS = {"email": "e-mail", "pagerduty": "PagerDuty"}
_NAMES_THEM = frozenset(
    {
        "approval.reassigned",
        "approval.rebalanced",
        "approval.escalated",
        "approval.break_glass",
        "review.overdue",
    }
)
