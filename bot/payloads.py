"""Knows how Slack spells interactions, and turns them into typed values; trusts nothing in them and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from bot.ids import ModalState


class Unreadable(Exception):
    """A payload that is not what this bot's own surfaces produce; the text names the missing part, no content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Which workspace, app and person a payload says it comes from; `team` is the person's own workspace.

    `app` and `workspace` are None where the payload does not say.
    """

    user: str
    team: str | None
    workspace: str | None
    app: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an answer can be shown: a channel (with the thread and card clicked in it), a response_url, or neither."""

    channel: str | None = None
    message_ts: str | None = None
    thread_ts: str | None = None
    response_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenView:
    """The view an interaction came from. `inputs` are its input blocks' ids in order."""

    id: str
    hash: str
    kind: str
    callback_id: str
    state: ModalState | None
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A person used a button. `view` is set where it stands in a modal or in Home, not in a message."""

    sender: Sender
    button: str
    value: str | None
    trigger_id: str
    place: Place
    view: OpenView | None
    ephemeral: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A person submitted a modal."""

    sender: Sender
    view: OpenView
    trigger_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A person typed the slash command; `words` is what followed it."""

    sender: Sender
    words: tuple[str, ...]
    place: Place
    trigger_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeOpened:
    """A person opened the app's Home tab."""

    sender: Sender


Interaction = Click | Submission | Command | HomeOpened


def read(body: Mapping[str, Any]) -> Interaction | None:
    """The interaction in a payload; None for kinds this bot has no use for. Raises `Unreadable`."""
    kind = body.get("type")
    if kind == "block_actions":
        return _click(body)
    if kind == "view_submission":
        return Submission(
            sender=_sender(body), view=_view(_map(body, "view")), trigger_id=_text(body, "trigger_id")
        )
    if kind == "event_callback":
        return _event(body)
    if kind is None and "command" in body:
        return _command(body)
    return None


def sender_of(body: Mapping[str, Any]) -> Sender | None:
    """Who a payload says it is from, for checks before it is read; None where it does not say."""
    try:
        if body.get("type") == "event_callback":
            return _event_sender(body)
        return _command_sender(body) if "command" in body else _sender(body)
    except Unreadable:
        return None


def _click(body: Mapping[str, Any]) -> Click:
    actions = body.get("actions")
    if not isinstance(actions, list) or not actions or not isinstance(actions[0], dict):
        raise Unreadable("actions")
    action = cast("dict[str, Any]", actions[0])
    container = _map(body, "container")
    view = _view(_map(body, "view")) if isinstance(body.get("view"), dict) else None
    place = Place(response_url=_maybe(body, "response_url"))
    if view is None:
        channel = body.get("channel")
        place = Place(
            channel=_maybe(container, "channel_id")
            or (_maybe(channel, "id") if isinstance(channel, dict) else None),
            message_ts=_text(container, "message_ts"),
            thread_ts=_maybe(container, "thread_ts"),
            response_url=_maybe(body, "response_url"),
        )
    elif view.state is not None:
        place = Place(channel=view.state.channel, message_ts=view.state.message_ts)
    return Click(
        sender=_sender(body),
        button=_text(action, "action_id"),
        value=_maybe(action, "value"),
        trigger_id=_maybe(body, "trigger_id") or "",
        place=place,
        view=view,
        ephemeral=container.get("is_ephemeral") is True,
    )


def _command(body: Mapping[str, Any]) -> Command:
    return Command(
        sender=_command_sender(body),
        words=tuple((_maybe(body, "text") or "").split()),
        place=Place(channel=_maybe(body, "channel_id"), response_url=_maybe(body, "response_url")),
        trigger_id=_maybe(body, "trigger_id") or "",
    )


def _event(body: Mapping[str, Any]) -> HomeOpened | None:
    event = _map(body, "event")
    if event.get("type") != "app_home_opened" or event.get("tab", "home") != "home":
        return None
    return HomeOpened(sender=_event_sender(body))


def _view(raw: Mapping[str, Any]) -> OpenView:
    state = raw.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    blocks = raw.get("blocks")
    listed = cast("list[Any]", blocks) if isinstance(blocks, list) else []
    return OpenView(
        id=_text(raw, "id"),
        hash=_maybe(raw, "hash") or "",
        kind=_maybe(raw, "type") or "",
        callback_id=_maybe(raw, "callback_id") or "",
        state=ModalState.decode(raw.get("private_metadata")),
        values=cast("Mapping[str, Mapping[str, Any]]", values) if isinstance(values, dict) else {},
        inputs=tuple(
            str(block["block_id"])
            for block in listed
            if isinstance(block, dict) and block.get("type") == "input" and "block_id" in block
        ),
    )


def _sender(body: Mapping[str, Any]) -> Sender:
    user = _map(body, "user")
    team = body.get("team")
    return Sender(
        user=_text(user, "id"),
        team=_maybe(user, "team_id"),
        workspace=_maybe(team, "id") if isinstance(team, dict) else _maybe(user, "team_id"),
        app=_maybe(body, "api_app_id"),
    )


def _command_sender(body: Mapping[str, Any]) -> Sender:
    return Sender(
        user=_text(body, "user_id"),
        team=None,  # of a shared channel's stranger too, this is the workspace the command was typed in
        workspace=_maybe(body, "team_id"),
        app=_maybe(body, "api_app_id"),
    )


def _event_sender(body: Mapping[str, Any]) -> Sender:
    return Sender(
        user=_maybe(_map(body, "event"), "user") or "",
        team=None,
        workspace=_maybe(body, "team_id"),
        app=_maybe(body, "api_app_id"),
    )


def _map(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, dict):
        raise Unreadable(name)
    return cast("Mapping[str, Any]", found)


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not found:
        raise Unreadable(name)
    return found


def _maybe(body: Mapping[str, Any] | None, name: str) -> str | None:
    found = body.get(name) if body is not None else None
    return found if isinstance(found, str) and found else None
