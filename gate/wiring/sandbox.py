"""The stand-in workspace that is served where no Slack is set up, made of people.yaml."""

from __future__ import annotations

from bot.sandbox import Sandbox, SandboxChannel, SandboxUser, Workspace, default_workspace
from gate.config import Settings
from gate.domain.people import Directory
from gate.wiring.listening import StartError, taken


async def start_sandbox(settings: Settings, directory: Directory) -> Sandbox:
    """A serving stand-in workspace with these people, its messages kept between starts. Raises StartError."""
    settings.sandbox_state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox = Sandbox(sandbox_workspace(directory), state_path=settings.sandbox_state)
    try:
        await sandbox.start(*settings.sandbox_bind)
    except OSError as error:
        await sandbox.stop()
        raise StartError(taken("GATE_SANDBOX_BIND", settings.sandbox_bind, error)) from None
    return sandbox


def sandbox_workspace(directory: Directory) -> Workspace:
    """A workspace with the people of people.yaml, a guest, a person who left, and the channels the groups name."""
    base = default_workspace()
    people = [
        SandboxUser(
            person.slack or f"U0{''.join(c for c in person.id.upper() if c.isalnum())}",
            person.id,
            person.name,
            person.email,
            title=_title(directory, person.id),
            deleted=not person.active,
        )
        for person in directory.people.values()
    ]
    known = {user.id for user in people}
    extras = [u for u in base.users if u.id not in known and (u.is_restricted or u.is_stranger)]
    insiders = [user.id for user in people]
    everyone = (*insiders, *(user.id for user in extras), base.app.bot_user_id)
    names = _channels(directory)
    channels = [
        SandboxChannel(
            f"C0{''.join(c for c in name.upper() if c.isalnum())}"[:20],
            name,
            everyone
            if members is None
            else (*(u.id for u in people if u.name in members), base.app.bot_user_id),
            is_private=members is not None,
        )
        for name, members in names.items()
    ]
    return Workspace(users=(*people, *extras), channels=tuple(channels), app=base.app)


def _channels(directory: Directory) -> dict[str, frozenset[str] | None]:
    """Channel name -> person ids of a group's own channel, None where everybody is in it."""
    names: dict[str, frozenset[str] | None] = {
        name.removeprefix("#"): None
        for name in (directory.default_channel, directory.escalation_channel)
        if name is not None
    }
    for group in directory.groups.values():
        if group.channel is not None:
            name = group.channel.removeprefix("#")
            if name not in names:
                names[name] = frozenset(group.members)
            elif (members := names[name]) is not None:
                names[name] = members | frozenset(group.members)
    return names


def _title(directory: Directory, person_id: str) -> str:
    groups = sorted(group.name for group in directory.groups.values() if person_id in group.members)
    return ", ".join(groups) or "In no reviewer group"
