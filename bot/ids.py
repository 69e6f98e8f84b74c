"""Knows every name that travels through Slack and back (action and callback ids, values, private_metadata)
and how to read them; leaves what they mean to the handlers, and trusts none of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

# -- buttons on a card: `value` is `card_value(action_id, version)` --------------------------------

APPROVE = "approve"
REJECT = "reject"
EDIT = "edit"
DETAILS = "details"
REASSIGN = "reassign"
CARD_ACTIONS = (APPROVE, EDIT, REJECT, DETAILS, REASSIGN)
"""The buttons of a card in the order they stand there."""

# -- other buttons ---------------------------------------------------------------------------------

OPEN_QUEUE_ITEM = "open_queue_item"
"""A line of the Home tab or of `/gate queue`: opens the details; `value` is `card_value(…)`."""
OPEN_CARD = "open_card"
"""A button that is a link to the card; Slack still sends the click, which only needs its acknowledgement."""
DELEGATE = "delegate"
"""In Home: opens the form of `/gate delegate`."""
REVIEW = "review"
"""Opens the review of an emergency release, in Home and in the message that called for it; `value` as on a card."""
HISTORY = "history"
"""In the details: opens the story of the decision; `value` as on a card."""
UNMASK = "unmask"
"""On a card and in modals where policy masks something: opens all of it for a reviewer; `value` as on a card."""
REVOKE_DELEGATION = "revoke_delegation"
"""Ends a delegation, in Home and in the message that told of it; `value` is its id."""
PAGE_PREVIOUS = "page_previous"
PAGE_NEXT = "page_next"
"""Paging in `details` and `confirm`: `value` is `page_value(page)`, the rest is in the view's `ModalState`."""

# -- modals ----------------------------------------------------------------------------------------

MODAL_EDIT = "edit"
MODAL_REJECT = "reject"
MODAL_DETAILS = "details"
MODAL_REASSIGN = "reassign"
MODAL_CONFIRM = "confirm"
MODAL_DELEGATE = "delegate"
MODAL_BREAK_GLASS = "break_glass"
MODAL_REVIEW = "review"
MODAL_REVOKE = "revoke"
"""Takes back a release that was not used yet."""
MODAL_HISTORY = "history"
MODAL_UNMASKED = "unmasked"
MODAL_NOTICE = "notice"
"""Says one thing and has nothing to submit."""

# -- inputs: of everything but a payload field, block_id and action_id are the same ----------------

FIELD_PREFIX = "field:"
FIELD_VALUE = "value"
"""A payload field is block_id `field:<JSON pointer>`, action_id `value`."""
COMMENT = "comment"
CATEGORY = "category"
THEN = "then"
THEN_APPROVE = "approve"
THEN_SAVE = "save"
REASSIGN_TO = "people"
REASON = "reason"
GLASS_REQUEST = "request"
GLASS_VALID = "valid"
FINDING = "finding"
RELEASE = "release"
DELEGATE_TO = "to"
DELEGATE_FROM = "from"
DELEGATE_UNTIL = "until"
DELEGATE_TOPICS = "topics"
DELEGATE_GROUPS = "groups"

# -- the rest --------------------------------------------------------------------------------------

COMMAND = "/gate"
METADATA_EVENT = "signoff_card"
"""event_type of a card's message metadata; the payload is `{"action_id": …}`."""

DIGEST_EVENT = "signoff_digest"
"""event_type of the metadata of a message that stands for many requests; the payload is `{"digest_id": …}`."""

MAX_PRIVATE_METADATA = 3_000
_ACTION_ID = re.compile(r"act_[0-9A-Za-z]{1,64}")
_DELEGATION_ID = re.compile(r"dlg_[0-9A-Za-z]{1,64}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{1,40}")
_MESSAGE_TS = re.compile(r"[0-9]{1,16}\.[0-9]{1,9}")
_MAX_PAGE = 9_999


def card_value(action_id: str, version: int) -> str:
    """The `value` of a button: which action, and which version of it the person was looking at."""
    return f"{action_id}:{version}"


def buttons_block(version: int) -> str:
    """The block_id of a message's buttons: the same while they are about the same version.

    Slack gives a block without an id a new one with every update, and a press that was already on its way then
    points at nothing. With a new version it shall: nobody decides about what they have not seen.
    """
    return f"buttons:{version}"


