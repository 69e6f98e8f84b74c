"""Knows the views.* methods: triggers, hashes and which view is meant; leaves the stack itself to
modals.py."""

from __future__ import annotations

from dataclasses import replace

from bot.sandbox.call import Call
from bot.sandbox.errors import ApiError, with_messages
from bot.sandbox.modals import change_modal, open_modal, publish_home
from bot.sandbox.records import Json, Trigger, View


def _view_argument(call: Call) -> Json:
    if not call.args.has("view"):
        raise with_messages("invalid_arguments", ["missing required field: view"])
    return call.args.structure("view", "invalid_arguments")


def _exchange(call: Call) -> Trigger:
    """Use up a trigger_id: it must exist, be younger than three seconds and not be used yet."""
    state = call.state
    trigger = state.triggers.get(call.args.need("trigger_id"))
    if trigger is None:
        raise ApiError("invalid_trigger_id")
    if trigger.exchanged:
        raise ApiError("exchanged_trigger_id")
    if state.clock.time() > trigger.expires_at:
        raise ApiError("expired_trigger_id")
    return trigger


def _spend(call: Call, trigger: Trigger) -> None:
    call.state.triggers[trigger.id] = replace(trigger, exchanged=True)


def _answer(call: Call, view: View) -> Json:
    return {"view": call.state.view_doc(view)}


def open_view(call: Call) -> Json:
    """From inside a modal this goes on top of it; from anywhere else it starts a new stack."""
    trigger = _exchange(call)
    inside = trigger.view_id is not None and trigger.view_id in call.state.stacks.get(trigger.user, ())
    view = open_modal(call.state, trigger.user, _view_argument(call), on_top=inside)
    _spend(call, trigger)
    return _answer(call, view)


def push_view(call: Call) -> Json:
    trigger = _exchange(call)
    if trigger.view_id is None or not call.state.stacks.get(trigger.user):
        raise ApiError("not_found")
    view = open_modal(call.state, trigger.user, _view_argument(call), on_top=True)
    _spend(call, trigger)
    return _answer(call, view)


def update_view(call: Call) -> Json:
    args, state = call.args, call.state
    if args.has("view_id"):
        view = state.views.get(args.text("view_id"))
    elif args.has("external_id"):
        wanted = args.text("external_id")
        view = next((each for each in state.views.values() if each.external_id == wanted), None)
    else:
        raise with_messages("invalid_arguments", ["must provide view_id or external_id"])
    if view is None:
        raise ApiError("not_found")
    if args.has("hash") and args.text("hash") != view.hash:
        raise ApiError("hash_conflict")
    return _answer(call, change_modal(state, view, _view_argument(call)))


def publish_view(call: Call) -> Json:
    args, state = call.args, call.state
    user = state.users.get(args.need("user_id"))
    if user is None or user.is_bot:
        raise with_messages("invalid_arguments", ["user_not_found [json-pointer:/user_id]"])
    if user.deleted:
        raise ApiError("not_enabled")
    before = state.homes.get(user.id)
    if args.has("hash") and (before is None or args.text("hash") != before.hash):
        raise ApiError("hash_conflict")
    return _answer(call, publish_home(state, user.id, _view_argument(call)))
