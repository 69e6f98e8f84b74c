"""How the command line answers: tables for people, JSON for programs, and what each exit code means."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

_OUT = Console(highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """What a `gate` command ends with."""

    DONE = 0
    REFUSED = 1
    """The answer is no: nothing was changed, or something is not as it should be."""
    USAGE = 2
    """The command line is wrong."""
    CANNOT = 3
    """Settings, keys, policy files or the database cannot be worked with."""


def say(text: str) -> None:
    """A line for people, on standard output; nothing in it is read as markup."""
    _OUT.print(text, markup=False)


def fail(
    sentence: str, *, code: Exit = Exit.REFUSED, as_json: bool = False, kind: str = "refused"
) -> NoReturn:
    """End with a sentence on standard error, or with `{"error": …}` on standard output for a program."""
    if as_json:
        print(json.dumps({"error": {"code": kind, "detail": sentence}}, ensure_ascii=False))
    else:
        print(f"error: {sentence}", file=sys.stderr)
    raise typer.Exit(int(code))


def show(document: Any) -> None:
    """A document for programs."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Rows for people, in the order of the columns; `empty` is said where there are none."""
    if not rows:
        say(empty)
        return
    grid = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(_cell(row.get(column)) for column in columns))
    _OUT.print(grid, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value).replace("[", "\\[")
