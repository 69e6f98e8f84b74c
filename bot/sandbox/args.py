"""Knows how the arguments of a Web API call arrive (query, form or JSON) and how to read one of a
kind; leaves what they mean to the method."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from bot.sandbox.errors import ApiError, with_messages

Item = TypeVar("Item")


class Args:
    """The arguments of one call; readers refuse what is missing or of the wrong kind."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def has(self, name: str) -> bool:
        return self.raw.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self.raw.get(name)
        if value is None:
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def need(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise with_messages("invalid_arguments", [f"missing required field: {name}"])
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.raw.get(name)
        if value is None:
            return default
        return value is True or str(value).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        value = self.raw.get(name)
        if value is None:
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise with_messages(
                "invalid_arguments", [f"must provide an integer [json-pointer:/{name}]"]
            ) from None

    def structure(self, name: str, otherwise: str) -> Any:
        """A JSON value, given as such or as a string of JSON; `otherwise` is the code of the refusal."""
        value = self.raw.get(name)
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise ApiError(otherwise) from None
        return value


async def read_args(request: web.Request) -> Args:
    """Query, then body: a later source wins. Raises `invalid_json`, `json_not_object` or
    `invalid_form_data`."""
    raw: dict[str, Any] = dict(request.query)
    if request.can_read_body:
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.text() or "{}")
            except ValueError:
                raise ApiError("invalid_json") from None
            if not isinstance(body, dict):
                raise ApiError("json_not_object")
            raw |= body
        elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            try:
                raw |= dict(await request.post())
            except ValueError:
                raise ApiError("invalid_form_data") from None
        elif await request.read():
            raise ApiError("invalid_post_type")
    return Args(raw)


def page_of(items: Sequence[Item], args: Args, *, default: int, most: int) -> tuple[list[Item], str]:
    """One page of `items` and the cursor of the next, empty at the end; cursors are opaque offsets."""
    limit = args.number("limit", default)
    if limit < 1 or limit > most:
        raise ApiError("invalid_limit")
    start = 0
    if cursor := args.text("cursor"):
        try:
            label, _, offset = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
            start = int(offset)
            if label != "next" or start < 0:
                raise ValueError(cursor)
        except (ValueError, binascii.Error):
            raise ApiError("invalid_cursor") from None
    end = start + limit
    following = base64.urlsafe_b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following
