"""Knows how a stand-in workspace is described: people, channels, groups and the one app; leaves what
happens in it afterwards to the state."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

BOT_SCOPES = (
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
)


@dataclass(frozen=True)
class SandboxUser:
    """A person (or bot user) of the workspace; a stranger belongs to another workspace and is seen
    through a shared channel."""

    id: str
    name: str
    real_name: str
    email: str
    title: str = ""
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    tz: str = "Europe/Berlin"


@dataclass(frozen=True)
class SandboxChannel:
    """A channel and the user ids in it; the app's bot user is a member only where it is listed."""

    id: str
    name: str
    members: tuple[str, ...]
    is_private: bool = False
    is_archived: bool = False
    topic: str = ""


@dataclass(frozen=True)
class SandboxUsergroup:
    """A user group that can be mentioned and asked for its members."""

    id: str
    handle: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class SandboxApp:
    """The one installed app: its identity, tokens, scopes and how it wants to be reached.

    With `request_url` set, events, interactions and commands are POSTed there, signed; otherwise they
    travel over Socket Mode. `events` are the event types the app is subscribed to.
    """

    app_id: str = "A0SIGNOFF"
    bot_user_id: str = "U0SIGNOFF"
    bot_id: str = "B0SIGNOFF"
    name: str = "Signoff"
    bot_token: str = "xoxb-sandbox"  # noqa: S105 - a made-up token that opens only this stand-in
    app_token: str = "xapp-sandbox"  # noqa: S105 - likewise
    signing_secret: str = "sandbox-signing-secret"  # noqa: S105 - likewise
    scopes: tuple[str, ...] = BOT_SCOPES
    command: str = "/gate"
    command_hint: str = "queue | delegate | oncall | policy | report | break-glass | help"
    request_url: str | None = None
    events: tuple[str, ...] = ("app_home_opened",)


@dataclass(frozen=True)
class Workspace:
    """Everything the stand-in starts from; `empty_text` is what an empty channel says on the page."""

    users: tuple[SandboxUser, ...]
    channels: tuple[SandboxChannel, ...]
    usergroups: tuple[SandboxUsergroup, ...] = ()
    app: SandboxApp = SandboxApp()
    team_id: str = "T0SANDBOX"
    team_name: str = "Meridian Works"
    team_domain: str = "meridian"
    stranger_team_id: str = "T0ELSEWHERE"
    empty_text: str = "No approvals yet. Run `gate demo` and the first card lands here."

    def with_app(self, **changes: Any) -> Workspace:
        """The same workspace with the app described differently."""
        return replace(self, app=replace(self.app, **changes))


def default_workspace() -> Workspace:
    """Five reviewers, a guest, a deactivated person, a partner from elsewhere and three channels."""
    app = SandboxApp()
    people = (
        SandboxUser("U0ANA", "ana", "Ana Ruiz", "ana@meridian.example", "Finance lead"),
        SandboxUser("U0BO", "bo", "Bo Lindqvist", "bo@meridian.example", "Finance operations"),
        SandboxUser("U0CHI", "chi", "Chi Okafor", "chi@meridian.example", "Site reliability"),
        SandboxUser("U0DEV", "dev", "Dev Patel", "dev@meridian.example", "Support engineering"),
        SandboxUser("U0OWN", "own", "Own Ferrari", "own@meridian.example", "Owner of support-bot"),
        SandboxUser(
            "U0GIA", "gia", "Gia Novak", "gia@contractor.example", "Contractor (guest)", is_restricted=True
        ),
        SandboxUser("U0HAL", "hal", "Hal Brandt", "hal@meridian.example", "Left in spring", deleted=True),
        SandboxUser("U0PIA", "pia", "Pia Sato", "pia@partner.example", "Partner company", is_stranger=True),
    )
    everyone = tuple(person.id for person in people)
    full = tuple(p.id for p in people if not p.is_restricted and not p.is_stranger)
    return Workspace(
        users=people,
        channels=(
            SandboxChannel(
                "C0APPROVALS", "approvals", (*everyone, app.bot_user_id), topic="What agents ask to do"
            ),
            SandboxChannel(
                "C0FINANCE", "approvals-finance", ("U0ANA", "U0BO", app.bot_user_id), is_private=True
            ),
            SandboxChannel("C0GENERAL", "general", full, topic="Company-wide"),
        ),
        usergroups=(
            SandboxUsergroup("S0FINANCE", "finance-approvers", ("U0ANA", "U0BO")),
            SandboxUsergroup("S0ONCALL", "oncall", ("U0CHI",)),
        ),
        app=app,
    )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _build(cls: type[Any], raw: dict[str, Any], where: str) -> Any:
    known = {field.name for field in fields(cls)}
    unknown = sorted(set(raw) - known)
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known keys are {', '.join(sorted(known))}")
    return cls(**{key: _tuples(value) for key, value in raw.items()})


def workspace_from_json(text: str) -> Workspace:
    """Parse a description; keys are the dataclass fields above. Raises ValueError naming the bad key."""
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("a workspace description is a JSON object")
    raw = dict(raw)
    raw["users"] = tuple(_build(SandboxUser, user, "users") for user in raw.get("users", []))
    raw["channels"] = tuple(
        _build(SandboxChannel, channel, "channels") for channel in raw.get("channels", [])
    )
    raw["usergroups"] = tuple(
        _build(SandboxUsergroup, group, "usergroups") for group in raw.get("usergroups", [])
    )
    raw["app"] = _build(SandboxApp, raw.get("app", {}), "app")
    return _build(Workspace, raw, "workspace")


def load_workspace(path: Path) -> Workspace:
    """Read a description from a file."""
    return workspace_from_json(path.read_text(encoding="utf-8"))
