"""Documents and a directory to one snapshot, all or nothing; judging actions with it is `evaluate`'s business."""

from __future__ import annotations

from collections.abc import Sequence

from gate.domain.people import APPROVERS, Directory
from gate.domain.risk import Risk
from gate.domain.verdict import Decision, Editable, GrantTerms, Remediation
from gate.policy import constraints as limits
from gate.policy.conditions import Condition, named
from gate.policy.documents import VERSION, Document, PolicyError, Problem, did_you_mean, set_digest
from gate.policy.grammar import ClassifyEntry, Match, Outcome, Rule, Scope
from gate.policy.json_schemas import Schema, SchemaProblem
from gate.policy.matching import CompiledMatch, compile_match, settled
from gate.policy.parse import Parsed, parse_document
from gate.policy.planning import ask_of, people_problems
from gate.policy.plans import Ask, grant_terms
from gate.policy.routing import router, shared_table
from gate.policy.rulings import DEFAULT, PERMISSIVE, CompiledClassify, CompiledRule, verdict_fields
from gate.policy.setwide import SetWide
from gate.policy.snapshot import CompiledDocument, PolicySet
from gate.policy.source import Path
from gate.policy.when import Expression, compile_expression
from gate.policy.when_syntax import SyntaxProblem

DEFAULT_RETRY_SEC = 60
NO_RULE = "No rule covers this action"
NO_POLICY = "No policy is loaded"


def compile_set(documents: Sequence[Document], directory: Directory) -> PolicySet:
    """One snapshot of all documents. Raises `PolicyError` with every problem of every document.

    Without documents the set asks the group `approvers` about everything, and denies where there is none.
    """
    problems: list[Problem] = []
    parsed: list[Parsed] = []
    for document in sorted(documents, key=lambda d: d.name):
        try:
            parsed.append(parse_document(document))
        except PolicyError as error:
            problems += error.problems
    names = [document.name for document in documents]
    for name in {name for name in names if names.count(name) > 1}:
        problems.append(Problem(file=name, line=1, message="two documents have this name"))
    if problems:
        raise PolicyError(problems)
    compiler = _Compiler(parsed, directory, set_digest(documents))
    compiled = [compiler.document(each) for each in parsed]
    fallback = compiler.fallback(covered=any(_always_answers(each) for each in parsed))
    if compiler.problems:
        raise PolicyError(compiler.problems)
    return PolicySet(
        version=VERSION,
        digest=compiler.digest,
        documents=tuple(sorted(documents, key=lambda d: d.name)),
        compiled=tuple(compiled),
        fallback=fallback,
        directory=directory,
        care=compiler.said.care,
        break_glass=compiler.said.break_glass,
        contract=compiler.said.contract,
    )


def low_risk_timeout(parsed: list[Parsed]) -> bool:
    """Whether the set lets low risk pass when time runs out: some document says so and none forbids it."""
    said = {each.text.low_risk_timeout for each in parsed}
    return "allow" in said and "deny" not in said


def _always_answers(parsed: Parsed) -> bool:
    return parsed.text.default is not None and parsed.text.scope is None


