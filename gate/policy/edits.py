"""Whether a reviewer's edit stays within what the plan lets them change; the policy's own answer to it is separate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gate.domain.verdict import ApprovalPlan
from gate.policy.json_schemas import Schema, SchemaProblem
from gate.policy.pointers import ABSENT, Change, covers, diff

MAX_ERRORS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldError:
    """What is wrong with one field. Codes: `not_editable`, `unchanged`, or the JSON Schema keyword that failed."""

    pointer: str
    code: str
    sentence: str


def check_edit(
    plan: ApprovalPlan,
    schema: Mapping[str, Any] | None,
    old_payload: Mapping[str, Any],
    new_payload: Mapping[str, Any],
) -> tuple[FieldError, ...]:
    """What keeps an edit from being accepted; empty where nothing does.

    Every changed pointer lies inside the editable paths (a path covers what is below it); the result fits the
    plan's schema and the schema the agent sent (`schema`). Schemas are held against the value at bounded cost and
    never fetch anything. What the edited action would then be decided is asked of the policy, not here.
    """
    errors: list[FieldError] = []
    changes = diff(dict(old_payload), dict(new_payload))
    if not changes:
        return (FieldError(pointer="", code="unchanged", sentence="Nothing was changed"),)
    if "edit" not in plan.allow:
        return (FieldError(pointer="", code="not_editable", sentence="This request may not be edited"),)
    errors += _outside(plan, changes)
    for source, who in ((plan.editable.schema, "policy"), (schema, "agent")):
        if source is not None:
            errors += _unfitting(source, who, dict(new_payload))
    unique = {(error.pointer, error.code): error for error in errors}
    return tuple(unique.values())[:MAX_ERRORS]


def _outside(plan: ApprovalPlan, changes: tuple[Change, ...]) -> Iterator[FieldError]:
    paths = plan.editable.paths
    if paths is None:
        return
    may = ", ".join(paths) if paths else "nothing"
    for change in changes:
        if not any(covers(path, change.pointer) for path in paths):
            done = "added" if change.old is ABSENT else "removed" if change.new is ABSENT else "changed"
            yield FieldError(
                pointer=change.pointer,
                code="not_editable",
                sentence=f"{change.pointer or 'The payload'} may not be {done}; editable: {may}",
            )


def _unfitting(source: Mapping[str, Any], who: str, payload: dict[str, Any]) -> Iterator[FieldError]:
    try:
        schema = Schema(source)
    except SchemaProblem as error:
        yield FieldError(pointer="", code="schema", sentence=f"The {who}'s schema cannot be used: {error}")
        return
    for mismatch in schema.mismatches(payload):
        field = mismatch.pointer or "The payload"
        yield FieldError(
            pointer=mismatch.pointer, code=mismatch.code, sentence=f"{field} {mismatch.sentence}"
        )


__all__ = ["ABSENT", "Change", "FieldError", "check_edit", "diff"]
