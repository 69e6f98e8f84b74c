"""What a set says once for all its documents: care for reviewers, complete records, and who may break the glass."""

from __future__ import annotations

from gate.domain.care import Care
from gate.domain.completeness import EvidenceContract
from gate.domain.emergency import BreakGlass
from gate.domain.people import Directory
from gate.policy.documents import Problem
from gate.policy.oversight import SECTIONS, Oversight, break_glass_of, care_of, contract_of
from gate.policy.parse import Parsed
from gate.policy.planning import Report
from gate.policy.source import Path


class SetWide:
    """The sections of `oversight.py`, each from the one document that has it; problems are added to `problems`."""

    def __init__(self, parsed: list[Parsed], directory: Directory, problems: list[Problem]) -> None:
        self._given: dict[str, Parsed] = {}
        for each in parsed:
            for name in SECTIONS:
                if getattr(each.text, name) is not None:
                    self._claim(name, each, problems)
        said = Oversight(**{name: getattr(each.text, name) for name, each in self._given.items()})
        queue = said.approval_queue_policy
        self.care: Care = care_of(queue, said.fatigue_controls)
        self.remind_after_sec: int | None = queue.escalate_after_sec if queue is not None else None
        self.break_glass: BreakGlass | None = None
        self.contract: EvidenceContract | None = None

        def reporting(section: str) -> Report:
            document = self._given[section]

            def report(path: Path, message: str) -> None:
                problems.append(document.problem((section, *path), message))

            return report

        if said.break_glass is not None:
            self.break_glass = break_glass_of(said.break_glass, directory, reporting("break_glass"))
        if said.evidence_contract is not None:
            self.contract = contract_of(said.evidence_contract, reporting("evidence_contract"))

    def _claim(self, name: str, each: Parsed, problems: list[Problem]) -> None:
        if each.text.scope is not None:
            message = f"{name} speaks for the whole set; write it in a document without a scope"
            problems.append(each.problem((name,), message))
        elif name in self._given:
            other = self._given[name]
            at = f"{other.document.name}:{other.source.line((name,))}"
            problems.append(each.problem((name,), f"{name} is given at {at} already; a set says it once"))
        else:
            self._given[name] = each