def parse_card_value(value: object) -> tuple[str, int] | None:
    """(action id, version) of a button's value; None for what `card_value` cannot have made."""
    if not isinstance(value, str):
        return None
    action_id, colon, version = value.rpartition(":")
    if not colon or not _ACTION_ID.fullmatch(action_id) or not _VERSION.fullmatch(version):
        return None
    return action_id, int(version)


def parse_action(value: object) -> str | None:
    """The action id that somebody typed; None for anything else."""
    return value if isinstance(value, str) and _ACTION_ID.fullmatch(value) else None


def parse_seconds(value: object) -> int | None:
    """A number of seconds in the value of an option; None for anything else."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
        return None
    return int(value)


def parse_delegation(value: object) -> str | None:
    """The id of a delegation in a button's value; None for anything else."""
    return value if isinstance(value, str) and _DELEGATION_ID.fullmatch(value) else None


def page_value(page: int) -> str:
    """The `value` of a paging button; pages count from 0."""
    return str(page)


def parse_page(value: object) -> int | None:
    """The page a paging button leads to; None for anything else."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,4}", value, re.ASCII):
        return None
    return int(value)


def field_block(pointer: str) -> str:
    """The block_id of the input that edits the value at this JSON pointer."""
    return FIELD_PREFIX + pointer


def card_metadata(action_id: str) -> dict[str, Any]:
    """Message metadata by which a card is found again after an ambiguous time-out."""
    return {"event_type": METADATA_EVENT, "event_payload": {"action_id": action_id}}


def digest_metadata(digest_id: str) -> dict[str, Any]:
    """Message metadata by which a digest is found again."""
    return {"event_type": DIGEST_EVENT, "event_payload": {"digest_id": digest_id}}


def parse_card_metadata(metadata: object) -> str | None:
    """The action id of a message's metadata where it is a card of ours."""
    if not isinstance(metadata, dict):
        return None
    found = cast("dict[str, object]", metadata)
    payload = found.get("event_payload")
    if found.get("event_type") != METADATA_EVENT or not isinstance(payload, dict):
        return None
    action_id = cast("dict[str, object]", payload).get("action_id")
    return action_id if isinstance(action_id, str) and _ACTION_ID.fullmatch(action_id) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalState:
    """What a modal has to remember between its opening and its submission.

    `channel` and `message_ts` say where the card stands, for the ephemeral answer; None where the modal was
    opened from Home. `page` counts from 0. Whoever decodes it checks the person, the action and the version again.
    """

    action_id: str
    version: int
    channel: str | None = None
    message_ts: str | None = None
    page: int = 0

    def encode(self) -> str:
        """private_metadata: compact JSON, always under Slack's 3,000 characters."""
        names = [f.name for f in fields(self)]
        return json.dumps({n: getattr(self, n) for n in names}, separators=(",", ":"))

    @staticmethod
    def decode(text: object) -> ModalState | None:
        """The state in a private_metadata; None for anything `encode` cannot have made."""
        if not isinstance(text, str) or len(text) > MAX_PRIVATE_METADATA:
            return None
        try:
            raw: object = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(raw, dict):
            return None
        return _state(cast("Mapping[str, object]", raw))


def _state(raw: Mapping[str, object]) -> ModalState | None:
    if set(raw) != {f.name for f in fields(ModalState)}:
        return None
    action_id, version, page = raw["action_id"], raw["version"], raw["page"]
    channel, message_ts = raw["channel"], raw["message_ts"]
    if not isinstance(action_id, str) or not _ACTION_ID.fullmatch(action_id):
        return None
    if type(version) is not int or not 1 <= version <= 999_999_999:
        return None
    if type(page) is not int or not 0 <= page <= _MAX_PAGE:
        return None
    if channel is not None and not (isinstance(channel, str) and _CHANNEL.fullmatch(channel)):
        return None
    if message_ts is not None and not (isinstance(message_ts, str) and _MESSAGE_TS.fullmatch(message_ts)):
        return None
    return ModalState(action_id=action_id, version=version, channel=channel, message_ts=message_ts, page=page)
