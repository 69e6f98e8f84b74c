"""Knows how one JSON value is checked and how a complaint is worded and located; leaves which fields
Block Kit has, and their limits, to the tables in blocks.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Collects complaints in Slack's words, each with a JSON pointer to the value it is about."""

    complaints: list[str] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)

    def say(self, problem: str, pointer: str) -> None:
        self.complaints.append(f"{problem} [json-pointer:{pointer}]")


Check = Callable[[Any, str, Report], None]


@dataclass(frozen=True)
class Field:
    """One field of an object: how its value is checked, and whether it must be there."""

    check: Check
    required: bool = False


Shape = Mapping[str, Field]


def need(check: Check) -> Field:
    return Field(check, required=True)


def may(check: Check) -> Field:
    return Field(check)


def string(limit: int, *, least: int = 1, pattern: str | None = None, named: str = "string") -> Check:
    """A string of `least` to `limit` characters, optionally wholly matching `pattern`."""
    compiled = re.compile(pattern) if pattern else None

    def check(value: Any, pointer: str, report: Report) -> None:
        if not isinstance(value, str):
            report.say("must provide a string", pointer)
        elif len(value) < least:
            report.say(f"must be more than {least - 1} characters", pointer)
        elif len(value) > limit:
            report.say(f"must be less than {limit + 1} characters", pointer)
        elif compiled and not compiled.fullmatch(value):
            report.say(f"must be a valid {named}", pointer)

    return check


def one_of(*allowed: str) -> Check:
    def check(value: Any, pointer: str, report: Report) -> None:
        if value not in allowed:
            report.say(f"must be one of: {', '.join(allowed)}", pointer)

    return check


def boolean(value: Any, pointer: str, report: Report) -> None:
    if not isinstance(value, bool):
        report.say("must provide a boolean", pointer)


def integer(least: int, limit: int) -> Check:
    def check(value: Any, pointer: str, report: Report) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.say("must provide an integer", pointer)
        elif value < least:
            report.say(f"must be greater than or equal to {least}", pointer)
        elif value > limit:
            report.say(f"must be less than or equal to {limit}", pointer)

    return check


def anything(value: Any, pointer: str, report: Report) -> None:
    """Accepts every value; for fields whose content this stand-in does not look at."""


def record(shape: Shape, *, kind: str | None = None) -> Check:
    """An object with the fields of `shape` and no others; `kind` is the `type` it must carry."""

    def check(value: Any, pointer: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.say("must provide an object", pointer)
            return
        if kind is not None and value.get("type") != kind:
            report.say(f"must be a {kind}", f"{pointer}/type")
            return
        for name, fld in shape.items():
            if name not in value:
                if fld.required:
                    report.say(f"missing required field: {name}", pointer)
            elif value[name] is None and not fld.required:
                continue  # absent and null are the same to Slack
            else:
                fld.check(value[name], f"{pointer}/{name}", report)
        for name in value:
            if name not in shape and name != "type":
                report.say(f"invalid additional property: {name}", pointer)

    return check


def items(each: Check, limit: int, *, least: int = 1) -> Check:
    """A list of `least` to `limit` items that each pass `each`."""

    def check(value: Any, pointer: str, report: Report) -> None:
        if not isinstance(value, list):
            report.say("must provide an array", pointer)
            return
        if len(value) > limit:
            report.say(f"no more than {limit} items allowed", pointer)
            return
        if len(value) < least:
            report.say(f"no fewer than {least} items required", pointer)
        for index, item in enumerate(value):
            each(item, f"{pointer}/{index}", report)

    return check


def by_type(table: Mapping[str, Check]) -> Check:
    """An object whose `type` picks the check that applies."""

    def check(value: Any, pointer: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.say("must provide an object", pointer)
        elif not isinstance(value.get("type"), str):
            report.say("missing required field: type", pointer)
        elif value["type"] not in table:
            report.say(f"unsupported type: {value['type']}", f"{pointer}/type")
        else:
            table[value["type"]](value, pointer, report)

    return check


def both(*checks: Check) -> Check:
    """Every check, in order; a later one runs only where the earlier ones found nothing."""

    def check(value: Any, pointer: str, report: Report) -> None:
        for each in checks:
            before = len(report.complaints)
            each(value, pointer, report)
            if len(report.complaints) > before:
                return

    return check