class _Compiler:
    """Collects problems while it builds, so that one reading reports everything."""

    def __init__(self, parsed: list[Parsed], directory: Directory, digest: str) -> None:
        self.parsed = parsed
        self.directory = directory
        self.digest = digest
        self.problems: list[Problem] = []
        self.low_risk_timeout = low_risk_timeout(parsed)
        self.said = SetWide(parsed, directory, self.problems)
        self.shared = shared_table(parsed, directory, self.problems)
        self.ids: dict[str, tuple[Parsed, Path]] = {}
        self.derivable = frozenset(
            tag for each in parsed for entry in each.text.classify or () for tag in entry.risk_tags or ()
        )
        """The tags this set derives itself; an agent's word for one of them lets nothing pass."""

    def document(self, parsed: Parsed) -> CompiledDocument:
        text = parsed.text
        scope = text.scope or Scope()
        within = _scope_conditions(scope)
        table = {**self.shared, **(text.routing or {})}
        guardrails = [
            self._rule(parsed, rule, ("guardrails", index), within, table, guardrail=True)
            for index, rule in enumerate(text.guardrails or [])
        ]
        rules = [
            self._rule(parsed, rule, ("rules", index), within, table, guardrail=False)
            for index, rule in enumerate(text.rules or [])
        ]
        classify = [
            self._classify(parsed, entry, index, within) for index, entry in enumerate(text.classify or [])
        ]
        default = None
        if text.default is not None:
            default = self._outcome(
                parsed,
                text.default,
                ("default",),
                DEFAULT,
                compile_match(Match(), (), _ignored, within),
                table,
                False,
            )
        return CompiledDocument(
            name=parsed.document.name,
            scope_topics=tuple(scope.topics) if scope.topics is not None else None,
            classify=tuple(classify),
            guardrails=tuple(guardrails),
            rules=tuple(rules),
            default=default,
        )

    def _rule(
        self,
        parsed: Parsed,
        rule: Rule,
        path: Path,
        within: tuple[Condition, ...],
        table: dict[str, str],
        *,
        guardrail: bool,
    ) -> CompiledRule:
        id = rule.id
        if id is None:
            stem = parsed.document.name.rsplit(".", 1)[0]
            id = f"{stem}-{'guardrail' if guardrail else 'rule'}-{int(path[-1]) + 1}"
        elif id == DEFAULT:
            self.problems.append(
                parsed.problem((*path, "id"), f"'{DEFAULT}' names the answer where no rule matched")
            )
        if id in self.ids:
            other, where = self.ids[id]
            at = f"{other.document.name}:{other.source.line(where)}"
            self.problems.append(parsed.problem((*path, "id"), f"rule id '{id}' is used already at {at}"))
        self.ids.setdefault(id, (parsed, path))

        def report(at: Path, message: str) -> None:
            self.problems.append(parsed.problem(at, f"rule '{id}': {message}"))

        doubted = self.derivable if Decision(rule.decision) in PERMISSIVE else frozenset[str]()
        match = compile_match(rule.match, (*path, "match"), report, within, doubted)
        return self._outcome(parsed, rule, path, id, match, table, guardrail)

    def _outcome(
        self,
        parsed: Parsed,
        outcome: Outcome,
        path: Path,
        id: str,
        match: CompiledMatch,
        table: dict[str, str],
        guardrail: bool,
    ) -> CompiledRule:
        decision = Decision(outcome.decision)
        risk = Risk(outcome.risk) if outcome.risk is not None else None
        reason = outcome.reason or _usual_reason(id, decision)
        stands = parsed.mapping_at((*path, "constraints"))
        checked = limits.Limits()
        try:
            checked = limits.read(stands)
        except (SchemaProblem, ValueError) as error:
            self.problems.append(parsed.problem((*path, "constraints"), f"rule '{id}': constraints: {error}"))
        ask: Ask | None = None
        routed: str | None = None
        if decision is Decision.REQUIRE_APPROVAL:
            ask, routed = self._ask(parsed, outcome, path, id, table)
            floor = Risk(match.risk_floor) if match.risk_floor is not None else None
            for at, message in people_problems(ask, routed, table, risk, floor, outcome.approval):
                self.problems.append(parsed.problem((*path, *at), f"rule '{id}': {message}"))
        fields = verdict_fields(
            id=id,
            decision=decision,
            reason=reason,
            version=VERSION,
            digest=self.digest,
            constraints=stands,
            remediations=tuple(
                Remediation(id=item.id, title=item.title, replacement_topic=item.replacement_topic)
                for item in outcome.remediations or []
            ),
            grant=grant_terms(outcome.approval),
            retry_after=_retry_after(outcome, match) if decision is Decision.THROTTLE else None,
        )
        return CompiledRule(
            id=id,
            document=parsed.document.name,
            line=parsed.source.line(path),
            guardrail=guardrail,
            decision=decision,
            reason=reason,
            match=match,
            settled=settled(match, decision not in PERMISSIVE),
            risk=risk,
            strictness=decision.strictness,
            tightens=decision not in PERMISSIVE,
            fields=fields,
            constraints=stands,
            limits=checked,
            plain=checked.none
            and risk is None
            and (ask is None or not ask.evidence)
            and not (stands and decision is Decision.ALLOW),
            ask=ask,
            table=table,
            routed=routed,
            router=router(table) if ask is not None and ask.asked.nobody and routed is None else None,
        )

    def _ask(
        self, parsed: Parsed, outcome: Outcome, path: Path, id: str, table: dict[str, str]
    ) -> tuple[Ask, str | None]:
        approval = outcome.approval
        here = (*path, "approval")

        def report(at: Path, message: str) -> None:
            self.problems.append(parsed.problem((*here, *at), f"rule '{id}': approval.{message}"))

        routed: str | None = None
        if approval is not None and approval.route is not None:
            routed = table.get(approval.route)
            if routed is None:
                report(
                    ("route",),
                    f"route: routing has no '{approval.route}'{did_you_mean(approval.route, table)}",
                )
                routed = APPROVERS
        if approval is not None and approval.editable is not None and approval.editable.schema_ is not None:
            try:
                Schema(approval.editable.schema_)
            except SchemaProblem as error:
                report(("editable", "schema"), f"editable.schema: {error}")
        return ask_of(
            approval, self.directory, self.low_risk_timeout, report, self.said.remind_after_sec
        ), routed

    def _classify(
        self, parsed: Parsed, entry: ClassifyEntry, number: int, within: tuple[Condition, ...]
    ) -> CompiledClassify:
        path: Path = ("classify", number)

        def report(at: Path, message: str) -> None:
            self.problems.append(parsed.problem(at, f"classify[{number}]: {message}"))

        facts: list[tuple[str, Expression]] = []
        for name, text in entry.facts or ():
            if text is None:
                continue
            try:
                facts.append((name, compile_expression(text)))
            except SyntaxProblem as error:
                report((*path, "facts", name), f"facts.{name}: {error}")
        subject = None
        if entry.subject is not None:
            try:
                subject = compile_expression(entry.subject)
            except SyntaxProblem as error:
                report((*path, "subject"), f"subject: {error}")
        editable = None
        if entry.editable is not None:
            paths = entry.editable.paths
            editable = Editable(
                paths=tuple(paths) if paths is not None else None, schema=entry.editable.schema_
            )
            if editable.schema is not None:
                try:
                    Schema(editable.schema)
                except SchemaProblem as error:
                    report((*path, "editable", "schema"), f"editable.schema: {error}")
        return CompiledClassify(
            document=parsed.document.name,
            line=parsed.source.line(path),
            number=number,
            match=compile_match(entry.match, (*path, "match"), report, within),
            risk=Risk(entry.risk) if entry.risk is not None else None,
            risk_tags=frozenset(entry.risk_tags or ()),
            facts=tuple(facts),
            editable=editable,
            mask=tuple(entry.mask or ()),
            subject=subject,
        )

    def fallback(self, *, covered: bool) -> CompiledRule:
        """The answer where not even a document has a default; asks as routing says, or `approvers`.

        `covered` says that some document answers always, so that this one is for troubles only. Then, and in an
        empty set, it denies where there is nobody to ask.
        """
        empty = not self.parsed
        reachable = self.directory.filled_elsewhere(APPROVERS) or bool(self.directory.members(APPROVERS))
        if not reachable and not covered and not empty:
            message = (
                f"what no rule covers asks the group '{APPROVERS}', and people.yaml has no such group with active "
                "members; add it, or a default that denies"
            )
            self.problems.append(Problem(file=self.parsed[0].document.name, line=1, message=message))
        decision = Decision.REQUIRE_APPROVAL if reachable else Decision.DENY
        reason = NO_POLICY if empty else NO_RULE
        match = compile_match(Match(), (), _ignored)
        return CompiledRule(
            id=DEFAULT,
            document="",
            line=0,
            guardrail=False,
            decision=decision,
            reason=reason,
            match=match,
            settled=match.test,
            risk=None,
            strictness=decision.strictness,
            tightens=True,
            fields=verdict_fields(
                id=DEFAULT,
                decision=decision,
                reason=reason,
                version=VERSION,
                digest=self.digest,
                constraints={},
                remediations=(),
                grant=GrantTerms(),
                retry_after=None,
            ),
            constraints={},
            limits=limits.Limits(),
            plain=True,
            ask=ask_of(None, self.directory, self.low_risk_timeout, _ignored, self.said.remind_after_sec)
            if reachable
            else None,
            table=self.shared,
            router=router(self.shared) if reachable else None,
        )


