"""The manifest: it imports into Slack as it is, and asks for no scope that no call needs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bot import ids
from bot.slack.scopes import SCOPES as NEEDED

ROOT = Path(__file__).parents[3]
MANIFEST: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text())

# Web API method -> the bot scopes it needs; each is needed for a kind of conversation or a field of the answer
SCOPES: dict[str, set[str]] = {
    "auth.test": set(),
    "bots.info": {"users:read"},
    "chat.getPermalink": set(),
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history", "im:history"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.join": {"channels:join"},
    "conversations.list": {"channels:read", "groups:read"},
    "conversations.members": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
    "conversations.replies": {"channels:history", "groups:history", "im:history"},
    "usergroups.users.list": {"usergroups:read"},
    "users.info": {"users:read"},
    "users.lookupByEmail": {"users:read.email"},
    "views.open": set(),
    "views.publish": set(),
    "views.push": set(),
    "views.update": set(),
}
_FAMILIES = "auth|bots|chat|conversations|files|pins|reactions|reminders|team|usergroups|users|views"
_CALL = re.compile(rf'"((?:{_FAMILIES})\.[a-zA-Z.]+)"|\.((?:{_FAMILIES})_[a-zA-Z_]+)\(')


def _methods_called() -> set[str]:
    """Every Web API method the bot names, in quotes or as a method of the client."""
    found: set[str] = set()
    for path in (ROOT / "bot").rglob("*.py"):
        if "sandbox" not in path.parts:
            for quoted, called in _CALL.findall(path.read_text()):
                found.add(quoted or called.replace("_", ".", 1))
    return found


def test_every_method_the_bot_calls_has_its_scopes_in_the_manifest() -> None:
    methods = _methods_called()
    assert methods
    assert methods <= set(SCOPES), "name the scopes of the new method here"
    asked = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    needed = {scope for method in methods for scope in SCOPES[method]} | {"commands"}
    assert asked == needed


def test_scopes_are_listed_once_and_in_order() -> None:
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert scopes == sorted(set(scopes))
    assert "user" not in MANIFEST["oauth_config"]["scopes"]


def test_the_app_is_reached_by_socket_mode_home_and_one_command() -> None:
    settings, features = MANIFEST["settings"], MANIFEST["features"]
    assert settings["socket_mode_enabled"] is True
    assert settings["interactivity"] == {"is_enabled": True}
    assert settings["event_subscriptions"] == {"bot_events": ["app_home_opened"]}
    assert features["app_home"]["home_tab_enabled"] is True
    assert [command["command"] for command in features["slash_commands"]] == [ids.COMMAND]
    assert "unfurl_domains" not in features


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("display_information.name", 1, 35),
        ("display_information.description", 1, 140),
        ("display_information.long_description", 175, 4_000),
        ("features.bot_user.display_name", 1, 80),
        ("features.slash_commands.0.description", 1, 2_000),
        ("features.slash_commands.0.usage_hint", 1, 1_000),
    ],
)
def test_texts_are_as_long_as_slack_takes_them(path: str, least: int, most: int) -> None:
    value: Any = MANIFEST
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    assert least <= len(value) <= most


def test_nothing_is_in_the_manifest_that_slack_does_not_know() -> None:
    assert set(MANIFEST) == {"_metadata", "display_information", "features", "oauth_config", "settings"}
    assert re.fullmatch(r"#[0-9a-f]{6}", MANIFEST["display_information"]["background_color"])
    assert MANIFEST["_metadata"] == {"major_version": 2, "minor_version": 0}


def test_the_reference_page_names_every_scope_and_every_id() -> None:
    page = (ROOT / "docs" / "reference" / "slack-card.md").read_text()
    named = [*MANIFEST["oauth_config"]["scopes"]["bot"], *ids.CARD_ACTIONS]
    named += [ids.OPEN_QUEUE_ITEM, ids.OPEN_CARD, ids.PAGE_PREVIOUS, ids.PAGE_NEXT, ids.METADATA_EVENT]
    named += [
        ids.MODAL_CONFIRM,
        ids.MODAL_NOTICE,
        ids.CATEGORY,
        ids.COMMENT,
        ids.THEN,
        ids.REASSIGN_TO,
        ids.REASON,
    ]
    assert [name for name in named if f"`{name}`" not in page] == []


def test_gate_doctor_looks_for_exactly_the_scopes_of_the_manifest():
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == set(NEEDED)
