"""Knows how the workspace's present state is read, in Slack's wire shapes; leaves changing it to others."""

from __future__ import annotations

from bot.sandbox.records import Json
from bot.sandbox.state import WorkspaceState


class Reading:
    """What anyone may look up about the workspace while it runs."""

    state: WorkspaceState

    def messages(self, channel: str, *, thread_ts: str | None = None) -> list[Json]:
        """Lasting messages of a channel, oldest first, without replies; or the replies of one thread."""
        if thread_ts is not None:
            return [self.state.message_doc(reply) for reply in self.state.replies(channel, thread_ts)]
        return [
            self.state.message_doc(message)
            for message in self.state.messages.get(channel, {}).values()
            if not message.visible_to and (message.thread_ts is None or message.broadcast)
        ]

    def message(self, channel: str, ts: str) -> Json | None:
        """One message of any kind."""
        found = self.state.messages.get(channel, {}).get(ts)
        return self.state.message_doc(found) if found else None

    def ephemerals(self, user: str, channel: str | None = None) -> list[Json]:
        """What only this person sees, oldest first."""
        found = [
            message
            for name, messages in self.state.messages.items()
            if channel in (None, name)
            for message in messages.values()
            if message.visible_to == user
        ]
        return [self.state.message_doc(message) for message in sorted(found, key=lambda each: each.ts)]

    def dm(self, user: str) -> str:
        """The channel id of the direct message between this person and the app."""
        return self.state.dm_of(user).id

    def modals(self, user: str) -> list[Json]:
        """Open modals, bottom first."""
        return [self.state.view_doc(self.state.views[each]) for each in self.state.stacks.get(user, ())]

    def modal(self, user: str) -> Json | None:
        """The topmost open modal."""
        stack = self.modals(user)
        return stack[-1] if stack else None

    def home(self, user: str) -> Json | None:
        """The published Home tab."""
        view = self.state.homes.get(user)
        return self.state.view_doc(view) if view else None
