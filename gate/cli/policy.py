"""`gate policy …`: lint, test, explain and schema at the terminal; what policies mean is the policy package's."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.domain.action import Agent, Proposal, Subject
from gate.policy.cases import Case, Result, answered, parse_action, parse_cases, run_cases
from gate.policy.documents import Document, PolicyError
from gate.policy.explain import Explanation, explain
from gate.policy.lint import lint
from gate.policy.plain import plain
from gate.policy.schema import json_schema
from gate.workers.reload import Loaded, PolicyFiles, read_text

OK, FOUND, BROKEN = 0, 1, 2
"""Exit codes: all is well; findings or failed cases; the set or the input could not be read."""

app = typer.Typer(name="policy", help="Check, try and explain policies.", no_args_is_help=True)

Policies = Annotated[
    Path, typer.Option("--policies", envvar="GATE_POLICIES", help="The folder of policy documents.")
]
People = Annotated[Path, typer.Option("--people", envvar="GATE_PEOPLE", help="The file of people.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

PIPED_WIDTH = 160
"""Columns of a table that goes into a file or another program."""
POLICIES, PEOPLE = Path("policies"), Path("policies/people.yaml")
_TONES = {"error": "red", "warning": "yellow", "decides": "bold green", "matched": "green", "trouble": "red"}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _console() -> Console:
    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=max(console.width, PIPED_WIDTH))


def _broken(error: PolicyError, as_json: bool) -> NoReturn:
    if as_json:
        _print_json({"ok": False, "problems": plain(error.problems)})
    else:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
    raise typer.Exit(BROKEN)


def _loaded(policies: Path, people: Path, as_json: bool) -> Loaded:
    try:
        return PolicyFiles(policies, people).load()
    except PolicyError as error:
        _broken(error, as_json)


def _cases(folder: Path, as_json: bool) -> list[Case]:
    cases: list[Case] = []
    try:
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            cases += parse_cases(Document(name=path.name, text=read_text(path)))
    except PolicyError as error:
        _broken(error, as_json)
    return cases


@app.command("lint")
def lint_policies(policies: Policies = POLICIES, people: People = PEOPLE, as_json: AsJson = False) -> None:
    """Find what is legal but likely a mistake. Exits 1 with findings, 2 where the set does not load."""
    loaded = _loaded(policies, people, as_json)
    findings = lint(loaded.policy, loaded.directory, _cases(policies / "cases", as_json))
    if as_json:
        _print_json({"ok": not findings, "digest": loaded.policy.digest, "findings": plain(findings)})
    elif not findings:
        documents, rules = len(loaded.policy.documents), len(loaded.policy.rules)
        told = f"{documents} document{'s'[: documents != 1]}, {rules} rule{'s'[: rules != 1]}"
        typer.echo(f"{told}, no findings")
    else:
        table = Table("where", "rule", "code", "what")
        for finding in findings:
            tone = _TONES[finding.severity]
            table.add_row(
                f"{finding.file}:{finding.line}",
                finding.rule,
                Text(finding.code, style=tone),
                Text(finding.message),
            )
        _console().print(table)
    raise typer.Exit(FOUND if findings else OK)


@app.command("test")
def run_policy_cases(
    policies: Policies = POLICIES,
    people: People = PEOPLE,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="A folder of cases; else cases/ of the policies.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the cases. Exits 1 where one fails, 2 where something does not load or there is no case."""
    loaded = _loaded(policies, people, as_json)
    folder = cases if cases is not None else policies / "cases"
    results = run_cases(loaded.policy, _cases(folder, as_json))
    failed = [result for result in results if not result.passed]
    if as_json:
        _print_json(
            {"ok": bool(results) and not failed, "results": [_result_json(result) for result in results]}
        )
    elif not results:
        typer.echo(f"no cases in {folder}", err=True)
    else:
        _console().print(_results_table(results))
        typer.echo(f"{len(results) - len(failed)} of {len(results)} cases pass")
    raise typer.Exit(BROKEN if not results else FOUND if failed else OK)


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "file": result.case.file,
        "line": result.case.line,
        "name": result.case.name,
        "passed": result.passed,
        "decision": result.verdict.decision.value,
        "rule": result.verdict.rule,
        "quorum": result.verdict.plan.quorum if result.verdict.plan is not None else None,
        "wrong": list(result.wrong),
    }


