"""The policy set in force, as reviewers read it: what it is made of, since when, and what it says about people."""

from __future__ import annotations

from gate.domain.emergency import BreakGlass
from gate.domain.people import Directory
from gate.policy.snapshot import CompiledDocument, PolicySet
from gate.usecases.ports import Deps
from gate.usecases.reports import GlassTerms, PolicyDocumentLine, PolicyView


async def policy_view(deps: Deps) -> PolicyView:
    """The set that decides now."""
    rules = deps.rules.current
    policy = rules.policy
    async with deps.store.reading() as tx:
        stored = await tx.snapshots.get(policy.digest)
    return PolicyView(
        now=deps.clock.now(),
        version=policy.version,
        digest=policy.digest,
        since=stored.loaded_at if stored is not None else None,
        documents=tuple(_document(each) for each in policy.compiled),
        default=_default(policy),
        care=policy.care,
        glass=_glass(policy.break_glass, rules.directory) if policy.break_glass is not None else None,
    )


def _document(document: CompiledDocument) -> PolicyDocumentLine:
    return PolicyDocumentLine(
        name=document.name,
        rules=len(document.rules),
        guardrails=len(document.guardrails),
        classify=len(document.classify),
        topics=document.scope_topics,
        default=document.default.decision.value if document.default is not None else None,
    )


def _default(policy: PolicySet) -> str:
    """The strictest default that speaks about everything, else what the gate does by itself."""
    found = [d.default for d in policy.compiled if d.default is not None and d.scope_topics is None]
    strictest = max(found, key=lambda rule: rule.strictness, default=policy.fallback)
    return strictest.decision.value


def _glass(rules: BreakGlass, directory: Directory) -> GlassTerms:
    return GlassTerms(
        who=_in_words(rules.who, directory),
        supervisors=_in_words(rules.supervisors, directory),
        topics=rules.topics,
        max_risk=rules.max_risk.value,
        max_valid_sec=rules.max_valid_sec,
        review_sla_sec=rules.review_sla_sec,
        max_unreviewed=rules.max_unreviewed,
    )


def _in_words(targets: tuple[str, ...], directory: Directory) -> tuple[str, ...]:
    """`Ana Ruiz`, `the group sre`, `whoever is on call for primary`."""

    def said(target: str) -> str:
        kind, _, name = target.partition(":")
        if kind == "group":
            return f"the group {name}"
        if kind == "oncall":
            return f"whoever is on call for {name}"
        person = directory.find(target)
        return person.name if person is not None else target

    return tuple(said(target) for target in targets)
