"""Knows what every handler needs to serve one person: who they are, where their card is, and how to answer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from bot.answering.answers import Answers, Said, outline
from bot.identity import Identities, Own
from bot.payloads import Click, Place, Sender
from bot.people.roster import Roster
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import SlackWeb
from bot.surfaces.homes import Homes
from gate.domain.acting import HANDED_ON, already
from gate.domain.eligibility import standing
from gate.domain.people import Directory, Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.routing import used_people
from gate.domain.verdict import ApprovalPlan
from gate.usecases.directory import directory_now
from gate.usecases.loads import resting
from gate.usecases.ports import Card, Deps, StoreUnavailable

log = structlog.get_logger(__name__)

_POSTED_SLACK = timedelta(minutes=10)
ELSEWHERE = Refused(
    code="not_a_reviewer", sentence="People of other workspaces cannot decide here, also not as guests."
)
NOT_ITS_PLACE = Refused(
    code="unknown_action",
    sentence="This is not the card of that request, so nothing was changed; use the card the bot posted for it.",
)
UNKNOWN = Refused(code="unknown_action", sentence="This request does not exist here, so nothing was changed.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Shared by all handlers. `own` says who the bot is, asking Slack where it does not know yet."""

    deps: Deps
    web: SlackWeb
    identities: Identities
    answers: Answers
    homes: Homes
    own: Callable[[], Awaitable[Own]]
    roster: Roster

    async def person(self, sender: Sender, *, risk: Risk | None = None) -> Person | Refused:
        """Who clicked. Somebody whose payload names another workspace is nobody here, without asking further."""
        own = await self.own()
        if sender.workspace not in (None, own.team) or sender.team not in (None, own.team):
            return ELSEWHERE
        return await self.identities.person(sender.user, own, risk=risk)

    async def is_full_member(self, sender: Sender) -> bool:
        """Whether the sender is an active full member of this workspace, listed as a reviewer or not."""
        own = await self.own()
        if sender.workspace not in (None, own.team) or sender.team not in (None, own.team):
            return False
        return self.identities.is_full_member(sender.user, own)

    async def record(self, action_id: str) -> ActionRecord | None:
        """The action as it is stored; nothing on a card stands in for it."""
        return await self.deps.store.now.actions.get(action_id)

    async def misplaced(self, click: Click, action_id: str) -> Refused | None:
        """None where the click comes from the action's own card (threat 5); otherwise why it does nothing."""
        card = await self._card(action_id)
        if click.view is not None or click.ephemeral or card is None:
            return NOT_ITS_PLACE
        return None if _stands_at(card, click.place) else NOT_ITS_PLACE

    async def shares_a_message(self, action_id: str) -> bool:
        """Whether it stands in a digest, where nobody sees the whole of it."""
        card = await self._card(action_id)
        return card is not None and card.digest is not None

    async def _card(self, action_id: str) -> Card | None:
        return await self.deps.store.now.cards.get(action_id)

    async def directory(self) -> Directory:
        """The directory as it stands now, delegations included."""
        return await directory_now(self.deps, self.deps.store.now)

    async def hindrance(
        self, record: ActionRecord, person: Person, verb: str, version: int | None
    ) -> Refused | None:
        """Why this person cannot do this now, told before a form is opened. The use-case checks it all again."""
        directory = await self.directory()
        if record.status.terminal:
            return already(record, directory, person.id)
        mine = standing(record, person.id, directory)
        if isinstance(mine, Refused):
            return mine
        if mine.on_behalf_of is not None and verb == "reassign":
            return HANDED_ON
        if verb not in (record.plan or ApprovalPlan()).allow:
            return Refused(code="not_offered", sentence=f"Policy does not offer “{verb}” for this request.")
        if version is not None and version != record.version.number:
            return self.changed_meanwhile(record.version.number)
        if verb == "approve" and person.id not in used_people(record, directory):
            async with self.deps.store.reading() as tx:
                return await resting(
                    tx, person.id, self.deps.rules.current.policy.care, self.deps.clock.now()
                )
        return None

    @staticmethod
    def changed_meanwhile(version: int) -> Refused:
        """For whoever acts on a version that is not the current one any more."""
        return Refused(
            code="stale_version",
            sentence=f"The payload was changed in the meantime; look at version {version} on the card first.",
        )

    async def tell(self, sender: Sender, place: Place, said: Said) -> None:
        """Answer the person where they are."""
        await self.answers.tell(sender.user, place, said)

    async def open(self, trigger_id: str, view: dict[str, Any], *, on_top: bool = False) -> None:
        """Open a modal, or one more on top of the open one; raises `SlackFailure`, LATE where the three seconds have
        passed."""
        await self.web.call("views.push" if on_top else "views.open", trigger_id=trigger_id, view=view)

    def failed(self, error: Exception) -> Refused:
        """What to tell somebody whose click met an unexpected error; what is logged carries no payload (INV-51)."""
        if isinstance(error, StoreUnavailable):
            log.error("slack_store_unavailable")
            return Refused(
                code="unavailable",
                sentence="The gate cannot record decisions at the moment, so nothing was changed. Please try again.",
            )
        if isinstance(error, SlackFailure):
            log.warning("slack_handler_refused", method=error.method, code=error.code)
            if error.trouble is Trouble.LATE:
                return Refused(code="too_late", sentence="That took too long to open. Please click again.")
            return Refused(
                code="slack", sentence=f"Slack did not take the answer ({error.code}). Please try again."
            )
        error_id = self.deps.ids.new("err")
        log.error("slack_handler_failed", error_id=error_id, error=type(error).__name__, at=outline(error))
        return Refused(
            code="internal",
            sentence=f"Something went wrong here, and it is on the log as {error_id}. "
            "Look at the card for what stands now, and try again.",
        )


def _stands_at(card: Card, place: Place) -> bool:
    if card.channel != place.channel or place.message_ts is None:
        return False
    if card.ts is not None:
        return card.ts == place.message_ts
    # Posted, and clicked before the post was answered: only a message newer than the intention can be it.
    return float(place.message_ts) >= (card.posting_since - _POSTED_SLACK).timestamp()
