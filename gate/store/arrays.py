"""Rows as one array a column, as PostgreSQL takes many at once; which rows and when is for others to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gate.store.raw import Plan


def array(kind: str, values: Iterable[Any]) -> str:
    """Values in PostgreSQL's own notation for an array of this kind."""
    return _ARRAYS[kind](values)


def insert(how: Plan) -> str:
    """The text of an INSERT of any number of rows."""
    found = _INSERTS.get(how)
    if found is None:
        arrays = ", ".join(f"%s::{kind}[]" for kind in how.types)
        found = f"INSERT INTO {how.name} ({how.names}) SELECT * FROM unnest({arrays})"  # noqa: S608
        _INSERTS[how] = found
    return found


_INSERTS: dict[Plan, str] = {}


def columns(how: Plan, rows: Sequence[Sequence[Any]]) -> list[str]:
    """The rows as one array a column, in PostgreSQL's own notation: making it here costs a tenth of the driver's."""
    return [array(kind, column) for kind, column in zip(how.types, zip(*rows, strict=True), strict=True)]


def _texts(values: Iterable[str | None]) -> str:
    return (
        "{"
        + ",".join(
            [
                "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
                for value in values
            ]
        )
        + "}"
    )


def _numbers(values: Iterable[float | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def _booleans(values: Iterable[bool | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else "t" if value else "f" for value in values]) + "}"


def _bytes(values: Iterable[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


_ARRAYS = {
    "text": _texts,
    "int8": _numbers,
    "int4": _numbers,
    "float8": _numbers,
    "bool": _booleans,
    "bytea": _bytes,
}
