"""Knows how the app answers an interaction or command outside the Web API: response_url posts and
command replies; leaves who acted and why to acts.py."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.sandbox.defaults import completed_blocks
from bot.sandbox.errors import ApiError
from bot.sandbox.faults import Faults
from bot.sandbox.records import Json, Message, ResponseUrl
from bot.sandbox.state import WorkspaceState
from bot.sandbox.validate import check_message_blocks
from bot.sandbox.webapi import cut, meet_outage


class ReplyDesk:
    """Turns reply bodies into messages and keeps count of each response_url's uses."""

    def __init__(self, state: WorkspaceState, faults: Faults) -> None:
        self._state = state
        self._faults = faults

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """POST /hooks/actions/<team>/<id>"""
        if await meet_outage(request, self._faults, self._state):
            return web.Response(status=503, text="service_unavailable")
        try:
            body = json.loads(await request.text())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        if not isinstance(body, dict):
            return web.Response(status=400, text="invalid_payload")
        try:
            self.use(request.match_info["id"], body)
        except ApiError as refusal:
            status = 404 if refusal.code in ("used_url", "expired_url", "no_text") else 400
            return web.json_response({"ok": False, "error": refusal.code, **refusal.extra}, status=status)
        if self._faults.take_drop("response_url"):
            cut(request)
        return web.Response(text="ok")

    def use(self, response_id: str, body: Json) -> None:
        """One use of a response_url. Raises `expired_url`, `used_url`, or what is wrong with the body."""
        state = self._state
        url = state.response_urls.get(response_id)
        if url is None or state.clock.time() > url.expires_at:
            raise ApiError("expired_url")
        if url.uses_left <= 0:
            raise ApiError("used_url")
        self._apply(url, body)
        state.keep_response_url(replace(url, uses_left=url.uses_left - 1))

    def _apply(self, url: ResponseUrl, body: Json) -> None:
        state = self._state
        original = state.messages[url.channel].get(url.message_ts) if url.message_ts else None
        if body.get("delete_original"):
            if original is None:
                raise ApiError("message_not_found")
            state.drop_message(original)
            return
        if body.get("replace_original") and original is not None:
            text, blocks = self._content(body)
            state.keep_message(replace(original, text=text, blocks=blocks))
            return
        self.answer(body, user=url.user, channel=url.channel, thread_ts=self._thread(url, body, original))

    @staticmethod
    def _thread(url: ResponseUrl, body: Json, original: Message | None) -> str | None:
        """A reply stays in the thread its message is in; to start one the app must name it."""
        named = body.get("thread_ts")
        if isinstance(named, str) and named:
            return named
        return url.thread_ts if original is not None and original.thread_ts else None

    def _content(self, body: Json) -> tuple[str, tuple[Json, ...]]:
        blocks: Any = body.get("blocks") or []
        if isinstance(blocks, str):
            try:
                blocks = json.loads(blocks)
            except ValueError:
                raise ApiError("invalid_blocks_format") from None
        check_message_blocks(blocks)
        text = body.get("text") or ""
        if not text and not blocks:
            raise ApiError("no_text")
        return str(text), completed_blocks(blocks, self._state.rng)

    def answer(self, body: Json, *, user: str, channel: str, thread_ts: str | None = None) -> Message:
        """A new message from a reply body: for the person alone unless it says `in_channel`."""
        state = self._state
        text, blocks = self._content(body)
        return state.keep_message(
            Message(
                channel=channel,
                ts=state.mint_ts(),
                user=state.app.bot_user_id,
                bot_id=state.app.bot_id,
                app_id=state.app.app_id,
                team=state.workspace.team_id,
                text=text,
                blocks=blocks,
                thread_ts=thread_ts,
                visible_to=None if body.get("response_type") == "in_channel" else user,
            )
        )
