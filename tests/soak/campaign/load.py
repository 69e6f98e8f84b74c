"""Agents, executors and reviewers at work on several gates, each writing down what it was told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.acceptance.running import LANES, SLACK_IDS, card_action, proposal
from tests.soak.campaign.stage import Json, Replica, Stage
from tests.soak.campaign.viewer import Viewer, viewing

ENDS = frozenset({"allowed", "denied", "throttled", "approved", "rejected", "expired", "cancelled"})
ASKING = (*(f"work.lane-{n}" for n in range(LANES)), "work.pair", "work.brief")
TOLD_SEC = 6.0
AGAIN_SEC = 20.0
"""After so long a person looks again at a card that still has buttons: it was left, edited, or needs a second vote."""
LATEST_SEC = 60.0
"""How long after a click its answer may still come."""


@dataclass
class Load:
    """`quick` agents propose what policy lets pass and execute it, `asking` ones what people decide."""

    stage: Stage
    seed: int
    quick: int
    asking: int
    cards: int
    """How many requests go to people at most; every card stays in the workspace."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    actions: int = 0
    refused: int = 0
    """Answers 429 and 5xx and broken connections, after each of which a client tried again."""
    _carded: int = 0

    async def run(self) -> None:
        """Until `stop`; whoever has begun something finishes it."""
        reviewing = [
            asyncio.create_task(self._review(person, self._chance(90 + number)))
            for number, person in enumerate(("ana", "bo"))
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.quick):
                    group.create_task(self._quick(f"q{number}", self._chance(number)))
                for number in range(self.asking):
                    group.create_task(self._ask(f"a{number}", self._chance(50 + number)))
        finally:
            for task in reviewing:
                task.cancel()
            results = await asyncio.gather(*reviewing, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _chance(self, who: int) -> random.Random:
        return random.Random(self.seed * 1_009 + who)  # noqa: S311 - choices to be made again in the same order

    # -- agents and executors ---------------------------------------------------------------------------------

    async def _quick(self, name: str, chance: random.Random) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            key = f"{self.seed}-{name}-{number}"
            document = await self._propose(chance, "work.free", key, times=2 if chance.random() < 0.05 else 1)
            await self._execute(chance, document)

    async def _ask(self, name: str, chance: random.Random) -> None:
        number = 0
        while not self.stop.is_set() and self._carded < self.cards:
            self._carded += 1
            number += 1
            key, topic = f"{self.seed}-{name}-{number}", chance.choice(ASKING)
            document = await self._propose(chance, topic, key, times=chance.choice((1, 1, 2, 3)))
            if chance.random() < 0.1 and document["status"] == "pending":
                await self._insist(
                    chance, "POST", f"/v1/actions/{document['id']}/cancel", {"reason": "not needed"}
                )
            while document["status"] not in ENDS:
                if self.stop.is_set():  # nobody will decide what reviewers left lying
                    await self._insist(
                        chance, "POST", f"/v1/actions/{document['id']}/cancel", {"reason": "over"}
                    )
                _, document = await self._insist(
                    chance, "GET", f"/v1/actions/{document['id']}", Prefer="wait=5"
                )
                self._seen(document)
            if document["status"] == "approved":
                await self._execute(chance, document)

    async def _propose(self, chance: random.Random, topic: str, key: str, *, times: int) -> Json:
        body = proposal(topic, payload={"key": key, "order": chance.randrange(10_000)})
        if topic != "work.free":
            body["callback_url"] = self.stage.hooks_url
        answers = await asyncio.gather(
            *(self._insist(chance, "POST", "/v1/actions", body, Idempotency_Key=key) for _ in range(times))
        )
        self.actions += 1
        for status, document in answers:
            assert status in (200, 202), (status, document)
            self.stage.journal.note(
                "answer",
                key=key,
                action=document["id"],
                sha256=_digest(body["payload"]),
                topic=topic,
                first=document["proposed_payload_sha256"],
            )
            self._seen(document)
        return answers[0][1]

    async def _execute(self, chance: random.Random, document: Json) -> None:
        if document["grant"] is None:  # its twin was quicker, or the answer was that of a replay
            _, document = await self._insist(chance, "GET", f"/v1/actions/{document['id']}")
        if document["grant"] is None:
            return
        body = {"token": document["grant"]["token"], "payload": document["payload"]}
        times = 2 if chance.random() < 0.1 else 1
        answers = await asyncio.gather(
            *(self._insist(chance, "POST", "/v1/grants/redeem", body) for _ in range(times))
        )
        for status, answer in answers:
            if status == 200:
                self.stage.journal.note(
                    "redeemed",
                    action=document["id"],
                    version=answer["version"],
                    sha256=_digest(document["payload"]),
                )
            else:
                assert answer["code"] in ("grant_redeemed", "grant_expired"), answer

    def _seen(self, document: Json) -> None:
        self.stage.journal.note(
            "document",
            action=document["id"],
            status=document["status"],
            version=document["version"],
            sha256=document["payload_sha256"],
        )

    async def _insist(
        self, chance: random.Random, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Json]:
        """An answer other than 5xx and 429, from whichever replica gives it: what a client with retries does."""
        while True:
            replica: Replica = await self.stage.anybody(chance.random())
            with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
                status, document = await self.stage.ask(replica.url, method, path, body, **headers)
                if status < 500 and status != 429:
                    return status, document
            self.refused += 1
            await asyncio.sleep(0.05)  # a client's own back-off

    # -- reviewers --------------------------------------------------------------------------------------------

    async def _review(self, person: str, chance: random.Random) -> None:
        """Decide whatever still has buttons, at once again where nothing was said about it, otherwise later."""
        user, looked = SLACK_IDS[person], dict[str, float]()
        clicked: list[tuple[float, str, str]] = []
        now = asyncio.get_running_loop().time
        async with viewing(self.stage.slack.url) as viewer:

            def left() -> list[Json]:
                since = now() - AGAIN_SEC
                return [
                    card for card in viewer.waiting() if looked.get(card_action(card) or "", since) <= since
                ]

            while True:
                waiting = await viewer.until(left, within=AGAIN_SEC)
                if not waiting:
                    continue
                card = chance.choice(waiting)
                what = chance.choices(("approve", "reject", "edit", "leave"), (70, 12, 12, 6))[0]
                action = card_action(card) or ""
                if what == "leave":
                    looked[action] = now()
                    continue
                before = viewer.newest(user)
                clicked.append((now(), card["channel"], action))
                if not await self._do(viewer, user, card, what, chance):
                    await self.stage.slack.changed(
                        within=0.5
                    )  # Slack could tell no gate; another may be up by then
                    continue
                said = await viewer.until(lambda since=before: viewer.told(user, since), within=TOLD_SEC)
                if said is None:
                    continue
                looked[action] = now()
                # An answer names no action, and it may be late, or come a second time where Slack dropped its receipt.
                clicked = [each for each in clicked if now() - each[0] < LATEST_SEC]
                among = [which for _, channel, which in clicked if channel == said["channel"]]
                told = {"person": person, "action": action, "among": among}
                if said["text"].startswith(("Approved.", "Your approval counts.")):
                    self.stage.journal.note("vote", vote="approve", **told)
                elif said["text"].startswith("Rejected."):
                    self.stage.journal.note("vote", vote="reject", **told)

    async def _do(self, viewer: Viewer, user: str, card: Json, what: str, chance: random.Random) -> bool:
        """Whether the click, and the form behind it where there is one, reached a gate."""
        slack = self.stage.slack
        did = await slack.click(user, card, what)
        if what == "approve" or not did["ok"]:
            return did["ok"]
        form = await viewer.until(lambda: viewer.form(user, what), within=TOLD_SEC)
        if form is None:
            return False
        values: Json = {"comment": {"comment": "not today"}, "category": {"category": "other"}}
        if what == "edit":
            values = {
                "field:/order": {"value": str(chance.randrange(10_000, 99_999))},
                "then": {"then": "approve"},
            }
        did = await slack.act("submit", user=user, view_id=form["id"], values=values)
        if not did["ok"]:
            await slack.act("close_view", user=user, clear=True)
        return did["ok"]


def _digest(payload: Json) -> str:
    """SHA-256 over RFC 8785, for payloads of ASCII strings and small integers."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
