"""Knows everything the workspace remembers and writes each change down before telling anyone; leaves
who may change what to the Web API and to the people acting."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from bot.sandbox.clock import Clock
from bot.sandbox.journal import Journal
from bot.sandbox.records import Change, Channel, Json, Message, ResponseUrl, Trigger, View
from bot.sandbox.workspace import SandboxUser, Workspace

TRIGGER_SECONDS = 3.0
RESPONSE_URL_SECONDS = 30 * 60.0
CHANGES_KEPT = 2000
TRIGGERS_KEPT = 5000
RESPONSE_URLS_KEPT = 5000


class WorkspaceState:
    """The live workspace: described people and channels, plus what was kept in the journal."""

    def __init__(self, workspace: Workspace, journal: Journal, clock: Clock, rng: random.Random) -> None:
        self.workspace = workspace
        self.app = workspace.app
        self.clock = clock
        self.rng = rng
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.listeners: list[Callable[[Change], None]] = []
        self.seq = 0
        self._journal = journal
        self._last_ts = 0
        self.users: dict[str, SandboxUser] = {user.id: user for user in workspace.users}
        bot = workspace.app
        self.users.setdefault(
            bot.bot_user_id,
            SandboxUser(bot.bot_user_id, bot.name.lower().replace(" ", "_"), bot.name, "", is_bot=True),
        )
        self.channels: dict[str, Channel] = {
            described.id: Channel(
                id=described.id,
                name=described.name,
                members=tuple(described.members),
                is_private=described.is_private,
                is_archived=described.is_archived,
                topic=described.topic,
            )
            for described in workspace.channels
        }
        self.usergroups = {group.id: group for group in workspace.usergroups}
        self.messages: dict[str, dict[str, Message]] = {channel: {} for channel in self.channels}
        self._threads: dict[tuple[str, str], list[str]] = {}
        self.views: dict[str, View] = {}
        self.stacks: dict[str, tuple[str, ...]] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.inputs: dict[str, Json] = {}
        self._remember()

    def _remember(self) -> None:
        """Lay what the journal kept over what was described."""
        for _, doc in self._journal.all("user"):
            self.users[doc["id"]] = SandboxUser(**doc)
        for _, doc in self._journal.all("channel"):
            self.channels[doc["id"]] = Channel(**doc | {"members": tuple(doc["members"])})
        for _, doc in self._journal.all("message"):
            doc["reactions"] = tuple((name, user) for name, user in doc["reactions"])
            message = Message(
                **doc | {"blocks": tuple(doc["blocks"]), "attachments": tuple(doc["attachments"])}
            )
            self._place(message)
            self._last_ts = max(self._last_ts, int(message.ts.replace(".", "")))
        for _, doc in self._journal.all("view"):
            self.views[doc["id"]] = View(**doc | {"blocks": tuple(doc["blocks"])})
        for user, doc in self._journal.all("home"):
            self.homes[user] = View(**doc | {"blocks": tuple(doc["blocks"])})
        for user, doc in self._journal.all("stack"):
            self.stacks[user] = tuple(doc)
        for _, doc in self._journal.all("response_url"):
            self.response_urls[doc["id"]] = ResponseUrl(**doc)
        self._forget_old_urls()
        for channel in self.channels:
            self.messages.setdefault(channel, {})

    # -- identifiers -------------------------------------------------------------------------------

    def mint_ts(self) -> str:
        """A message timestamp: the clock in microseconds, never the same one twice."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.time() * 1_000_000))
        digits = str(self._last_ts)
        return f"{digits[:-6]}.{digits[-6:]}"

    def mint_id(self, prefix: str, length: int = 10) -> str:
        return prefix + "".join(self.rng.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=length))

    def mint_hash(self) -> str:
        return f"{int(self.clock.time())}.{self.mint_id('', 8)}"

    def mint_trigger(self, user: str, view_id: str | None = None) -> str:
        """A trigger_id: three seconds, once."""
        number = self.rng.randrange(10**12, 10**13)
        trigger = Trigger(
            id=f"{number}.{self.rng.randrange(10**11, 10**12)}.{self.rng.randbytes(16).hex()}",
            user=user,
            expires_at=self.clock.time() + TRIGGER_SECONDS,
            view_id=view_id,
        )
        self.triggers[trigger.id] = trigger
        while len(self.triggers) > TRIGGERS_KEPT:  # old enough to be expired whatever the clock says
            del self.triggers[next(iter(self.triggers))]
        return trigger.id

    def mint_response_url(
        self, user: str, channel: str, message_ts: str | None, thread_ts: str | None = None
    ) -> str:
        """The id of a response_url: five uses within thirty minutes."""
        made = ResponseUrl(
            id=self.mint_id("", 24),
            user=user,
            channel=channel,
            message_ts=message_ts,
            thread_ts=thread_ts,
            expires_at=self.clock.time() + RESPONSE_URL_SECONDS,
        )
        self.keep_response_url(made)
        if len(self.response_urls) > RESPONSE_URLS_KEPT:
            self._forget_old_urls()
        return made.id

    def _forget_old_urls(self) -> None:
        for old in [each for each in self.response_urls.values() if each.expires_at < self.clock.time()]:
            self._journal.drop("response_url", old.id)
            del self.response_urls[old.id]

    # -- writing -----------------------------------------------------------------------------------

    def announce(self, kind: str, doc: Json) -> None:
        """Number a change and tell everyone who listens."""
        self.seq += 1
        change = Change(seq=self.seq, kind=kind, doc=doc)
        self.changes.append(change)
        for listener in tuple(self.listeners):
            listener(change)

    def keep_message(self, message: Message) -> Message:
        self._journal.put("message", f"{message.channel}:{message.ts}", asdict(message))
        self._place(message)
        self.announce("message", self.message_doc(message))
        parent = self.parent_of(message)
        if parent is not None:
            self.announce("message", self.message_doc(parent))
        return message

    def _place(self, message: Message) -> None:
        """File a message; timestamps only grow, so every channel and thread stays in order."""
        channel = self.messages.setdefault(message.channel, {})
        is_reply = message.thread_ts and message.thread_ts != message.ts and not message.visible_to
        if is_reply and message.ts not in channel:
            self._threads.setdefault((message.channel, message.thread_ts or ""), []).append(message.ts)
        channel[message.ts] = message

    def drop_message(self, message: Message) -> None:
        self._journal.drop("message", f"{message.channel}:{message.ts}")
        self.messages[message.channel].pop(message.ts, None)
        thread = self._threads.get((message.channel, message.thread_ts or ""), [])
        if message.ts in thread:
            thread.remove(message.ts)
        self.announce("message_deleted", {"channel": message.channel, "ts": message.ts})
        parent = self.parent_of(message)
        if parent is not None:
            self.announce("message", self.message_doc(parent))

    def keep_channel(self, channel: Channel) -> Channel:
        self._journal.put("channel", channel.id, asdict(channel))
        self.channels[channel.id] = channel
        self.messages.setdefault(channel.id, {})
        self.announce("channel", self.channel_doc(channel))
        return channel

    def keep_user(self, user: SandboxUser) -> SandboxUser:
        self._journal.put("user", user.id, asdict(user))
        self.users[user.id] = user
        self.announce("user", asdict(user))
        return user

    def keep_view(self, view: View) -> View:
        self._journal.put("view", view.id, asdict(view))
        self.views[view.id] = view
        self._announce_stack(view.user)
        return view

    def keep_stack(self, user: str, stack: tuple[str, ...]) -> None:
        """Set the person's open modals, bottom first; views no longer open are forgotten."""
        gone = [view_id for view_id in self.stacks.get(user, ()) if view_id not in stack]
        self._journal.put("stack", user, list(stack))
        self.stacks[user] = stack
        for view_id in gone:
            self._journal.drop("view", view_id)
            self.views.pop(view_id, None)
        self._announce_stack(user)

    def keep_home(self, view: View) -> View:
        self._journal.put("home", view.user, asdict(view))
        self.homes[view.user] = view
        self.announce("home", {"user": view.user, "view": self.view_doc(view)})
        return view

    def keep_response_url(self, made: ResponseUrl) -> None:
        self._journal.put("response_url", made.id, asdict(made))
        self.response_urls[made.id] = made

    def change_user(self, user_id: str, changes: dict[str, Any]) -> SandboxUser:
        """Change flags or names of a person; raises KeyError or TypeError on what does not exist."""
        return self.keep_user(replace(self.users[user_id], **changes))

    def _announce_stack(self, user: str) -> None:
        views = [self.view_doc(self.views[view_id]) for view_id in self.stacks.get(user, ())]
        self.announce("stack", {"user": user, "views": views})

    # -- reading -----------------------------------------------------------------------------------

    def parent_of(self, message: Message) -> Message | None:
        if message.thread_ts is None or message.thread_ts == message.ts or message.visible_to:
            return None
        return self.messages[message.channel].get(message.thread_ts)

    def replies(self, channel: str, thread_ts: str) -> tuple[Message, ...]:
        """Lasting replies of a thread, oldest first."""
        found = self.messages.get(channel, {})
        return tuple(found[ts] for ts in self._threads.get((channel, thread_ts), ()))

    def dm_of(self, user: str) -> Channel:
        """The direct message between this person and the app, opened on first need."""
        channel_id = "D" + user[1:]
        found = self.channels.get(channel_id)
        if found is not None:
            return found
        return self.keep_channel(
            Channel(
                id=channel_id,
                name=f"dm-{user.lower()}",
                members=(user, self.app.bot_user_id),
                is_private=True,
                dm_with=user,
            )
        )

    def is_shared(self, channel: Channel) -> bool:
        """Whether someone from another workspace is in it (Slack Connect)."""
        return any(self.users[member].is_stranger for member in channel.members if member in self.users)

    def team_of(self, user_id: str) -> str:
        user = self.users[user_id]
        return self.workspace.stranger_team_id if user.is_stranger else self.workspace.team_id

    def view_doc(self, view: View) -> Json:
        return view.wire(team_id=self.workspace.team_id, app_id=self.app.app_id, bot_id=self.app.bot_id)

    def channel_doc(self, channel: Channel) -> Json:
        return asdict(channel) | {"is_shared": self.is_shared(channel)}

    def message_doc(self, message: Message) -> Json:
        """The message as the page and tests read it: the wire form plus channel and who sees it."""
        wire = message.wire(metadata="all", replies=self.replies(message.channel, message.ts))
        return wire | {"channel": message.channel, "visible_to": message.visible_to}