def _ignored(at: Path, message: str) -> None:
    """For parts that cannot have problems."""


def _scope_conditions(scope: Scope) -> tuple[Condition, ...]:
    """Teams and environments of a scope, asked of every action; its topics are settled by the index."""
    parts: list[Condition] = []
    if scope.teams is not None:
        parts.append(named("teams", scope.teams, lambda s: (s.agent.team,)))
    if scope.environments is not None:
        parts.append(named("environments", scope.environments, lambda s: (s.proposal.environment,)))
    return tuple(parts)


def _usual_reason(id: str, decision: Decision) -> str:
    if id == DEFAULT:
        return NO_RULE
    word = {
        Decision.ALLOW: "allows this",
        Decision.ALLOW_WITH_CONSTRAINTS: "allows this within constraints",
        Decision.REQUIRE_APPROVAL: "requires approval",
        Decision.THROTTLE: "throttles this",
        Decision.DENY: "denies this",
    }[decision]
    return f"Rule '{id}' {word}"


def _retry_after(outcome: Outcome, match: CompiledMatch) -> int:
    """As the rule says, else the longest window it counts in, else a minute."""
    if outcome.retry_after is not None:
        return outcome.retry_after
    return max((velocity.per_sec for velocity in match.velocities), default=DEFAULT_RETRY_SEC)


__all__ = ["Document", "PolicyError", "PolicySet", "Problem", "compile_set"]
