"""Knows what a person can do in the workspace (click, submit, close, open Home, type) and what they see
come of it; leaves payloads to payloads.py and delivery to the courier."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from bot.sandbox.courier import Courier
from bot.sandbox.errors import ActRefused, ApiError
from bot.sandbox.inputs import Values, initial_values, merged_values, options_of, problems, typed_value
from bot.sandbox.modals import change_modal, close_all, close_top, open_modal
from bot.sandbox.outcome import Outcome
from bot.sandbox.payloads import PayloadWriter
from bot.sandbox.records import Channel, Json, Message, View
from bot.sandbox.replies import ReplyDesk
from bot.sandbox.state import WorkspaceState
from bot.sandbox.validate import elements_of

TOO_SLOW = "This app responded too slowly. Try again?"
NO_ANSWER = "This app is not responding right now. Try again later."
TROUBLE = "We had some trouble connecting. Try again?"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the person sees: all well, or a notice, or errors at the fields of a modal."""

    ok: bool
    error: str = ""
    notice: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    response_action: str = ""

    def doc(self) -> Json:
        return {
            "ok": self.ok,
            "error": self.error,
            "notice": self.notice,
            "errors": self.errors,
            "response_action": self.response_action,
        }


def _unanswered(outcome: Outcome, in_modal: bool = False) -> Reply:
    error = "no_response" if outcome.reason == "timeout" else "not_connected"
    if in_modal:
        return Reply(ok=False, error=error, notice=TROUBLE)
    return Reply(ok=False, error=error, notice=TOO_SLOW if error == "no_response" else NO_ANSWER)


