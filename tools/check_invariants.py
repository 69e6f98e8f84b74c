"""Holds docs/reference/invariants.md to the tests: whatever it claims as built has a test that names it.

A test names a promise by its number, `INV-08` in its docstring (or its class's), `inv_08` in its name.
With --write the table's last column is made anew from the tests; everything else in it is written by hand.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "reference" / "invariants.md"
TESTS = ROOT / "tests"
LAST_NUMBER = 54
_SHOWN = 3
_NUMBER = re.compile(r"(?<![A-Za-z0-9])INV[-_ ]?(\d{1,2})(?!\d)", re.IGNORECASE)
_NUMBER_IN_NAME = re.compile(r"(?:^|_)inv_?(\d{1,2})(?!\d)")
_ROW = re.compile(r"^\| INV-(?P<number>\d\d) \| (?P<promise>.+?) \| (?P<built>yes|no) \|(?P<tests>.*)\|$")
_NOT_RUN = {"skip", "xfail"}
_STATEFUL = {"rule", "invariant", "initialize"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Row:
    number: int
    promise: str
    built: bool
    tests: str

    def __str__(self) -> str:
        cell = f" {self.tests} " if self.tests else " "
        return f"| INV-{self.number:02d} | {self.promise} | {'yes' if self.built else 'no'} |{cell}|"


def find_tests(folder: Path) -> dict[int, list[str]]:
    """`path::test` of every test that names a number, by number."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for name, numbers in _named(tree.body):
            for number in numbers:
                found[number].append(f"{path.relative_to(folder.parent).as_posix()}::{name}")
    return dict(found)


def _named(
    body: list[ast.stmt], prefix: str = "", inherited: frozenset[int] = frozenset()
) -> Iterator[tuple[str, frozenset[int]]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _is_test(node) and not _decorators(node) & _NOT_RUN:
                yield f"{prefix}{node.name}", inherited | _numbers(node)
        elif isinstance(node, ast.ClassDef) and not _decorators(node) & _NOT_RUN:
            yield from _named(node.body, f"{prefix}{node.name}::", inherited | _numbers(node))


def _is_test(node: Definition) -> bool:
    """A pytest function, or a step of a Hypothesis state machine."""
    return node.name.startswith("test_") or bool(_decorators(node) & _STATEFUL)


def _decorators(node: Definition | ast.ClassDef) -> set[str]:
    names = set()
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return names


def _numbers(node: Definition | ast.ClassDef) -> frozenset[int]:
    texts = [*_NUMBER.findall(ast.get_docstring(node) or ""), *_NUMBER_IN_NAME.findall(node.name.lower())]
    return frozenset(int(text) for text in texts)


def rows_of(text: str) -> list[Row]:
    return [
        Row(
            number=int(match["number"]),
            promise=match["promise"],
            built=match["built"] == "yes",
            tests=match["tests"].strip(),
        )
        for line in text.splitlines()
        if (match := _ROW.match(line))
    ]


def refreshed(text: str, tests: dict[int, list[str]]) -> str:
    """The page with the last column of every row made from `tests`."""
    lines = []
    for line in text.splitlines():
        rows = rows_of(line)
        lines.append(str(replace(rows[0], tests=_cell(tests.get(rows[0].number, [])))) if rows else line)
    return "\n".join(lines) + "\n"


def _cell(names: list[str]) -> str:
    shown = "<br>".join(f"`{name}`" for name in names[:_SHOWN])
    return f"{shown}<br>and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def problems(text: str, tests: dict[int, list[str]]) -> Iterator[str]:
    rows = rows_of(text)
    if [row.number for row in rows] != list(range(1, LAST_NUMBER + 1)):
        yield f"{TABLE.name} must have one row for each of INV-01 to INV-{LAST_NUMBER}, in order"
    for row in rows:
        if row.built and row.number not in tests:
            yield f"INV-{row.number:02d} is claimed as built and no test names it: {row.promise}"
    for number in sorted(tests.keys() - {row.number for row in rows}):
        yield f"{tests[number][0]} names INV-{number:02d}, which does not exist"
    if text != refreshed(text, tests):
        yield f"{TABLE.name} does not show the tests as they are: run `make fmt`"


def main(arguments: list[str]) -> None:
    text = TABLE.read_text(encoding="utf-8")
    tests = find_tests(TESTS)
    if "--write" in arguments:
        TABLE.write_text(refreshed(text, tests), encoding="utf-8")
        return
    if found := list(problems(text, tests)):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
