"""The set in `policies/`: it loads, its cases pass and reach every rule, lint has nothing to say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.policy.cases import Case, parse_cases, run_cases
from gate.policy.documents import Document
from gate.policy.lint import lint
from gate.policy.schema import json_schema
from gate.workers.reload import Loaded, PolicyFiles
from tests.unit.policy.building import ROOT

POLICIES = ROOT / "policies"
DOCUMENTS = sorted(path for path in POLICIES.glob("*.yaml") if path.name != "people.yaml")


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return PolicyFiles(POLICIES, POLICIES / "people.yaml").load()


def cases() -> list[Case]:
    files = sorted((POLICIES / "cases").glob("*.yaml"))
    return [case for path in files for case in parse_cases(Document(name=path.name, text=path.read_text()))]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_shipped_case_comes_out_as_it_says(case: Case, shipped: Loaded) -> None:
    (result,) = run_cases(shipped.policy, [case])
    assert result.wrong == ()


def test_lint_finds_nothing_in_the_shipped_set(shipped: Loaded) -> None:
    assert lint(shipped.policy, shipped.directory, cases()) == ()


def test_the_shipped_schema_is_the_one_the_grammar_gives() -> None:
    assert json.loads((POLICIES / "schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_shipped_document_names_the_schema_in_its_first_line(path: Path) -> None:
    assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=./schema.json"


def test_the_sample_people_are_those_of_the_sandbox(shipped: Loaded) -> None:
    slack = {person.slack: person.id for person in shipped.directory.people.values()}
    assert slack == {"U0ANA": "ana", "U0BO": "bo", "U0CHO": "cho", "U0DEE": "dee", "U0OWN": "own"}
    assert all("own" not in group.members for group in shipped.directory.groups.values())
