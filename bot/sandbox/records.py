"""Knows what a message, a view, a channel and a response URL consist of and how Slack spells them on
the wire; leaves when they change to the state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
MetadataDetail = Literal["none", "type", "all"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message; `visible_to` makes it an ephemeral that only that person sees."""

    channel: str
    ts: str
    user: str
    text: str
    bot_id: str | None = None
    app_id: str | None = None
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    metadata: Json | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    visible_to: str | None = None
    edited_ts: str | None = None
    reactions: tuple[tuple[str, str], ...] = ()  # (emoji name, user id)
    team: str = ""

    def wire(self, *, metadata: MetadataDetail = "type", replies: tuple[Message, ...] = ()) -> Json:
        """The message as the Web API and payloads carry it; a thread's parent also sums up its replies."""
        body: Json = {
            "type": "message",
            "user": self.user,
            "ts": self.ts,
            "text": self.text,
            "team": self.team,
        }
        if self.bot_id:
            body |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.blocks:
            body["blocks"] = list(self.blocks)
        if self.attachments:
            body["attachments"] = list(self.attachments)
        if self.visible_to:
            body["is_ephemeral"] = True
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        if self.broadcast:
            body["subtype"] = "thread_broadcast"
        if self.edited_ts:
            body["edited"] = {"user": self.user, "ts": self.edited_ts}
        if self.metadata and metadata == "all":
            body["metadata"] = self.metadata
        elif self.metadata and metadata == "type":
            body["metadata"] = {"event_type": self.metadata["event_type"]}
        if self.reactions:
            names = list(dict.fromkeys(name for name, _ in self.reactions))
            body["reactions"] = [
                {
                    "name": name,
                    "users": [user for other, user in self.reactions if other == name],
                    "count": sum(1 for other, _ in self.reactions if other == name),
                }
                for name in names
            ]
        if replies:
            body |= {
                "thread_ts": self.ts,
                "reply_count": len(replies),
                "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
                "reply_users_count": len({reply.user for reply in replies}),
                "latest_reply": replies[-1].ts,
            }
        return body


@dataclass(frozen=True, kw_only=True)
class View:
    """A modal or a Home tab as it stands for one person; `hash` changes with every update."""

    id: str
    user: str
    type: str
    hash: str
    blocks: tuple[Json, ...]
    root_view_id: str
    previous_view_id: str | None = None
    title: Json | None = None
    submit: Json | None = None
    close: Json | None = None
    private_metadata: str = ""
    callback_id: str = ""
    external_id: str = ""
    clear_on_close: bool = False
    notify_on_close: bool = False
    submit_disabled: bool = False
    state: Json = field(default_factory=dict)

    def wire(self, *, team_id: str, app_id: str, bot_id: str) -> Json:
        """The view as views.* answers and interaction payloads carry it."""
        return {
            "id": self.id,
            "team_id": team_id,
            "type": self.type,
            "blocks": list(self.blocks),
            "private_metadata": self.private_metadata,
            "callback_id": self.callback_id,
            "state": {"values": self.state},
            "hash": self.hash,
            "title": self.title or {"type": "plain_text", "text": "View Title", "emoji": True},
            "clear_on_close": self.clear_on_close,
            "notify_on_close": self.notify_on_close,
            "close": self.close,
            "submit": self.submit,
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": app_id,
            "external_id": self.external_id,
            "app_installed_team_id": team_id,
            "bot_id": bot_id,
        }


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel as it stands: public, private, or a direct message between one person and the app."""

    id: str
    name: str
    members: tuple[str, ...]
    is_private: bool = False
    is_archived: bool = False
    topic: str = ""
    dm_with: str | None = None

    def wire(self, *, team_id: str, member: str, shared: bool) -> Json:
        """The channel as conversations.* answers it to `member`."""
        if self.dm_with:
            return {
                "id": self.id,
                "is_im": True,
                "is_channel": False,
                "is_group": False,
                "user": self.dm_with,
                "is_archived": self.is_archived,
                "is_org_shared": False,
                "context_team_id": team_id,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_member": member in self.members,
            "is_ext_shared": shared,
            "is_shared": shared,
            "num_members": len(self.members),
            "context_team_id": team_id,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(frozen=True, kw_only=True)
class ResponseUrl:
    """A one-person reply address handed out with an interaction: five uses within thirty minutes."""

    id: str
    user: str
    channel: str
    message_ts: str | None
    expires_at: float
    uses_left: int = 5
    thread_ts: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A short-lived, single-use permission to open a modal for one person."""

    id: str
    user: str
    expires_at: float
    view_id: str | None = None
    exchanged: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that happened, numbered, as the page and waiting tests hear of it."""

    seq: int
    kind: str
    doc: Json


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One Web API call as it was received and answered."""

    number: int
    at: float
    method: str
    args: Json
    ok: bool
    error: str | None
    status: int
    dropped: bool = False
