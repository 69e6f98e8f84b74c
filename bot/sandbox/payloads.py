"""Knows how interactions, commands and events are spelled out for the app; leaves their delivery to
the courier and their effect to acts.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.inputs import Values
from bot.sandbox.records import Channel, Json, Message, View
from bot.sandbox.state import WorkspaceState

VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105 - Slack's legacy token; opens nothing


@dataclass(frozen=True)
class PayloadWriter:
    """Writes payload bodies about the present state; `response_link` turns a response id into a URL."""

    state: WorkspaceState
    response_link: Callable[[str], str]

    def _base(self, kind: str, user_id: str) -> Json:
        state = self.state
        user = state.users[user_id]
        return {
            "type": kind,
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": state.team_of(user.id),
            },
            "api_app_id": state.app.app_id,
            "token": VERIFICATION_TOKEN,
            "team": {"id": state.workspace.team_id, "domain": state.workspace.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def message_action(self, user: str, message: Message, action: Json, values: Values) -> Json:
        """block_actions from a message."""
        state = self.state
        channel = state.channels[message.channel]
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": bool(message.visible_to),
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        replies = state.replies(channel.id, message.ts)
        body = self._base("block_actions", user) | {
            "container": container,
            "trigger_id": state.mint_trigger(user),
            "channel": {"id": channel.id, "name": self._channel_name(channel)},
            "state": {"values": values},
            "response_url": self.response_link(
                state.mint_response_url(user, channel.id, message.ts, message.thread_ts)
            ),
            "actions": [action],
        }
        if not message.visible_to:  # Slack leaves the message out for ephemerals
            body["message"] = message.wire(metadata="all", replies=replies)
        return body

    def view_action(self, user: str, view: View, action: Json) -> Json:
        """block_actions from a modal or Home."""
        return self._base("block_actions", user) | {
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self.state.mint_trigger(user, view.id if view.type == "modal" else None),
            "view": self.state.view_doc(view),
            "actions": [action],
        }

    def submission(self, user: str, view: View) -> Json:
        return self._base("view_submission", user) | {
            "trigger_id": self.state.mint_trigger(user, view.id),
            "view": self.state.view_doc(view),
            "response_urls": [],
        }

    def closing(self, user: str, view: View, *, cleared: bool) -> Json:
        return self._base("view_closed", user) | {
            "view": self.state.view_doc(view),
            "is_cleared": cleared,
        }

    def command(self, user: str, channel: Channel, command: str, text: str) -> Json:
        """A slash command's form fields."""
        state = self.state
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": state.workspace.team_id,
            "team_domain": state.workspace.team_domain,
            "channel_id": channel.id,
            "channel_name": self._channel_name(channel),
            "user_id": user,
            "user_name": state.users[user].name,
            "command": command,
            "text": text,
            "api_app_id": state.app.app_id,
            "is_enterprise_install": "false",
            "response_url": self.response_link(state.mint_response_url(user, channel.id, None)),
            "trigger_id": state.mint_trigger(user),
        }

    def event(self, event: Json) -> Json:
        """An event inside its event_callback."""
        state = self.state
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": state.workspace.team_id,
            "context_team_id": state.workspace.team_id,
            "context_enterprise_id": None,
            "api_app_id": state.app.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": state.mint_id("Ev"),
            "event_time": int(state.clock.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": state.workspace.team_id,
                    "user_id": state.app.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": self._is_shared(event.get("channel")),
        }

    def _is_shared(self, channel_id: Any) -> bool:
        channel = self.state.channels.get(channel_id) if isinstance(channel_id, str) else None
        return channel is not None and self.state.is_shared(channel)

    @staticmethod
    def _channel_name(channel: Channel) -> str:
        if channel.dm_with:
            return "directmessage"
        return "privategroup" if channel.is_private else channel.name
