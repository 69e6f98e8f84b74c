"""Knows how modals stack, change and close for one person, and how Home is published; leaves the
methods' arguments to views.py and the person's part to acts.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.sandbox.defaults import completed_blocks
from bot.sandbox.errors import ApiError
from bot.sandbox.inputs import initial_values
from bot.sandbox.records import Json, View
from bot.sandbox.state import WorkspaceState
from bot.sandbox.validate import check_view

STACK_LIMIT = 3


def _described(state: WorkspaceState, raw: Json) -> dict[str, Any]:
    """The fields that an app gives, completed the way Slack stores them."""
    blocks = completed_blocks(raw["blocks"], state.rng)

    def text(name: str) -> Json | None:
        return {"emoji": True, **raw[name]} if raw.get(name) else None

    return {
        "type": raw["type"],
        "blocks": blocks,
        "title": text("title"),
        "submit": text("submit"),
        "close": text("close"),
        "private_metadata": raw.get("private_metadata") or "",
        "callback_id": raw.get("callback_id") or "",
        "external_id": raw.get("external_id") or "",
        "clear_on_close": bool(raw.get("clear_on_close")),
        "notify_on_close": bool(raw.get("notify_on_close")),
        "submit_disabled": bool(raw.get("submit_disabled")),
        "state": initial_values(blocks),
    }


def _refuse_taken_external_id(state: WorkspaceState, raw: Json, own: str | None = None) -> None:
    wanted = raw.get("external_id")
    if wanted and any(view.external_id == wanted and view.id != own for view in state.views.values()):
        raise ApiError("duplicate_external_id")


def open_modal(state: WorkspaceState, user: str, raw: Json, *, on_top: bool) -> View:
    """Open a checked view for `user`: as a new stack, or `on_top` of the present one."""
    check_view(raw, "modal")
    _refuse_taken_external_id(state, raw)
    stack = state.stacks.get(user, ()) if on_top else ()
    if len(stack) >= STACK_LIMIT:
        raise ApiError("push_limit_reached")
    if not on_top:
        state.keep_stack(user, ())
    view_id = state.mint_id("V")
    view = View(
        id=view_id,
        user=user,
        hash=state.mint_hash(),
        root_view_id=stack[0] if stack else view_id,
        previous_view_id=stack[-1] if stack else None,
        **_described(state, raw),
    )
    state.views[view_id] = view
    state.keep_stack(user, (*stack, view_id))
    return state.keep_view(view)


def change_modal(state: WorkspaceState, view: View, raw: Json) -> View:
    """Replace an open view's content; what was typed stays in inputs that keep block_id and action_id."""
    check_view(raw, view.type)
    _refuse_taken_external_id(state, raw, own=view.id)
    fields = _described(state, raw)
    fields["state"] = {
        block_id: {
            action_id: view.state.get(block_id, {}).get(action_id, value)
            for action_id, value in actions.items()
        }
        for block_id, actions in fields["state"].items()
    }
    return state.keep_view(replace(view, hash=state.mint_hash(), **fields))


def close_top(state: WorkspaceState, user: str) -> None:
    state.keep_stack(user, state.stacks.get(user, ())[:-1])


def close_all(state: WorkspaceState, user: str) -> None:
    state.keep_stack(user, ())


def publish_home(state: WorkspaceState, user: str, raw: Json) -> View:
    """Put a checked view into the person's Home tab; its id stays the same over publications."""
    check_view(raw, "home")
    before = state.homes.get(user)
    view_id = before.id if before else state.mint_id("V")
    return state.keep_home(
        View(id=view_id, user=user, hash=state.mint_hash(), root_view_id=view_id, **_described(state, raw))
    )
