"""Holds docs/reference/invariants.md and threats.md to the tests: what is claimed has a test that names it.

A test names a promise by its number, `INV-08` in its docstring (or its class's), `inv_08` in its name; a threat as
`threat 8`, `threats 8 and 9` or `threat_08`, also in the docstring of its file. With --write the tables' last columns
are made anew from the tests; everything else in them is written by hand.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Register:
    """A page of numbered claims. `middle` is what its column before the tests may hold; `no` there claims nothing."""

    page: Path
    prefix: str
    last: int
    middle: str
    named: re.Pattern[str]
    """A group of one or more numbers in a docstring."""
    in_name: re.Pattern[str]
    of_files: bool = False
    """Whether the docstring of a file speaks for the file."""

    @property
    def row(self) -> re.Pattern[str]:
        return re.compile(
            rf"^\| {self.prefix}-(?P<number>\d\d) \| (?P<promise>.+?) \| (?P<middle>{self.middle}) \|(?P<tests>.*)\|$"
        )


INVARIANTS = Register(
    page=ROOT / "docs" / "reference" / "invariants.md",
    prefix="INV",
    last=54,
    middle="yes|no",
    named=re.compile(r"(?<![A-Za-z0-9])INV[-_ ]?(\d{1,2})(?!\d)", re.IGNORECASE),
    in_name=re.compile(r"(?:^|_)inv_?(\d{1,2})(?!\d)"),
)
THREATS = Register(
    page=ROOT / "docs" / "reference" / "threats.md",
    prefix="THREAT",
    last=35,
    middle=r"[^|]+?",
    named=re.compile(
        r"(?<![A-Za-z0-9])threats?[-_\s]?(\d{1,2}(?:(?:,\s*|,?\s+and\s+)\d{1,2})*)(?!\d)", re.IGNORECASE
    ),
    in_name=re.compile(r"(?:^|_)threat_?(\d{1,2})(?!\d)"),
    of_files=True,
)
_NOT_RUN = {"skip", "xfail"}
_STATEFUL = {"rule", "invariant", "initialize"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Row:
    register: Register
    number: int
    promise: str
    middle: str
    tests: str

    @property
    def built(self) -> bool:
        return self.middle != "no"

    def __str__(self) -> str:
        cell = f" {self.tests} " if self.tests else " "
        return f"| {self.register.prefix}-{self.number:02d} | {self.promise} | {self.middle} |{cell}|"


def find_tests(folder: Path, register: Register = INVARIANTS) -> dict[int, list[str]]:
    """`path::test` of every test that names a number, by number; `path` alone where its file does."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        name = path.relative_to(folder.parent).as_posix()
        for number in sorted(_in_docstring(tree, register)) if register.of_files else ():
            found[number].append(name)
        for test, numbers in _named(tree.body, register):
            for number in numbers:
                found[number].append(f"{name}::{test}")
    return dict(found)


def _named(
    body: list[ast.stmt], register: Register, prefix: str = "", inherited: frozenset[int] = frozenset()
) -> Iterator[tuple[str, frozenset[int]]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if _is_test(node) and not _decorators(node) & _NOT_RUN:
                yield f"{prefix}{node.name}", inherited | _numbers(node, register)
        elif isinstance(node, ast.ClassDef) and not _decorators(node) & _NOT_RUN:
            yield from _named(
                node.body, register, f"{prefix}{node.name}::", inherited | _numbers(node, register)
            )


def _is_test(node: Definition) -> bool:
    """A pytest function, or a step of a Hypothesis state machine."""
    return node.name.startswith("test_") or bool(_decorators(node) & _STATEFUL)


def _decorators(node: Definition | ast.ClassDef) -> set[str]:
    names = set()
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return names


def _numbers(node: Definition | ast.ClassDef, register: Register) -> frozenset[int]:
    in_name = (int(text) for text in register.in_name.findall(node.name.lower()))
    return _in_docstring(node, register) | frozenset(in_name)


def _in_docstring(node: Definition | ast.ClassDef | ast.Module, register: Register) -> frozenset[int]:
    found = register.named.findall(ast.get_docstring(node) or "")
    return frozenset(int(text) for group in found for text in re.findall(r"\d+", group))


def rows_of(text: str, register: Register = INVARIANTS) -> list[Row]:
    return [
        Row(
            register=register,
            number=int(match["number"]),
            promise=match["promise"],
            middle=match["middle"],
            tests=match["tests"].strip(),
        )
        for line in text.splitlines()
        if (match := register.row.match(line))
    ]


def refreshed(text: str, tests: dict[int, list[str]], register: Register = INVARIANTS) -> str:
    """The page with the last column of every row made from `tests`."""
    lines = []
    for line in text.splitlines():
        rows = rows_of(line, register)
        lines.append(str(replace(rows[0], tests=_cell(tests.get(rows[0].number, [])))) if rows else line)
    return "\n".join(lines) + "\n"


def _cell(names: list[str]) -> str:
    shown = "<br>".join(f"`{name}`" for name in names[:_SHOWN])
    return f"{shown}<br>and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def problems(text: str, tests: dict[int, list[str]], register: Register = INVARIANTS) -> Iterator[str]:
    rows, prefix, page = rows_of(text, register), register.prefix, register.page.name
    if [row.number for row in rows] != list(range(1, register.last + 1)):
        yield f"{page} must have one row for each of {prefix}-01 to {prefix}-{register.last}, in order"
    for row in rows:
        if row.built and row.number not in tests:
            yield f"{prefix}-{row.number:02d} is claimed as built and no test names it: {row.promise}"
    for number in sorted(tests.keys() - {row.number for row in rows}):
        yield f"{tests[number][0]} names {prefix}-{number:02d}, which does not exist"
    if text != refreshed(text, tests, register):
        yield f"{page} does not show the tests as they are: run `make fmt`"


def main(arguments: list[str]) -> None:
    found: list[str] = []
    for register in (INVARIANTS, THREATS):
        text = register.page.read_text(encoding="utf-8")
        tests = find_tests(TESTS, register)
        if "--write" in arguments:
            register.page.write_text(refreshed(text, tests, register), encoding="utf-8")
        else:
            found += problems(text, tests, register)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
