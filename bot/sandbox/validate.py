"""Knows what a whole message or view must satisfy before Slack takes it; leaves the shape of single
blocks to blocks.py and the answer to the Web API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bot.sandbox.blocks import BLOCKS, plain
from bot.sandbox.checks import Check, Report, boolean, by_type, items, may, need, one_of, record, string
from bot.sandbox.errors import ApiError, with_messages

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_BLOCK_TEXT = 12_000
POST_TEXT_CHARS = 40_000
UPDATE_TEXT_BYTES = 4_000
VIEW_BYTES = 250_000
METADATA_BYTES = 8_192

Json = dict[str, Any]


def elements_of(block: Any) -> Iterator[tuple[str, Json]]:
    """The interactive elements of a block with the pointer suffix that leads to each."""
    if not isinstance(block, dict):
        return
    for name in ("accessory", "element"):
        if isinstance(block.get(name), dict):
            yield name, block[name]
    if block.get("type") == "actions" and isinstance(block.get("elements"), list):
        for index, element in enumerate(block["elements"]):
            if isinstance(element, dict):
                yield f"elements/{index}", element


def _ids_are_unique(blocks: Any, pointer: str, report: Report) -> None:
    seen: set[Any] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id is not None and block_id in seen:
            report.say(
                f'`block_id` "{block_id}" already exists for another block', f"{pointer}/{index}/block_id"
            )
        seen.add(block_id)
        actions: set[Any] = set()
        for where, element in elements_of(block):
            action_id = element.get("action_id")
            if action_id is not None and action_id in actions:
                report.say(
                    f'`action_id` "{action_id}" already exists for another element',
                    f"{pointer}/{index}/{where}/action_id",
                )
            actions.add(action_id)


def _one_focus(blocks: Any, pointer: str, report: Report) -> None:
    focused = [
        f"{pointer}/{index}/{where}"
        for index, block in enumerate(blocks)
        for where, element in elements_of(block)
        if element.get("focus_on_load")
    ]
    for extra in focused[1:]:
        report.say("only one element may have focus_on_load", extra)


def _check_blocks(value: Any, pointer: str, report: Report, limit: int, least: int) -> None:
    items(by_type(BLOCKS), limit, least=least)(value, pointer, report)
    if isinstance(value, list) and all(isinstance(block, dict) for block in value):
        _ids_are_unique(value, pointer, report)
        _one_focus(value, pointer, report)


def texts_of(value: Any) -> Iterator[str]:
    """Every text a reader would see in blocks: text objects and rich text."""
    if isinstance(value, dict):
        if value.get("type") in ("plain_text", "mrkdwn", "text", "link") and isinstance(
            value.get("text"), str
        ):
            yield value["text"]
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def check_message_blocks(blocks: Any) -> None:
    """Refuse blocks that a message must not carry: `invalid_blocks_format`, `invalid_blocks` with
    messages, or `msg_blocks_too_long`."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ApiError("invalid_blocks_format")
    report = Report()
    _check_blocks(blocks, "/blocks", report, MESSAGE_BLOCKS, 0)
    if report.complaints:
        raise with_messages("invalid_blocks", report.complaints)
    if sum(len(text) for text in texts_of(blocks)) > MESSAGE_BLOCK_TEXT:
        raise ApiError("msg_blocks_too_long")


def check_metadata(metadata: Any) -> None:
    """Refuse message metadata without event_type and event_payload, or larger than Slack keeps."""
    complaints: list[str] = []
    if not isinstance(metadata, dict):
        raise ApiError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not metadata["event_type"]:
        complaints.append("missing required field: event_type [json-pointer:/metadata]")
    if not isinstance(metadata.get("event_payload"), dict):
        complaints.append("missing required field: event_payload [json-pointer:/metadata]")
    if complaints:
        raise with_messages("invalid_metadata_format", complaints)
    if len(json.dumps(metadata).encode()) > METADATA_BYTES:
        raise ApiError("metadata_too_large")


def _view_blocks(value: Any, pointer: str, report: Report) -> None:
    _check_blocks(value, pointer, report, VIEW_BLOCKS, 0)


_VIEW_COMMON = {
    "blocks": need(_view_blocks),
    "private_metadata": may(string(3000, least=0)),
    "callback_id": may(string(255, least=0)),
    "external_id": may(string(255, least=0)),
}
_MODAL: Check = record(
    {
        **_VIEW_COMMON,
        "title": need(plain(24)),
        "submit": may(plain(24)),
        "close": may(plain(24)),
        "clear_on_close": may(boolean),
        "notify_on_close": may(boolean),
        "submit_disabled": may(boolean),
        "type": need(one_of("modal")),
    }
)
_HOME: Check = record({**_VIEW_COMMON, "type": need(one_of("home"))})


def check_view(view: Any, kind: str) -> None:
    """Refuse a view that is not a sound modal or home: `invalid_arguments` with messages, or
    `view_too_large`."""
    if not isinstance(view, dict):
        raise with_messages("invalid_arguments", ["must provide an object [json-pointer:/view]"])
    report = Report()
    (_MODAL if kind == "modal" else _HOME)(view, "/view", report)
    blocks = view.get("blocks")
    if (
        kind == "modal"
        and isinstance(blocks, list)
        and any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
        and not view.get("submit")
    ):
        report.say("`submit` is required when an input block is within the blocks array", "/view/submit")
    if report.complaints:
        raise with_messages("invalid_arguments", report.complaints)
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        raise ApiError("view_too_large")
