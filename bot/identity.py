"""Knows which person a Slack user is right now, by asking Slack; who may be a person is the use-case's business."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.risk import Risk
from gate.usecases.identify import SlackProfile, identify
from gate.usecases.ports import Deps

REMEMBERED_SEC = 60.0
MOST_REMEMBERED = 5_000
ASK_SEC = 2.0
"""Longest wait for users.info: a trigger_id lives three seconds and still has to open a modal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """Who the bot is, as auth.test says: its workspace, bot user, and app where that is known."""

    team: str
    user: str
    bot: str | None
    app: str | None
    url: str | None = None
    """The workspace's address without a slash at its end."""


class Identities:
    """Slack user -> person. What Slack says of somebody is kept for a minute, and never for high risk (threat 6)."""

    def __init__(self, *, deps: Deps, web: Calls, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._deps = deps
        self._web = web
        self._monotonic = monotonic
        self._seen: OrderedDict[str, tuple[SlackProfile, float]] = OrderedDict()

    async def person(self, user_id: str, own: Own, *, risk: Risk | None = None) -> Person | Refused:
        """The person behind a Slack user, or why they are nobody here.

        Where Slack cannot be asked the answer is a refusal that says so: unknown tightens.
        """
        fresh = risk in (Risk.HIGH, Risk.CRITICAL)
        profile = None if fresh else self._remembered(user_id)
        if profile is None:
            try:
                answer = await self._web.call("users.info", user=user_id, within=ASK_SEC)
            except SlackFailure as failure:
                return _unknown(failure)
            user = answer.get("user")
            profile = profile_of(user if isinstance(user, dict) else {}, user_id)
            self._remember(profile)
        return await identify(self._deps, profile, own.team)

    def is_full_member(self, user_id: str, own: Own) -> bool:
        """Whether Slack lately described this user as an active full member; False where it was not asked."""
        seen = self._remembered(user_id)
        if seen is None or seen.team_id != own.team:
            return False
        return not (seen.deleted or seen.is_guest or seen.is_stranger or seen.is_bot)

    def _remembered(self, user_id: str) -> SlackProfile | None:
        found = self._seen.get(user_id)
        if found is None or self._monotonic() - found[1] > REMEMBERED_SEC:
            return None
        return found[0]

    def _remember(self, profile: SlackProfile) -> None:
        self._seen[profile.user_id] = (profile, self._monotonic())
        self._seen.move_to_end(profile.user_id)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)


def profile_of(user: Mapping[str, Any], user_id: str) -> SlackProfile:
    """Slack's `user` object as a profile. A missing workspace reads as another one, so that nothing unknown passes."""
    raw = user.get("profile")
    profile: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    email = profile.get("email")
    return SlackProfile(
        team_id=str(user.get("team_id") or ""),
        user_id=str(user.get("id") or user_id),
        email=email if isinstance(email, str) and email else None,
        real_name=str(user.get("real_name") or profile.get("real_name") or ""),
        deleted=user.get("deleted") is True,
        is_guest=user.get("is_restricted") is True or user.get("is_ultra_restricted") is True,
        is_stranger=user.get("is_stranger") is True,
        is_bot=user.get("is_bot") is True or user.get("is_workflow_bot") is True,
    )


def _unknown(failure: SlackFailure) -> Refused:
    if failure.trouble is Trouble.PERSON:
        return Refused(code="inactive_person", sentence="Slack does not know you in this workspace.")
    return Refused(
        code="conflict",
        sentence="Slack could not confirm who you are just now, so nothing was changed. Please try again.",
    )
