"""Looks at the workspace for `gate doctor`: tokens, scopes, channels, people; it posts and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.app import SlackSettings
from bot.identity import Own, profile_of
from bot.people.introduction import Introduction
from bot.posting.channels import Channels, NoSuchChannel
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.scopes import SCOPES
from bot.slack.web import SlackWeb, api_base
from gate.domain.people import Person
from gate.usecases.checkup import Line, fail, ok, warn
from gate.usecases.identify import SlackProfile, kept_out
from gate.usecases.ports import Listed, Pin, Rules

LOOK_SEC = 180.0
"""Longest time for all people together: Slack answers about fifty look-ups by address a minute."""
_SLACK_ADVICE = "Check the tokens and the way out to Slack, then run gate doctor again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """What was found. `reachable` says of each person that was looked at whether Slack reaches them; `usergroups`
    is who is in the user groups that people.yaml names, by their Slack ids."""

    lines: tuple[Line, ...]
    reachable: Mapping[str, bool]
    usergroups: Mapping[str, Listed]


async def examine(settings: SlackSettings, rules: Rules, pins: Mapping[str, Pin]) -> Examination:
    """Everything there is to say of the workspace; where Slack does not answer at all, one line says so."""
    web = SlackWeb(token=settings.bot_token, base_url=api_base(settings.api_url))
    await web.start()
    try:
        return await _Visit(web, settings, rules, pins).made()
    finally:
        await web.stop()


class _Visit:
    """One look at the workspace."""

    def __init__(self, web: SlackWeb, settings: SlackSettings, rules: Rules, pins: Mapping[str, Pin]) -> None:
        self._web = web
        self._settings = settings
        self._rules = rules
        self._pins = pins
        self._lines: list[Line] = []
        self._reachable: dict[str, bool] = {}
        self._usergroups: dict[str, Listed] = {}

    async def made(self) -> Examination:
        own = await self._own()
        if own is not None:
            self._scopes()
            await self._app_token()
            await self._channels()
            await self._user_groups(own)
            await self._people(own)
        return Examination(lines=tuple(self._lines), reachable=self._reachable, usergroups=self._usergroups)

    async def _own(self) -> Own | None:
        try:
            own = await Introduction(web=self._web).own()
        except SlackFailure as failure:
            self._lines.append(fail("slack", "bot token", failure.sentence, _SLACK_ADVICE))
            return None
        self._lines.append(ok("slack", "bot token", f"the bot is {own.user} of workspace {own.team}"))
        return own

    def _scopes(self) -> None:
        granted = self._web.granted
        if granted is None:
            self._lines.append(
                warn(
                    "slack",
                    "scopes",
                    "Slack did not say which scopes the token has.",
                    "Compare them with manifest.json by hand.",
                )
            )
            return
        missing = [scope for scope in SCOPES if scope not in granted]
        for scope in missing:
            self._lines.append(
                fail(
                    "slack",
                    f"scope {scope}",
                    f"The token lacks it; without it there is no {SCOPES[scope]}.",
                    "Add the scope under OAuth & Permissions (manifest.json lists all), and install the app again.",
                )
            )
        if not missing:
            self._lines.append(
                ok("slack", "scopes", f"all {len(SCOPES)} scopes of manifest.json are granted")
            )

    async def _app_token(self) -> None:
        if self._settings.signing_secret:
            self._lines.append(
                ok("slack", "HTTP mode", "Slack calls /slack/events, so no app-level token is needed")
            )
            return
        try:
            await self._web.call("apps.connections.open", app_token=self._settings.app_token)
        except SlackFailure as failure:
            self._lines.append(
                fail(
                    "slack",
                    "app-level token",
                    failure.sentence,
                    "Generate one with the scope connections:write (Basic Information, App-Level Tokens).",
                )
            )
        else:
            self._lines.append(ok("slack", "app-level token", "Slack gives a Socket Mode address for it"))

    async def _channels(self) -> None:
        channels = Channels(web=self._web)
        can_join = self._web.granted is None or "channels:join" in self._web.granted
        for wanted, users in _wanted_channels(self._rules).items():
            subject = f"channel {wanted}"
            try:
                found = await channels.find(wanted)
            except NoSuchChannel as none:
                self._lines.append(
                    fail(
                        "slack",
                        subject,
                        f"{none} It is where cards of {users} go.",
                        "Make the channel, take it out of the archive, or invite the bot; or name another in "
                        "people.yaml or the rule.",
                    )
                )
                continue
            except SlackFailure as failure:
                self._lines.append(fail("slack", subject, failure.sentence, _SLACK_ADVICE))
                continue
            if found.joined:
                self._lines.append(ok("slack", subject, "it exists, and the bot is in it"))
            elif can_join and not found.private:
                self._lines.append(
                    ok("slack", subject, "it exists; the bot is not in it and joins with its first card")
                )
            else:
                self._lines.append(
                    fail(
                        "slack",
                        subject,
                        "The bot is not in it and cannot join.",
                        f"Invite the bot to {wanted}.",
                    )
                )

    async def _user_groups(self, own: Own) -> None:
        for group in self._rules.directory.groups.values():
            if group.usergroup is None or group.usergroup in self._usergroups:
                continue
            subject = f"user group {group.usergroup}"
            try:
                answer = await self._web.call("usergroups.users.list", usergroup=group.usergroup)
            except SlackFailure as failure:
                self._lines.append(
                    fail(
                        "slack",
                        subject,
                        f"{failure.sentence} It is the group {group.name}.",
                        "Correct slack_usergroup: in people.yaml (an id such as S0123ABCD), or enable the user group.",
                    )
                )
                continue
            found = answer.get("users")
            users = tuple(u for u in found if isinstance(u, str)) if isinstance(found, list) else ()
            self._usergroups[group.usergroup] = Listed(team_id=own.team, users=users)
            self._lines.append(ok("slack", subject, f"{len(users)} members, for the group {group.name}"))

    async def _people(self, own: Own) -> None:
        deadline = asyncio.get_running_loop().time() + LOOK_SEC
        needed = _needed(self._rules)
        well = 0
        people = [person for person in self._rules.directory.people.values() if person.active]
        for number, person in enumerate(people):
            try:
                async with asyncio.timeout_at(deadline):
                    problem, todo = await self._person(person, own)
            except TimeoutError:
                self._lines.append(
                    warn(
                        "people",
                        "the rest",
                        f"{len(people) - number} people were not looked at: Slack takes so many questions a minute.",
                        "Run gate doctor again later, or read the list of members in Slack.",
                    )
                )
                break
            except SlackFailure as failure:
                self._lines.append(fail("people", person.id, failure.sentence, _SLACK_ADVICE))
                if failure.trouble in (Trouble.OUTAGE, Trouble.SETUP):
                    break
                continue
            self._reachable[person.id] = not problem
            if not problem:
                well += 1
                continue
            line = fail if person.id in needed else warn
            self._lines.append(line("people", person.id, f"{person.name}: {problem}", todo))
        if well:
            self._lines.append(
                ok("people", "reachable", f"{well} of {len(people)} active people can be reached")
            )

    async def _person(self, person: Person, own: Own) -> tuple[str, str]:
        """(what is wrong, what to do); two empty texts where the person can be asked and may answer."""
        pin = self._pins.get(person.id)
        todo = f"Set slack: or the right e-mail address of {person.id} in people.yaml."
        if pin is not None and pin.team_id != own.team:
            return (
                f"Pinned to the workspace {pin.team_id}, and the bot is in {own.team}.",
                "Use the tokens of the workspace in which people decided so far.",
            )
        known = pin.user_id if pin is not None else person.slack
        if pin is not None and person.slack is not None and person.slack != pin.user_id:
            return (
                f"Pinned to the Slack account {pin.user_id}, and people.yaml says {person.slack}.",
                "Correct slack: in people.yaml; a pin stays, so another account becomes another person.",
            )
        if known is None:
            profile = await self._by_address(person)
            if profile is None:
                return f"Slack has no active member with the address {person.email}.", todo
            holder = self._rules.directory.by_slack(profile.user_id)
            if holder is not None and holder.id != person.id:
                return (
                    f"The address leads to {profile.user_id}, which people.yaml gives to {holder.id}.",
                    todo,
                )
        else:
            answer = await self._asked("users.info", user=known)
            if answer is None:
                return f"Slack does not know the account {known}.", todo
            profile = profile_of(_user(answer), known)
        refused = kept_out(profile, own.team)
        if refused is not None:
            return (
                f"{refused.sentence} ({profile.user_id})",
                f"Put active: false or another person in the place of {person.id}, or have the account changed.",
            )
        return "", ""

    async def _by_address(self, person: Person) -> SlackProfile | None:
        for address in (person.email, *person.aliases):
            answer = await self._asked("users.lookupByEmail", email=address)
            if answer is not None:
                user = _user(answer)
                return profile_of(user, str(user.get("id") or ""))
        return None

    async def _asked(self, method: str, **arguments: Any) -> Mapping[str, Any] | None:
        """The answer; None where Slack knows no such person. Waits for its turn as often as Slack asks it to."""
        while True:
            try:
                return await self._web.call(method, paced=True, **arguments)
            except SlackFailure as failure:
                if failure.trouble is Trouble.PERSON:
                    return None
                if failure.trouble is not Trouble.RATE_LIMITED:
                    raise
                await asyncio.sleep(failure.retry_after or 1.0)


def _user(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    user = answer.get("user")
    return user if isinstance(user, dict) else {}


def _wanted_channels(rules: Rules) -> Mapping[str, str]:
    """Channel as written -> who sends cards there, for a sentence."""
    directory = rules.directory
    found = {directory.default_channel: "everything else"}
    if directory.escalation_channel is not None:
        found.setdefault(directory.escalation_channel, "escalations")
    for group in directory.groups.values():
        if group.channel is not None:
            found.setdefault(group.channel, f"the group {group.name}")
    for rule in rules.policy.rules:
        approval = rule.ask.approval if rule.ask is not None else None
        if approval is not None and approval.channel is not None:
            found.setdefault(approval.channel, f"the rule {rule.id}")
    return found


def _needed(rules: Rules) -> frozenset[str]:
    """Everybody whom a group, a rota or a rule names: whoever is only listed is nobody's loss."""
    directory = rules.directory
    found = {member for group in directory.groups.values() for member in group.members}
    for rota in directory.rotas.values():
        found.update(rota.rotation.people if rota.rotation is not None else ())
        found.update(override.person for override in rota.overrides)
    asks: Iterable[Any] = (rule.ask for rule in rules.policy.rules if rule.ask is not None)
    for ask in asks:
        found.update(ask.asked.assignees)
    return frozenset(found)
