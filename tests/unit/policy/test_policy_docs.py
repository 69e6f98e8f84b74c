"""The reference pages name every key, code and function there is, and what the how-to prints works."""

from __future__ import annotations

import re

import pytest

from gate.policy import grammar, later, parse
from gate.policy.cases import parse_cases, run_cases
from gate.policy.documents import Document
from gate.policy.grammar import Section
from gate.policy.lint import CODES
from gate.policy.parse import keys_of
from gate.policy.when import VARIABLES
from gate.policy.when_syntax import FUNCTIONS, MACROS, METHODS
from tests.unit.policy.building import ROOT, policy

KEYS = (ROOT / "docs" / "reference" / "policy.md").read_text()
EXPRESSIONS = (ROOT / "docs" / "reference" / "policy-expressions.md").read_text()
HOWTO = (ROOT / "docs" / "howto" / "write-a-policy.md").read_text()

SECTIONS = [
    model
    for module in (grammar, parse)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Section) and model.__module__ == module.__name__
]


@pytest.mark.parametrize("model", SECTIONS, ids=lambda model: model.__name__)
def test_every_key_is_in_the_reference(model: type[Section]) -> None:
    assert [key for key in keys_of(model) if f"`{key}`" not in KEYS] == []


@pytest.mark.parametrize("word", [*CODES, *later.LATER, *grammar.Constraints.model_fields])
def test_codes_sections_and_constraints_are_in_the_reference(word: str) -> None:
    assert f"`{word}`" in KEYS


@pytest.mark.parametrize(
    "word",
    [*MACROS, *METHODS, *FUNCTIONS, *VARIABLES, *sorted(f for v in VARIABLES.values() for f in v or ())],
)
def test_everything_an_expression_may_use_is_in_the_reference(word: str) -> None:
    assert re.search(rf"\b{word}\b", EXPRESSIONS)


def test_what_the_howto_prints_works() -> None:
    blocks = re.findall(r"(?:^    .*\n|^\n)+", HOWTO, re.MULTILINE)
    yaml = [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in blocks if ":" in block]
    document = "\n".join(yaml[:2]).replace("finance-approvers", "finance")
    cases = next(text for text in yaml if text.startswith("version: v1\ncases"))
    results = run_cases(policy(document), parse_cases(Document(name="billing.yaml", text=cases)))
    assert [result.wrong for result in results] == [(), ()]
