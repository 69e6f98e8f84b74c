"""Knows what Slack fills in where an app left something out of its blocks; leaves whether the blocks
are sound to validate.py."""

from __future__ import annotations

import copy
import random
import string
from typing import Any

from bot.sandbox.validate import elements_of

_ALPHABET = string.ascii_letters + string.digits


def _short_id(rng: random.Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=5))


def _complete_texts(value: Any) -> None:
    if isinstance(value, dict):
        if value.get("type") == "plain_text":
            value.setdefault("emoji", True)
        elif value.get("type") == "mrkdwn":
            value.setdefault("verbatim", False)
        for inner in value.values():
            _complete_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _complete_texts(inner)


def completed_blocks(blocks: list[dict[str, Any]], rng: random.Random) -> tuple[dict[str, Any], ...]:
    """A copy of sound blocks with the ids and text flags that Slack adds when it stores them."""
    completed = copy.deepcopy(blocks)
    for block in completed:
        block.setdefault("block_id", _short_id(rng))
        _complete_texts(block)
        for _, element in elements_of(block):
            if element.get("type") != "image":
                element.setdefault("action_id", _short_id(rng))
        if block["type"] == "input":
            block.setdefault("optional", False)
            block.setdefault("dispatch_action", False)
    return tuple(completed)
