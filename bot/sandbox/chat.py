"""Knows the chat.* and reactions.* methods: posting, changing, deleting and finding messages; leaves
what sound blocks are to validate.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.sandbox.args import Args
from bot.sandbox.call import Call
from bot.sandbox.defaults import completed_blocks
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Channel, Json, Message
from bot.sandbox.validate import (
    POST_TEXT_CHARS,
    UPDATE_TEXT_BYTES,
    check_message_blocks,
    check_metadata,
)


def find_channel(call: Call, wanted: str, *, join_free: bool = False) -> Channel:
    """The channel by id, or by #name where Slack still takes names; a person's id means their direct
    message. The app must be in it, unless it may write to public channels from outside."""
    state = call.state
    channel = state.channels.get(wanted)
    if channel is None and wanted.startswith(("U", "W")) and wanted in state.users:
        channel = state.dm_of(wanted)
    if channel is None:
        name = wanted.removeprefix("#")
        channel = next(
            (each for each in state.channels.values() if each.name == name and not each.dm_with), None
        )
    if channel is None:
        raise ApiError("channel_not_found")
    if state.app.bot_user_id not in channel.members:
        if channel.is_private:
            raise ApiError("channel_not_found")
        if not join_free:
            raise ApiError("not_in_channel")
    return channel


def content_of(call: Call, args: Args) -> tuple[str, tuple[Json, ...] | None, Json | None]:
    """Text, blocks (None where the argument is absent) and metadata of a message, checked."""
    text = args.text("text")
    blocks: tuple[Json, ...] | None = None
    if args.has("blocks"):
        raw = args.structure("blocks", "invalid_blocks_format")
        check_message_blocks(raw)
        blocks = completed_blocks(raw, call.state.rng)
    metadata: Any = None
    if args.has("metadata"):
        metadata = args.structure("metadata", "invalid_metadata_format")
        if metadata:
            check_metadata(metadata)
    if args.has("attachments"):
        raise ApiError("invalid_attachments")  # legacy attachments are not part of this stand-in
    return text, blocks, metadata


def _thread_of(call: Call, args: Args, channel: Channel) -> str | None:
    thread_ts = args.text("thread_ts")
    if not thread_ts:
        return None
    parent = call.state.messages[channel.id].get(thread_ts)
    if parent is None or parent.visible_to:
        raise ApiError("thread_not_found")
    return parent.thread_ts or parent.ts


def _own_message(call: Call, args: Args, refusal: str) -> Message:
    channel = call.state.channels.get(args.need("channel"))
    if channel is None:
        raise ApiError("channel_not_found")
    message = call.state.messages[channel.id].get(args.need("ts"))
    if message is None or message.visible_to:
        raise ApiError("message_not_found")
    if message.user != call.state.app.bot_user_id:
        raise ApiError(refusal)
    return message


def post_message(call: Call) -> Json:
    args, state = call.args, call.state
    channel = find_channel(call, args.need("channel"), join_free="chat:write.public" in state.app.scopes)
    if channel.is_archived:
        raise ApiError("is_archived")
    text, blocks, metadata = content_of(call, args)
    if not text and not blocks:
        raise ApiError("no_text")
    thread_ts = _thread_of(call, args, channel)
    message = state.keep_message(
        Message(
            channel=channel.id,
            ts=state.mint_ts(),
            user=state.app.bot_user_id,
            bot_id=state.app.bot_id,
            app_id=state.app.app_id,
            team=state.workspace.team_id,
            text=text[:POST_TEXT_CHARS],
            blocks=blocks or (),
            metadata=metadata or None,
            thread_ts=thread_ts,
            broadcast=bool(thread_ts) and args.flag("reply_broadcast"),
        )
    )
    answer: Json = {"channel": channel.id, "ts": message.ts, "message": message.wire(metadata="all")}
    if len(text) > POST_TEXT_CHARS:
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
        answer["warning"] = "message_truncated"
    return answer


def update_message(call: Call) -> Json:
    """Absent blocks stay only where no text is given; text without blocks takes their place."""
    args, state = call.args, call.state
    message = _own_message(call, args, "cant_update_message")
    if state.channels[message.channel].is_archived:
        raise ApiError("is_archived")
    text, blocks, metadata = content_of(call, args)
    if len(text.encode()) > UPDATE_TEXT_BYTES:
        raise ApiError("msg_too_long")
    has_text = args.has("text")
    if blocks is None:
        if not has_text and metadata is None:
            raise ApiError("no_text")
        blocks = () if has_text else message.blocks
    if not (text if has_text else message.text) and not blocks:
        raise ApiError("no_text")
    changed = state.keep_message(
        replace(
            message,
            text=text if has_text else message.text,
            blocks=blocks,
            metadata=message.metadata if metadata is None else (metadata or None),
            edited_ts=state.mint_ts() if has_text and not blocks else message.edited_ts,
        )
    )
    body = changed.wire(metadata="all")
    return {"channel": message.channel, "ts": message.ts, "text": changed.text, "message": body}


def delete_message(call: Call) -> Json:
    message = _own_message(call, call.args, "cant_delete_message")
    call.state.drop_message(message)
    return {"channel": message.channel, "ts": message.ts}


def post_ephemeral(call: Call) -> Json:
    args, state = call.args, call.state
    channel = find_channel(call, args.need("channel"))
    if channel.is_archived:
        raise ApiError("is_archived")
    user = args.need("user")
    if user not in state.users:
        raise ApiError("user_not_found")
    if user not in channel.members:
        raise ApiError("user_not_in_channel")
    text, blocks, _ = content_of(call, args)
    if not text and not blocks:
        raise ApiError("no_text")
    message = state.keep_message(
        Message(
            channel=channel.id,
            ts=state.mint_ts(),
            user=state.app.bot_user_id,
            bot_id=state.app.bot_id,
            app_id=state.app.app_id,
            team=state.workspace.team_id,
            text=text[:POST_TEXT_CHARS],
            blocks=blocks or (),
            thread_ts=args.text("thread_ts") or None,
            visible_to=user,
        )
    )
    return {"message_ts": message.ts}


def get_permalink(call: Call) -> Json:
    channel = find_channel(call, call.args.need("channel"))
    message = call.state.messages[channel.id].get(call.args.need("message_ts"))
    if message is None or message.visible_to:
        raise ApiError("message_not_found")
    link = f"{call.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def add_reaction(call: Call) -> Json:
    args, state = call.args, call.state
    channel = find_channel(call, args.need("channel"))
    message = state.messages[channel.id].get(args.need("timestamp"))
    if message is None or message.visible_to:
        raise ApiError("message_not_found")
    reaction = (args.need("name").strip(":"), state.app.bot_user_id)
    if reaction in message.reactions:
        raise ApiError("already_reacted")
    state.keep_message(replace(message, reactions=(*message.reactions, reaction)))
    return {}