class Acts:
    """Everything a person does, whether on the page or in a test. Raises ActRefused where Slack's own
    client would not offer the act (no such button, someone else's ephemeral)."""

    def __init__(
        self, state: WorkspaceState, courier: Courier, payloads: PayloadWriter, desk: ReplyDesk
    ) -> None:
        self._state = state
        self._courier = courier
        self._payloads = payloads
        self._desk = desk
        self._message_values: dict[tuple[str, str, str], Values] = {}

    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: Any = None,
        values: Json | None = None,
    ) -> Reply:
        """Use an element of a message: press a button, or choose `value` in a select or picker."""
        message = self._seen_message(user, channel, ts)
        block, element = self._find(message.blocks, action_id, block_id)
        kept = self._message_values.get((user, channel, ts)) or initial_values(message.blocks)
        action, kept = self._action(message.blocks, block, element, kept, value, values)
        self._message_values[(user, channel, ts)] = kept
        body = self._payloads.message_action(user, message, action, kept)
        outcome = await self._courier.deliver("interactive", body)
        return Reply(ok=True) if outcome.received else _unanswered(outcome)

    async def click_in_view(
        self,
        user: str,
        action_id: str,
        *,
        view_id: str | None = None,
        block_id: str | None = None,
        value: Any = None,
        values: Json | None = None,
    ) -> Reply:
        """Use an element of the open modal, or of Home where no modal is open or `view_id` says so."""
        view = self._seen_view(user, view_id, or_home=True)
        block, element = self._find(view.blocks, action_id, block_id)
        action, kept = self._action(view.blocks, block, element, view.state, value, values)
        view = self._keep_typed(view, kept)
        if block["type"] == "input" and not block.get("dispatch_action"):
            return Reply(ok=True)  # an input reports at submission unless it dispatches
        outcome = await self._courier.deliver("interactive", self._payloads.view_action(user, view, action))
        return Reply(ok=True) if outcome.received else _unanswered(outcome)

    async def submit(self, user: str, values: Json | None = None, *, view_id: str | None = None) -> Reply:
        """Submit the top modal with `values` ({block_id: {action_id: value}}) over what it holds."""
        view = self._seen_view(user, view_id)
        if view.submit is None:
            raise ActRefused("this modal has nothing to submit")
        view = self._keep_typed(view, merged_values(view.blocks, view.state, values))
        wrong = problems(view.blocks, view.state)
        if wrong:
            return Reply(ok=False, error="invalid_input", errors=wrong)
        outcome = await self._courier.deliver("interactive", self._payloads.submission(user, view))
        if not outcome.received:
            return _unanswered(outcome, in_modal=True)
        return self._apply_submission(user, view, outcome.payload)

    def _apply_submission(self, user: str, view: View, answer: Json) -> Reply:
        action = answer.get("response_action", "")
        state = self._state
        try:
            if action == "errors":
                errors = answer.get("errors")
                known = {block["block_id"] for block in view.blocks if block["type"] == "input"}
                if not isinstance(errors, dict) or not errors or set(errors) - known:
                    return Reply(ok=False, error="invalid_response", notice=TROUBLE, response_action=action)
                texts = {block_id: str(text) for block_id, text in errors.items()}
                return Reply(ok=False, error="invalid_input", errors=texts, response_action=action)
            if action == "clear":
                close_all(state, user)
            elif action == "update":
                change_modal(state, view, answer.get("view") or {})
            elif action == "push":
                open_modal(state, user, answer.get("view") or {}, on_top=True)
            elif action:
                return Reply(ok=False, error="invalid_response", notice=TROUBLE, response_action=action)
            elif state.stacks.get(user, ())[-1:] == (view.id,):
                close_top(state, user)
        except ApiError as refusal:
            detail = "; ".join(refusal.extra.get("errors", [])) or refusal.code
            state.announce(
                "app_error", {"user": user, "about": f"response_action {action}", "detail": detail}
            )
            return Reply(ok=False, error=refusal.code, notice=TROUBLE, response_action=action)
        return Reply(ok=True, response_action=action)

    async def close_view(self, user: str, *, view_id: str | None = None, clear: bool = False) -> Reply:
        """Close the top modal (`clear`: all of them); the app hears of it where it asked to."""
        view = self._seen_view(user, view_id)
        stack = self._state.stacks[user]
        closed = stack if clear or view.clear_on_close else stack[-1:]
        views = [self._state.views[each] for each in reversed(closed)]
        bodies = [
            self._payloads.closing(user, each, cleared=clear or view.clear_on_close)
            for each in views
            if each.notify_on_close
        ]
        self._state.keep_stack(user, stack[: len(stack) - len(closed)])
        for body in bodies:
            await self._courier.deliver("interactive", body, accepts=False)
        return Reply(ok=True)

    async def open_home(self, user: str, *, tab: str = "home") -> Reply:
        """Open the app's Home (or Messages) tab: the app gets app_home_opened."""
        state = self._state
        self._person(user)
        channel = state.dm_of(user)
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "channel": channel.id,
            "tab": tab,
            "event_ts": state.mint_ts(),
        }
        if tab == "home" and user in state.homes:
            event["view"] = state.view_doc(state.homes[user])
        self._emit(event)
        return Reply(ok=True)

    async def command(self, user: str, channel: str, text: str) -> Reply:
        """Type a slash command; `text` is all of it, or only what follows the app's command."""
        state = self._state
        self._person(user)
        name = state.app.command
        if text.startswith("/"):
            name, _, text = text.partition(" ")
        if name != state.app.command:
            return Reply(
                ok=False, error="unknown_command", notice=f"{name} is not a command of this workspace."
            )
        place = self._channel(channel, user)
        body = self._payloads.command(user, place, name, text.strip())
        outcome = await self._courier.deliver("slash_commands", body)
        if not outcome.received:
            word = "operation_timeout" if outcome.reason == "timeout" else "dispatch_failed"
            return Reply(ok=False, error=word, notice=f"{name} failed with the error “{word}”")
        if outcome.payload:
            try:
                self._desk.answer(outcome.payload, user=user, channel=place.id)
            except ApiError as refusal:
                return Reply(
                    ok=False, error=refusal.code, notice=f"{name} failed with the error “{refusal.code}”"
                )
        return Reply(ok=True)

    async def say(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> Message:
        """Post a plain message as a person; the app hears of it where it is subscribed and present."""
        state = self._state
        self._person(user)
        place = self._channel(channel, user)
        if not text.strip():
            raise ActRefused("an empty message is not sent")
        message = state.keep_message(
            Message(
                channel=place.id,
                ts=state.mint_ts(),
                user=user,
                team=state.team_of(user),
                text=text,
                thread_ts=thread_ts,
            )
        )
        if state.app.bot_user_id in place.members:
            kind = "im" if place.dm_with else "group" if place.is_private else "channel"
            event = message.wire() | {"channel": place.id, "channel_type": kind, "event_ts": message.ts}
            self._emit(event, subscription=f"message.{'groups' if kind == 'group' else kind + 's'}")
            if f"<@{state.app.bot_user_id}>" in text:
                self._emit(event | {"type": "app_mention"})
        return message

    # -- what a person may touch -------------------------------------------------------------------

    def _emit(self, event: Json, *, subscription: str = "") -> None:
        wanted = self._state.app.events
        alias = {"message.channels": "message.channels", "message.ims": "message.im"}.get(
            subscription, subscription
        )
        if event["type"] in wanted or alias in wanted:
            self._courier.event(self._payloads.event(event))

    def _person(self, user: str) -> None:
        if user not in self._state.users:
            raise ActRefused(f"there is no person {user}")

    def _channel(self, channel: str, user: str = "") -> Channel:
        """The channel; a person's direct message with the app exists as soon as they turn to it."""
        found = self._state.channels.get(channel)
        if found is None and user and channel == "D" + user[1:]:
            return self._state.dm_of(user)
        if found is None:
            raise ActRefused(f"there is no channel {channel}")
        return found

    def _seen_message(self, user: str, channel: str, ts: str) -> Message:
        self._person(user)
        message = self._state.messages.get(self._channel(channel).id, {}).get(ts)
        if message is None:
            raise ActRefused(f"there is no message {ts} in {channel}")
        dm_with = self._state.channels[channel].dm_with
        if message.visible_to not in (None, user) or dm_with not in (None, user):
            raise ActRefused("this message is only visible to someone else")
        return message

    def _seen_view(self, user: str, view_id: str | None, *, or_home: bool = False) -> View:
        self._person(user)
        state = self._state
        stack = state.stacks.get(user, ())
        home = state.homes.get(user)
        if or_home and home is not None and (view_id == home.id or (view_id is None and not stack)):
            return home
        if not stack:
            raise ActRefused(f"{user} has no modal open")
        if view_id is not None and view_id != stack[-1]:
            raise ActRefused("only the topmost modal can be used")
        return state.views[stack[-1]]

    @staticmethod
    def _find(blocks: tuple[Json, ...], action_id: str, block_id: str | None) -> tuple[Json, Json]:
        for block in blocks:
            if block_id is not None and block["block_id"] != block_id:
                continue
            for _, element in elements_of(block):
                if element.get("action_id") == action_id:
                    return block, element
        raise ActRefused(f"there is nothing with action_id {action_id!r} to use")

    def _keep_typed(self, view: View, values: Values) -> View:
        """Remember what was typed without giving the view a new hash."""
        if values == view.state:
            return view
        changed = replace(view, state=values)
        return self._state.keep_home(changed) if view.type == "home" else self._state.keep_view(changed)

    def _action(
        self,
        blocks: tuple[Json, ...],
        block: Json,
        element: Json,
        present: Values,
        value: Any,
        values: Json | None,
    ) -> tuple[Json, Values]:
        """The entry of `actions`, and the state after it."""
        kept = merged_values(blocks, present, values)
        action: Json = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self._state.mint_ts(),
        }
        if element["type"] == "button":
            action["text"] = element["text"]
            if "value" in element:
                action["value"] = element["value"]
            if "style" in element:
                action["style"] = element["style"]
        elif element["type"] == "overflow":
            chosen = next((option for option in options_of(element) if option["value"] == value), None)
            if chosen is None:
                raise ActRefused(f"there is no option {value!r}")
            action["selected_option"] = chosen
        else:
            if value is not None:
                given = typed_value(element, value)
                kept.setdefault(block["block_id"], {})[element["action_id"]] = given
            held = kept.get(block["block_id"], {}).get(element["action_id"], {})
            action |= {name: held[name] for name in held if name != "type"}
            for name in ("placeholder", "initial_option", "initial_date", "initial_user"):
                if name in element:
                    action[name] = element[name]
        if "confirm" in element:
            action["confirm"] = element["confirm"]
        return action, kept
