"""Knows the methods that tell who is who: auth.*, users.*, usergroups.*, bots.*, team.*; leaves
changing people to the control interface."""

from __future__ import annotations

import hashlib

from bot.sandbox.args import page_of
from bot.sandbox.call import Call
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Json
from bot.sandbox.state import WorkspaceState
from bot.sandbox.workspace import SandboxUser, SandboxUsergroup

_TZ_OFFSETS = {"Europe/Berlin": 3600, "Europe/London": 0, "America/New_York": -18000, "Asia/Tokyo": 32400}


def user_wire(state: WorkspaceState, user: SandboxUser) -> Json:
    """A person as users.* answers: a deactivated one loses most flags, a stranger shows no e-mail."""
    profile: Json = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "title": user.title,
        "team": state.team_of(user.id),
        "avatar_hash": hashlib.sha256(user.id.encode()).hexdigest()[:12],
        "image_72": f"https://avatars.invalid/{user.id}-72.png",
    }
    if "users:read.email" in state.app.scopes and not user.is_stranger and not user.is_bot and user.email:
        profile["email"] = user.email
    wire: Json = {
        "id": user.id,
        "team_id": state.team_of(user.id),
        "name": user.name,
        "deleted": user.deleted,
        "profile": profile,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": 0,
    }
    if user.is_bot:
        profile["bot_id"] = state.app.bot_id
        profile["api_app_id"] = state.app.app_id
    if user.is_stranger:
        wire["is_stranger"] = True
    if not user.deleted:
        wire |= {
            "real_name": user.real_name,
            "tz": user.tz,
            "tz_label": user.tz,
            "tz_offset": _TZ_OFFSETS.get(user.tz, 0),
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": user.is_restricted or user.is_ultra_restricted,
            "is_ultra_restricted": user.is_ultra_restricted,
        }
    return wire


def _user(call: Call) -> SandboxUser:
    user = call.state.users.get(call.args.need("user"))
    if user is None:
        raise ApiError("user_not_found")
    return user


def api_test(call: Call) -> Json:
    given = {name: value for name, value in call.args.raw.items() if name != "token"}
    if call.args.has("error"):
        raise ApiError(call.args.text("error"), args=given)
    return {"args": given} if given else {}


def auth_test(call: Call) -> Json:
    state = call.state
    return {
        "url": f"{call.base_url}/",
        "team": state.workspace.team_name,
        "user": state.users[state.app.bot_user_id].name,
        "team_id": state.workspace.team_id,
        "user_id": state.app.bot_user_id,
        "bot_id": state.app.bot_id,
        "is_enterprise_install": False,
    }


def open_connection(call: Call) -> Json:
    return {"url": call.issue_socket_url()}


def user_info(call: Call) -> Json:
    return {"user": user_wire(call.state, _user(call))}


def list_users(call: Call) -> Json:
    everyone = sorted(call.state.users.values(), key=lambda user: user.id)
    page, cursor = page_of(everyone, call.args, default=1000, most=1000)
    return {
        "members": [user_wire(call.state, user) for user in page],
        "cache_ts": int(call.state.clock.time()),
        "response_metadata": {"next_cursor": cursor},
    }


def lookup_by_email(call: Call) -> Json:
    """Strangers and deactivated people are not found, as in Slack."""
    wanted = call.args.need("email").lower()
    for user in call.state.users.values():
        if (
            user.email
            and user.email.lower() == wanted
            and not (user.is_stranger or user.deleted or user.is_bot)
        ):
            return {"user": user_wire(call.state, user)}
    raise ApiError("users_not_found")


def presence(call: Call) -> Json:
    return {"presence": "away" if _user(call).deleted else "active"}


def _group_wire(call: Call, group: SandboxUsergroup) -> Json:
    wire: Json = {
        "id": group.id,
        "team_id": call.state.workspace.team_id,
        "is_usergroup": True,
        "name": group.handle,
        "handle": group.handle,
        "description": "",
        "date_delete": 0,
        "user_count": len(group.members),
    }
    if call.args.flag("include_users"):
        wire["users"] = list(group.members)
    return wire


def list_usergroups(call: Call) -> Json:
    return {"usergroups": [_group_wire(call, group) for group in call.state.usergroups.values()]}


def usergroup_members(call: Call) -> Json:
    group = call.state.usergroups.get(call.args.need("usergroup"))
    if group is None:
        raise ApiError("no_such_subteam")
    return {"users": list(group.members)}


def bot_info(call: Call) -> Json:
    app = call.state.app
    if call.args.text("bot", app.bot_id) != app.bot_id:
        raise ApiError("bot_not_found")
    return {
        "bot": {
            "id": app.bot_id,
            "deleted": False,
            "name": app.name,
            "app_id": app.app_id,
            "user_id": app.bot_user_id,
        }
    }


def team_info(call: Call) -> Json:
    workspace = call.state.workspace
    return {
        "team": {
            "id": workspace.team_id,
            "name": workspace.team_name,
            "domain": workspace.team_domain,
            "email_domain": "",
        }
    }
