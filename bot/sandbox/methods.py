"""Knows which Web API methods this stand-in covers, each with its handler, caller, scopes and rate
tier, in one table; leaves what they do to the handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.sandbox import chat, conversations, people, views
from bot.sandbox.call import Handler
from bot.sandbox.ratelimits import Tier


@dataclass(frozen=True, kw_only=True)
class Method:
    """One covered method. Any one of `scopes` is enough; none means no scope is needed."""

    name: str
    handler: Handler
    tier: Tier
    scopes: tuple[str, ...] = ()
    caller: Literal["bot", "app", "anyone"] = "bot"
    per_channel: bool = False


_CHANNEL_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_CHANNEL_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_WRITE = ("chat:write",)
_USERS = ("users:read",)
_GROUPS = ("usergroups:read",)

_TABLE = (
    Method(name="api.test", handler=people.api_test, tier=Tier.FOUR, caller="anyone"),
    Method(
        name="apps.connections.open",
        handler=people.open_connection,
        tier=Tier.ONE,
        scopes=("connections:write",),
        caller="app",
    ),
    Method(name="auth.test", handler=people.auth_test, tier=Tier.SPECIAL),
    Method(name="bots.info", handler=people.bot_info, tier=Tier.THREE, scopes=_USERS),
    Method(name="chat.delete", handler=chat.delete_message, tier=Tier.THREE, scopes=_WRITE),
    Method(name="chat.getPermalink", handler=chat.get_permalink, tier=Tier.SPECIAL),
    Method(name="chat.postEphemeral", handler=chat.post_ephemeral, tier=Tier.FOUR, scopes=_WRITE),
    Method(
        name="chat.postMessage",
        handler=chat.post_message,
        tier=Tier.POSTING,
        scopes=_WRITE,
        per_channel=True,
    ),
    Method(name="chat.update", handler=chat.update_message, tier=Tier.THREE, scopes=_WRITE),
    Method(
        name="conversations.history", handler=conversations.history, tier=Tier.THREE, scopes=_CHANNEL_HISTORY
    ),
    Method(
        name="conversations.info", handler=conversations.channel_info, tier=Tier.THREE, scopes=_CHANNEL_READ
    ),
    Method(
        name="conversations.join",
        handler=conversations.join_channel,
        tier=Tier.THREE,
        scopes=("channels:join", "channels:write"),
    ),
    Method(
        name="conversations.list", handler=conversations.list_channels, tier=Tier.TWO, scopes=_CHANNEL_READ
    ),
    Method(
        name="conversations.members",
        handler=conversations.channel_members,
        tier=Tier.FOUR,
        scopes=_CHANNEL_READ,
    ),
    Method(
        name="conversations.open",
        handler=conversations.open_dm,
        tier=Tier.THREE,
        scopes=("im:write", "mpim:write", "channels:manage"),
    ),
    Method(
        name="conversations.replies", handler=conversations.replies, tier=Tier.THREE, scopes=_CHANNEL_HISTORY
    ),
    Method(name="reactions.add", handler=chat.add_reaction, tier=Tier.THREE, scopes=("reactions:write",)),
    Method(name="team.info", handler=people.team_info, tier=Tier.THREE, scopes=("team:read",)),
    Method(name="usergroups.list", handler=people.list_usergroups, tier=Tier.TWO, scopes=_GROUPS),
    Method(name="usergroups.users.list", handler=people.usergroup_members, tier=Tier.TWO, scopes=_GROUPS),
    Method(name="users.getPresence", handler=people.presence, tier=Tier.THREE, scopes=_USERS),
    Method(name="users.info", handler=people.user_info, tier=Tier.FOUR, scopes=_USERS),
    Method(name="users.list", handler=people.list_users, tier=Tier.TWO, scopes=_USERS),
    Method(
        name="users.lookupByEmail",
        handler=people.lookup_by_email,
        tier=Tier.THREE,
        scopes=("users:read.email",),
    ),
    Method(name="views.open", handler=views.open_view, tier=Tier.FOUR),
    Method(name="views.publish", handler=views.publish_view, tier=Tier.FOUR),
    Method(name="views.push", handler=views.push_view, tier=Tier.FOUR),
    Method(name="views.update", handler=views.update_view, tier=Tier.FOUR),
)

METHODS: dict[str, Method] = {method.name: method for method in _TABLE}
