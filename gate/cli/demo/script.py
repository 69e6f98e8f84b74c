"""What the recorded agents do: the shipped samples, or runs of tool calls from a file; it sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

TEAMS = ("support", "ops", "finance")
"""The sample agents, each named for its team."""

_LONGEST_SUMMARY = 300
_LONGEST_VALUE = 60


class ScriptError(ValueError):
    """The file cannot be read as runs; the message names the line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One proposal: who makes it, and the body of `POST /v1/actions`."""

    agent: str
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Steps that follow each other; where one is refused, the rest is not proposed."""

    name: str
    steps: tuple[Step, ...]


def samples() -> tuple[Run, ...]:
    """The shipped samples, one step each."""
    text = files("gate.cli.demo").joinpath("samples.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    return tuple(
        Run(name=item["body"]["topic"], steps=(Step(agent=item["agent"], body=item["body"]),))
        for item in found
    )


def recorded_runs(path: Path, *, kind: str | None = None, limit: int | None = None) -> tuple[Run, ...]:
    """Runs of a JSON Lines file with `suite`, `steps` of `{tool, args}`, and optionally `task`, `kind`, `goal`.

    A tool call becomes topic `tool.<suite>.<tool>`, the slashes of the suite turned into dots. Raises ScriptError.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path} cannot be read: {error}") from None
    return tuple(_runs(lines, path.name, kind, limit))


def _runs(lines: list[str], name: str, kind: str | None, limit: int | None) -> Iterator[Run]:
    made = 0
    for number, line in enumerate(lines, start=1):
        if limit is not None and made >= limit:
            return
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            if kind is not None and item.get("kind") != kind:
                continue
            run = _run(item, number)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ScriptError(
                f"{name}, line {number}: not a run with suite and steps of tool and args"
            ) from None
        made += 1
        yield run


def _run(item: Mapping[str, Any], number: int) -> Run:
    suite = str(item["suite"])
    task = str(item.get("task") or number)
    steps = [
        Step(
            agent=suite.replace("/", "-"),
            body=_proposal(suite, task, place, item, str(step["tool"]), step["args"]),
        )
        for place, step in enumerate(item["steps"], start=1)
    ]
    return Run(name=f"{suite} {task}", steps=tuple(steps))


def _proposal(
    suite: str, task: str, place: int, item: Mapping[str, Any], tool: str, args: Mapping[str, Any]
) -> dict[str, Any]:
    context: dict[str, Any] = {"workflow": suite, "run_id": task, "step": str(place)}
    if item.get("goal"):
        context["original_request"] = str(item["goal"])[:16_000]
    return {
        "topic": f"tool.{suite.replace('/', '.')}.{tool}",
        "tool": tool,
        "summary": sentence(tool, args),
        "payload": dict(args),
        "context": context,
    }


def sentence(tool: str, args: Mapping[str, Any]) -> str:
    """A plain line made of a tool call: `send_money` with its arguments is "Send money: amount 50, recipient GB29…"."""
    words = tool.replace("_", " ").replace("-", " ").strip()
    told = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in args.items())
    whole = words[:1].upper() + words[1:] + (f": {told}" if told else "")
    return whole if len(whole) <= _LONGEST_SUMMARY else whole[: _LONGEST_SUMMARY - 1] + "…"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
