"""Knows how the policy set in force is told to reviewers, in words; its text stays in its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.blocks import parts
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import count, listed, span
from gate.usecases.reports import Care, GlassTerms, PolicyDocumentLine, PolicyView

Json = dict[str, Any]
Words = list[Json]

MAX_FALLBACK = 3_800
MAX_DOCUMENTS = 12
_DEFAULTS = {
    "allow": "pass",
    "allow_with_constraints": "pass, within constraints",
    "require_approval": "wait for people",
    "throttle": "are refused for now",
    "deny": "are refused",
}


def policy_message(policy: PolicyView) -> Line:
    """`/gate policy`: which set decides, since when, what it is made of, and what it says about people."""
    digest = shown(policy.digest, 100)
    first: list[Words] = [[parts.words("Digest "), parts.words(digest, code=True)]]
    if policy.since is not None:
        first.append([parts.words("First in force: "), parts.when(policy.since)])
    default = _DEFAULTS.get(policy.default, policy.default)
    first.append([parts.words("Actions no rule speaks about "), parts.words(default, bold=True)])
    rules = sum(each.rules + each.guardrails for each in policy.documents)
    title = f"Policy {shown(policy.version, 40)} · {_short(policy.digest)}"
    said = f"{count(len(policy.documents), 'document')}, {count(rules, 'rule')}"
    blocks = [parts.header(title), parts.lines(first), parts.divider()]
    blocks += [parts.header(f"Documents: {said}"), parts.lines(_documents(policy))]
    blocks += [parts.divider(), parts.header("Care for reviewers"), parts.lines(list(_care(policy.care)))]
    blocks += [parts.divider(), parts.header("Emergencies"), parts.lines(_glass(policy.glass))]
    text = f"Policy {shown(policy.version, 40)}, digest {digest}: {said}. Actions no rule speaks about {default}."
    return Line(clip_bytes(inert(text), MAX_FALLBACK), blocks)


def _short(digest: str) -> str:
    return shown(digest.removeprefix("sha256:")[:12], 12)


def _documents(policy: PolicyView) -> list[Words]:
    if not policy.documents:
        return [[parts.words("There are none: the approvers are asked about everything.")]]
    found = [_document(each) for each in policy.documents[:MAX_DOCUMENTS]]
    rest = len(policy.documents) - MAX_DOCUMENTS
    return [*found, [parts.words(f"… and {rest:,} more")]] if rest > 0 else found


def _document(each: PolicyDocumentLine) -> Words:
    told = [
        count(number, what)
        for number, what in ((each.guardrails, "guardrail"), (each.rules, "rule"))
        if number
    ]
    if each.classify:
        told.append(count(each.classify, "classification"))
    said = ", ".join(told) or "no rules"
    if each.topics is not None:
        topics = ", ".join(shown(topic, 40) for topic in each.topics[:3])
        said += f" · about {topics}" + (f" and {len(each.topics) - 3:,} more" if len(each.topics) > 3 else "")
    if each.default is not None:
        said += f" · otherwise actions {_DEFAULTS.get(each.default, each.default)}"
    return [parts.words(shown(each.name, 80), bold=True), parts.words(f": {said}")]


def _care(care: Care) -> Iterator[Words]:
    """One line for each thing that is set, and for what holds without being set."""
    if care.rebalance:
        yield _told("Whom to ask", "as many as are needed, whoever has least to do first")
    else:
        yield _told("Whom to ask", "everybody the rule names")
    if care.max_open is not None:
        yield _told("At most", f"{count(care.max_open, 'open request')} each, then the next person is asked")
    if care.cooldown_after is not None:
        approvals = count(care.cooldown_after, "approval")
        yield _told("Breaks", f"{span(care.cooldown_sec)} after {approvals} without one")
    if care.second_review_rate:
        share = f"{care.second_review_rate * 100:g} of 100"
        yield _told(
            "Second reviews", f"{share} requests for one person are looked at by another one too, blind"
        )
    joined = "join the one that waits" if care.join_duplicates else "are requests of their own"
    yield _told("Equal proposals", joined)
    yield _told(
        "Bursts",
        f"past {count(care.digest_above, 'request')} of an agent in a minute, one card for the others",
    )
    for what, target in (("median", care.target_median_wait_sec), ("95 of 100", care.target_p95_wait_sec)):
        if target is not None:
            yield _told(f"Target, {what}", f"decided within {span(target)}")


def _told(what: str, how: str) -> Words:
    return [parts.words(f"{what}: ", bold=True), parts.words(how)]


def _glass(glass: GlassTerms | None) -> list[Words]:
    if glass is None:
        return [[parts.words("Nobody may break the glass: policy names nobody.")]]
    topics = listed([shown(topic, 60) for topic in glass.topics[:6]])
    bounds = f"{topics if glass.topics != ('*',) else 'any topic'}, up to {glass.max_risk} risk"
    return [
        _told("Who may break the glass", _people(glass.who)),
        _told("What", f"{bounds}, good for {span(glass.max_valid_sec)} at most"),
        _told("Who looks at it then", f"{_people(glass.supervisors)}, within {span(glass.review_sla_sec)}"),
        _told("At once", f"{count(glass.max_unreviewed, 'release')} of one person may wait for that look"),
    ]


def _people(targets: tuple[str, ...]) -> str:
    named = [shown(target, 80) for target in targets[:10]]
    return listed(named) + (f" and {len(targets) - 10:,} more" if len(targets) > 10 else "")
