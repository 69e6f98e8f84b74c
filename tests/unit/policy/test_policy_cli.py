"""`gate policy …`: what it prints and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gate.cli.policy import app
from tests.unit.policy.building import PEOPLE, ROOT

SHIPPED = ["--policies", str(ROOT / "policies"), "--people", str(ROOT / "policies" / "people.yaml")]


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    (tmp_path / "policies" / "cases").mkdir(parents=True)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    (tmp_path / "policies" / "a.yaml").write_text(
        "version: v1\nrules:\n- {id: r, match: {topics: ['*']}, decision: deny}\n"
    )
    (tmp_path / "policies" / "cases" / "c.yaml").write_text(
        "version: v1\ncases:\n- {name: no, action: {topic: x}, expect: {decision: allow}}\n"
    )
    return ["--policies", str(tmp_path / "policies"), "--people", str(tmp_path / "people.yaml")]


def test_lint_of_the_shipped_set_is_quiet() -> None:
    result = run("lint", *SHIPPED)
    assert (result.exit_code, "no findings" in result.output) == (0, True)


def test_lint_exits_with_one_for_findings(small: list[str]) -> None:
    (Path(small[1]) / "cases" / "c.yaml").unlink()
    result = run("lint", *small, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["findings"][0]["code"] == "untested"
    assert "untested" in run("lint", *small).output


def test_a_set_that_does_not_load_exits_with_two_and_says_where(small: list[str]) -> None:
    (Path(small[1]) / "a.yaml").write_text("version: v1\nruls: []")
    result = run("lint", *small)
    assert result.exit_code == 2
    assert "a.yaml:2: unknown key 'ruls' (did you mean 'rules'?)" in result.output
    assert json.loads(run("test", *small, "--json").output)["problems"][0]["line"] == 2


def test_cases_of_the_shipped_set_pass() -> None:
    result = run("test", *SHIPPED)
    assert result.exit_code == 0
    assert "cases pass" in result.output


def test_a_failing_case_exits_with_one_and_says_what_differs(small: list[str]) -> None:
    result = run("test", *small)
    assert result.exit_code == 1
    assert "decision is deny, expected allow" in result.output
    assert json.loads(run("test", *small, "--json").output)["results"][0]["passed"] is False


def test_no_cases_is_not_success(small: list[str]) -> None:
    (Path(small[1]) / "cases" / "c.yaml").unlink()
    assert run("test", *small).exit_code == 2


@pytest.mark.parametrize("how", ["options", "stdin", "file"])
def test_explain_takes_an_action_from_anywhere(how: str, tmp_path: Path) -> None:
    action = {"topic": "job.support.process-refund", "payload": {"amount": 1400}, "summary": "Refund"}
    if how == "options":
        result = run("explain", "--topic", action["topic"], "--payload", '{"amount": 1400}', *SHIPPED)  # type: ignore[arg-type]
    elif how == "stdin":
        result = run("explain", "-", *SHIPPED, stdin=json.dumps(action))
    else:
        (tmp_path / "action.json").write_text(json.dumps(action))
        result = run("explain", str(tmp_path / "action.json"), *SHIPPED)
    assert result.exit_code == 0, result.output
    assert "require_approval by larger-money" in result.output
    assert "finance-approvers" in result.output


def test_explain_as_json_has_the_whole_trace() -> None:
    result = run("explain", "--topic", "job.x.read", "--json", *SHIPPED)
    whole = json.loads(result.output)
    assert whole["verdict"]["rule"] == "allow-reads"
    assert len(whole["trace"]) > 10


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "give either", id="nothing"),
        pytest.param(["--topic", "a", "--payload", "{"], "not JSON", id="payload"),
        pytest.param(["/nowhere.json"], "cannot be read", id="file"),
    ],
)
def test_explain_says_what_it_needs(arguments: list[str], says: str) -> None:
    result = run("explain", *arguments, *SHIPPED)
    assert (result.exit_code, says in result.output) == (2, True)


def test_the_schema_is_json() -> None:
    assert json.loads(run("schema").output)["title"] == "Signoff policy document, v1"