def _results_table(results: tuple[Result, ...]) -> Table:
    table = Table("", "case", "decision", "rule", "quorum", "wrong")
    for result in results:
        quorum = str(result.verdict.plan.quorum) if result.verdict.plan is not None else ""
        table.add_row(
            Text("ok", style="green") if result.passed else Text("FAIL", style="bold red"),
            Text(result.case.name),
            result.verdict.decision.value,
            result.verdict.rule,
            quorum,
            Text("; ".join(result.wrong)),
        )
    return table


@app.command("explain")
def explain_action(
    action: Annotated[
        str | None,
        typer.Argument(help="A JSON file with an action as sent to POST /v1/actions; - for stdin."),
    ] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Instead of a file: the topic.")] = None,
    payload: Annotated[str, typer.Option("--payload", help="With --topic: the payload as JSON.")] = "{}",
    agent: Annotated[str, typer.Option("--agent", help="The agent's name.")] = "agent",
    team: Annotated[str, typer.Option("--team", help="The agent's team.")] = "team",
    all_rules: Annotated[bool, typer.Option("--all", help="Show rules that did not match as well.")] = False,
    policies: Policies = POLICIES,
    people: People = PEOPLE,
    as_json: AsJson = False,
) -> None:
    """Say what would be decided, and why each rule did or did not match. Nothing is stored."""
    loaded = _loaded(policies, people, as_json)
    proposal = _proposal(action, topic, payload, as_json)
    who = Agent(id=agent, name=agent, team=team, owner="nobody")
    subject = answered(loaded.policy, Subject(proposal=proposal, agent=who))
    explanation = explain(loaded.policy, subject, datetime.now(UTC))
    if as_json:
        _print_json(explanation.as_json())
    else:
        _print_explanation(explanation, all_rules)


def _proposal(action: str | None, topic: str | None, payload: str, as_json: bool) -> Proposal:
    if (action is None) == (topic is None):
        typer.echo("give either an action file (- for stdin) or --topic", err=True)
        raise typer.Exit(BROKEN)
    try:
        if topic is not None:
            text = json.dumps({"topic": topic, "payload": json.loads(payload)})
            return parse_action(Document(name="--payload", text=text))
        name = action or "-"
        text = sys.stdin.read() if name == "-" else read_text(Path(name))
        return parse_action(Document(name="stdin" if name == "-" else name, text=text))
    except json.JSONDecodeError as error:
        typer.echo(f"--payload is not JSON: {error}", err=True)
        raise typer.Exit(BROKEN) from None
    except PolicyError as error:
        _broken(error, as_json)


def _print_explanation(explanation: Explanation, all_rules: bool) -> None:
    verdict, console = explanation.verdict, _console()
    console.print(Text(f"{verdict.decision.value} by {verdict.rule}: {verdict.reason}", style="bold"))
    if verdict.trigger:
        console.print(Text(f"because {verdict.trigger}"))
    tags = f", tagged {', '.join(sorted(verdict.effective.risk_tags))}" if verdict.effective.risk_tags else ""
    console.print(Text(f"risk {verdict.effective.risk.value}{tags}"))
    for line in explanation.filled_in:
        console.print(Text(f"filled in: {line}"))
    table = Table("where", "what", "outcome", "why")
    hidden = 0
    for line in explanation.trace:
        if not all_rules and line.outcome in ("not matched", "not reached", "out of scope"):
            hidden += 1
            continue
        where = f"{line.file}:{line.line}" if line.file else ""
        table.add_row(
            where,
            f"{line.kind} {line.id}",
            Text(line.outcome, style=_TONES.get(line.outcome, "")),
            Text(line.why),
        )
    console.print(table)
    if hidden:
        console.print(Text(f"{hidden} more did not match; --all shows them"))


@app.command("schema")
def print_schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of policy documents for editors (JSON in any case)."""
    _print_json(json_schema())
