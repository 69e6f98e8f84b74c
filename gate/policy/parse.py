"""One text to a checked document model, or every problem in it with its line; it looks at nothing outside it."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError

from gate.policy.documents import VERSION, Document, PolicyError, Problem, did_you_mean
from gate.policy.grammar import ClassifyEntry, Default, Metadata, Name, Rule, Scope
from gate.policy.later import LATER, NOT_YET, LaterSections
from gate.policy.oversight import Oversight
from gate.policy.source import Path, Source, read


class PolicyText(Oversight, LaterSections):
    """A whole policy document."""

    version: Literal["v1"]
    metadata: Metadata | None = None
    scope: Scope | None = None
    default: Default | None = None
    classify: list[ClassifyEntry] | None = None
    guardrails: list[Rule] | None = None
    rules: list[Rule] | None = None
    routing: dict[Name, Name] | None = None
    low_risk_timeout: Literal["allow", "deny"] | None = Field(default=None)


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """A document and what it says. `source` knows the lines."""

    document: Document
    source: Source
    text: PolicyText

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at the line of a path."""
        return Problem(file=self.document.name, line=self.source.line(path), message=message)

    def mapping_at(self, path: Path) -> dict[str, Any]:
        """The mapping at a path exactly as it was written; empty where there is none."""
        value: Any = _at(self.source.value, path)
        return dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}


def parse_document(document: Document) -> Parsed:
    """Read, check and refuse what this version does not act on. Raises `PolicyError` with every problem found."""
    source = read(document)
    value: Any = source.value
    if value is None:
        raise PolicyError([Problem(file=document.name, line=1, message="the document is empty")])
    if isinstance(value, dict) and "version" not in value and document.text.lstrip().startswith("{"):
        value = {"version": VERSION, **cast("dict[str, Any]", value)}
    problems: list[Problem] = []
    text: PolicyText | None = None
    try:
        text = validated(PolicyText, value, source)
    except PolicyError as error:
        problems += error.problems
    problems += refusals(source)
    if problems or text is None:
        raise PolicyError(problems)
    return Parsed(document=document, source=source, text=text)


def refusals(source: Source) -> list[Problem]:
    """One line for each section or condition that is understood but not acted on yet."""

    def problem(path: Path, what: str) -> Problem:
        return Problem(file=source.name, line=source.line(path), message=f"{what}: {NOT_YET}")

    whole: Any = source.value
    if type(whole) is not dict:
        return []
    found = [problem((key,), f"section '{key}'") for key in cast("dict[str, Any]", whole) if key in LATER]
    for path in source.lines:
        if not path or path[0] in LATER or "constraints" in path:
            continue
        *above, last = path
        if last == "autonomy_level" and "match" in above and above[len(above) - 1] != "labels":
            found.append(problem(path, "condition 'autonomy_level'"))
    return found


def _at(value: Any, path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def validated(model: type[M], value: Any, source: Source) -> M:
    """The value as a model. Raises `PolicyError` with one problem for each thing that does not fit."""
    if type(value) is not dict:
        raise PolicyError(
            [Problem(file=source.name, line=source.line(()), message="expected a mapping of keys")]
        )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems: dict[tuple[Path, str], Problem] = {}
        for item in error.errors(include_url=False):
            path = _path(value, item["loc"])
            message = _message(model, path, cast("dict[str, Any]", item))
            problems[(path, message)] = Problem(file=source.name, line=source.line(path), message=message)
        raise PolicyError(problems.values()) from None


def _path(value: Any, loc: tuple[int | str, ...]) -> Path:
    """The part of a pydantic location that names keys and items; tags of unions are left out."""
    path: list[int | str] = []
    for index, step in enumerate(loc):
        held = isinstance(value, dict) and step in cast("dict[Any, Any]", value)
        if held or (
            isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value))
        ):
            value = _at(cast("Any", value), (step,))
        elif index != len(loc) - 1 or not isinstance(value, dict) or not isinstance(step, str) or "[" in step:
            continue
        path.append(step)
    return tuple(path)


def _message(model: type[BaseModel], path: Path, item: dict[str, Any]) -> str:
    where = _dotted(path)
    last = str(path[len(path) - 1]) if path else ""
    context: dict[str, Any] = item.get("ctx", {})
    given = item.get("input")
    match item["type"]:
        case "extra_forbidden":
            known = keys_of(_section_at(model, path[:-1]))
            inside = f" in {_dotted(path[:-1])}" if len(path) > 1 else ""
            return f"unknown key '{last}'{inside}{did_you_mean(last, known)}"
        case "missing":
            inside = f" in {_dotted(path[:-1])}" if len(path) > 1 else ""
            hint = "; every document says version: v1" if path == ("version",) else ""
            return f"key '{last}' is missing{inside}{hint}"
        case "literal_error":
            expected = str(context.get("expected", "")).replace("'", "")
            choices = [word.strip() for part in expected.split(",") for word in part.split(" or ")]
            return f"{where}: '{given}' is not one of {expected}{did_you_mean(str(given), choices)}"
        case "value_error":
            reason = str(context.get("error", item["msg"]))
            return f"{where}: {reason}" if where else reason
        case "string_type":
            hint = f"; write '{str(given).lower() if isinstance(given, bool) else given}' in quotes"
            return f"{where}: expected text{hint if isinstance(given, bool | int | float) else ''}"
        case "bool_type":
            return f"{where}: expected true or false, not {given!r}"
        case "list_type":
            return f"{where}: expected a list"
        case "dict_type" | "model_type":
            return f"{where}: expected a mapping of keys"
        case "too_short":
            return f"{where}: must not be empty"
        case _:
            return f"{where}: {str(item['msg'])[:1].lower()}{str(item['msg'])[1:]}"


def _dotted(path: Iterable[int | str]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def keys_of(section: type[BaseModel] | None) -> list[str]:
    """The keys a section knows, as they are written."""
    if section is None:
        return []
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    section: type[BaseModel] | None = model
    annotation: Any = model
    for step in path:
        if isinstance(step, int):
            annotation = _inner(annotation, list)
        elif section is None:
            annotation = _inner(annotation, dict)
        else:
            field = next((f for n, f in section.model_fields.items() if (f.alias or n) == step), None)
            annotation = field.annotation if field is not None else None
        section = _model_in(annotation)
    return section


def _alternatives(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return [part for option in get_args(annotation) for part in _alternatives(option)]
    if hasattr(annotation, "__metadata__"):
        return _alternatives(get_args(annotation)[0])
    return [annotation]


def _inner(annotation: Any, container: type) -> Any:
    for option in _alternatives(annotation):
        if get_origin(option) is container:
            return get_args(option)[-1]
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for option in _alternatives(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None
