"""Opaque page cursors: where a page ended, as text that clients hand back unread."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime

from gate.store.columns import from_micros, to_micros

_ACTION_ID = re.compile(r"[A-Za-z0-9_]{1,80}")


def after_action(created_at: datetime, action_id: str) -> str:
    """The cursor of the page that follows this action."""
    return _pack(f"{to_micros(created_at)}:{action_id}")


def read_after_action(cursor: str) -> tuple[datetime, str]:
    """What `after_action` packed; ValueError for anything else."""
    micros, _, action_id = _unpack(cursor).partition(":")
    if not _ACTION_ID.fullmatch(action_id):
        raise ValueError("this is no cursor of this gate")
    return _instant(micros), action_id


def after_seq(seq: int) -> str:
    """The cursor of the page that follows this audit record."""
    return _pack(str(seq))


def read_after_seq(cursor: str) -> int:
    """What `after_seq` packed; ValueError for anything else."""
    return _number(_unpack(cursor))


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpack(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (ValueError, binascii.Error):
        raise ValueError("this is no cursor of this gate") from None


def _number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18:  # so that it fits 64 bits
        raise ValueError("this is no cursor of this gate")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        return from_micros(_number(text))
    except OverflowError:
        raise ValueError("this is no cursor of this gate") from None
