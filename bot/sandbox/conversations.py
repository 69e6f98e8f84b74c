"""Knows the conversations.* methods: listing channels, reading history and opening direct messages;
leaves writing messages to chat.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.sandbox.args import Args, page_of
from bot.sandbox.call import Call
from bot.sandbox.chat import find_channel
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Channel, Json, Message, MetadataDetail

_SCOPE_OF_KIND = {"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read"}


def _kind_of(channel: Channel) -> str:
    if channel.dm_with:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def _wire(call: Call, channel: Channel) -> Json:
    state = call.state
    return channel.wire(
        team_id=state.workspace.team_id, member=state.app.bot_user_id, shared=state.is_shared(channel)
    )


def _known(call: Call, channel_id: str) -> Channel:
    """A channel the app may know about: public ones, and private ones it is in."""
    channel = call.state.channels.get(channel_id)
    if channel is None or (channel.is_private and call.state.app.bot_user_id not in channel.members):
        raise ApiError("channel_not_found")
    return channel


def list_channels(call: Call) -> Json:
    kinds = [kind for kind in call.args.text("types", "public_channel").replace(" ", "").split(",") if kind]
    for kind in kinds:
        if kind == "mpim":
            continue
        if kind not in _SCOPE_OF_KIND:
            raise ApiError("invalid_types")
        if _SCOPE_OF_KIND[kind] not in call.state.app.scopes:
            raise ApiError(
                "missing_scope", needed=_SCOPE_OF_KIND[kind], provided=",".join(call.state.app.scopes)
            )
    visible = [
        channel
        for channel in sorted(call.state.channels.values(), key=lambda each: each.id)
        if _kind_of(channel) in kinds
        and (not channel.is_private or call.state.app.bot_user_id in channel.members)
        and not (channel.is_archived and call.args.flag("exclude_archived"))
    ]
    page, cursor = page_of(visible, call.args, default=100, most=1000)
    return {
        "channels": [_wire(call, channel) for channel in page],
        "response_metadata": {"next_cursor": cursor},
    }


def channel_info(call: Call) -> Json:
    channel = _known(call, call.args.need("channel"))
    return {"channel": _wire(call, channel)}


def channel_members(call: Call) -> Json:
    channel = _known(call, call.args.need("channel"))
    page, cursor = page_of(channel.members, call.args, default=100, most=1000)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def join_channel(call: Call) -> Json:
    channel = _known(call, call.args.need("channel"))
    if channel.dm_with or channel.is_private:
        raise ApiError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise ApiError("is_archived")
    bot = call.state.app.bot_user_id
    if bot in channel.members:
        return {
            "channel": _wire(call, channel),
            "warning": "already_in_channel",
            "response_metadata": {"warnings": ["already_in_channel"]},
        }
    joined = call.state.keep_channel(replace(channel, members=(*channel.members, bot)))
    return {"channel": _wire(call, joined)}


def open_dm(call: Call) -> Json:
    state = call.state
    if call.args.has("channel"):
        channel = _known(call, call.args.need("channel"))
    else:
        users = [user for user in call.args.need("users").split(",") if user]
        if len(users) != 1:
            raise ApiError("method_not_supported_for_channel_type")  # group messages are not part of this
        user = state.users.get(users[0])
        if user is None:
            raise ApiError("user_not_found")
        if user.deleted:
            raise ApiError("user_disabled")
        if user.is_bot:
            raise ApiError("cannot_dm_bot")
        channel = state.dm_of(user.id)
    if call.args.flag("return_im"):
        return {"channel": _wire(call, channel)}
    return {"channel": {"id": channel.id}}


def _between(messages: Iterable[Message], args: Args) -> list[Message]:
    """Messages within oldest and latest; `inclusive` keeps the ends, which are otherwise left out."""
    oldest, latest, inclusive = args.text("oldest"), args.text("latest"), args.flag("inclusive")
    for name in ("oldest", "latest"):
        try:
            float(args.text(name) or 0)
        except ValueError:
            raise ApiError(f"invalid_ts_{name}") from None

    def inside(message: Message) -> bool:
        at = float(message.ts)
        after = not oldest or at > float(oldest) or (inclusive and at == float(oldest))
        before = not latest or at < float(latest) or (inclusive and at == float(latest))
        return after and before

    return [message for message in messages if inside(message)]


def _detail(args: Args) -> MetadataDetail:
    return "all" if args.flag("include_all_metadata") else "type"


def history(call: Call) -> Json:
    """Newest first; replies only where they were broadcast; ephemerals never."""
    channel = find_channel(call, call.args.need("channel"))
    lasting = [
        message
        for message in reversed(call.state.messages[channel.id].values())
        if not message.visible_to and (message.thread_ts is None or message.broadcast)
    ]
    page, cursor = page_of(_between(lasting, call.args), call.args, default=100, most=999)
    detail = _detail(call.args)
    return {
        "messages": [
            message.wire(metadata=detail, replies=call.state.replies(channel.id, message.ts))
            for message in page
        ],
        "has_more": bool(cursor),
        "pin_count": 0,
        "response_metadata": {"next_cursor": cursor},
    }


def replies(call: Call) -> Json:
    """A thread, parent first, oldest to newest."""
    channel = find_channel(call, call.args.need("channel"))
    parent = call.state.messages[channel.id].get(call.args.need("ts"))
    if parent is None or parent.visible_to:
        raise ApiError("thread_not_found")
    if parent.thread_ts:
        parent = call.state.messages[channel.id].get(parent.thread_ts, parent)
    answers = call.state.replies(channel.id, parent.ts)
    page, cursor = page_of([parent, *_between(answers, call.args)], call.args, default=1000, most=1000)
    detail = _detail(call.args)
    return {
        "messages": [
            message.wire(metadata=detail, replies=answers if message is parent else ()) for message in page
        ],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }
