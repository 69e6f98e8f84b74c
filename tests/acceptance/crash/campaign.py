"""Agents, executors and reviewers at work on a gate that is killed again and again; history.py judges the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.acceptance.crash.history import TERMINAL, Log, Remains, problems
from tests.acceptance.running import (
    LANES,
    SLACK_IDS,
    Gate,
    Json,
    Slack,
    buttons,
    card_action,
    ephemerals,
    gathered,
    proposal,
)

NOTICED = ("chat.postMessage", "chat.update", "chat.postEphemeral", "users.info")
"""Calls to Slack after which a kill hits a gate in the middle of something."""
TOPICS = (*(f"work.lane-{n}" for n in range(LANES)), "work.pair", "work.brief", "work.free")
_TOLD_SEC = 3.0


@dataclass
class Campaign:
    """One run. `kills` is how often the gate is killed, `actions` how many are proposed; `seed` fixes every choice
    that is not the machine's."""

    gate: Gate
    slack: Slack
    seed: int
    kills: int
    actions: int
    log: Log = field(default_factory=Log)
    _left: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, *, within: float, settling: float = 60) -> list[str]:
        """Everything from the first proposal to the judgement; the problems found. `within` bounds the work,
        `settling` how long messages may take to follow afterwards; both in seconds."""
        self._left = self.actions
        async with asyncio.timeout(within):
            reviewing = [
                asyncio.create_task(self._review(person, _chance(self.seed, number)))
                for number, person in enumerate(("ana", "bo"))
            ]
            try:
                await gathered(
                    self._kill(_chance(self.seed, 20)),
                    *(self._propose(_chance(self.seed, 10 + n), f"a{n}") for n in range(4)),
                    _unless_broken(reviewing, self._over),
                )
            finally:
                for task in reviewing:
                    task.cancel()
                await asyncio.gather(*reviewing, return_exceptions=True)
        return await self.settled(within=settling)

    async def settled(self, *, within: float) -> list[str]:
        """What is still wrong once nothing more changes, or after `within` seconds."""
        found = ["nothing was looked at"]
        with suppress(AssertionError):
            loop = asyncio.get_running_loop()
            until = loop.time() + within
            while found and loop.time() < until:
                found = problems(self.log, await self._remains())
                if found:  # cards follow their actions; each of their changes is looked at
                    with suppress(AssertionError):
                        await self.slack.until(_changed_since(await self.slack.state()), within=1)
        waiting = await self.gate.outbox()
        if waiting["dead"]:
            found.append(f"INV-34: {waiting['dead']} dead letters: {waiting['messages']}")
        return found

    async def _remains(self) -> Remains:
        records = await self.gate.records()
        ids = {record["action"] for record in records if record["action"]}
        ids |= {action for _, action in self.log.answers}
        documents = {each: await self.gate.action(each) for each in sorted(ids)}
        state = await self.slack.state()
        return Remains(
            actions={each: d for each, d in documents.items() if "status" in d and d.get("id") == each},
            records=records,
            messages=state["messages"],
        )

    # -- those who act ------------------------------------------------------------------------------------

    async def _propose(self, chance: random.Random, name: str) -> None:
        number = 0
        while self._left > 0:
            self._left -= 1
            number += 1
            await self._one(chance, f"{self.seed}-{name}-{number}")

    async def _one(self, chance: random.Random, key: str) -> None:
        topic = chance.choice(TOPICS)
        body = proposal(topic, payload={"key": key, "order": chance.randrange(10_000)})
        times = chance.choice((1, 1, 2, 3))
        answers = await asyncio.gather(
            *(self.gate.insist("POST", "/v1/actions", body, Idempotency_Key=key) for _ in range(times))
        )
        for status, document in answers:
            assert status in (200, 202), document
            self.log.answers.append((key, document["id"]))
            self._seen(document)
        document = answers[0][1]
        if chance.random() < 0.15 and document["status"] == "pending":
            await self.gate.insist("POST", f"/v1/actions/{document['id']}/cancel", {"reason": "not needed"})
        while document["status"] not in TERMINAL:
            document = await self.gate.action(document["id"], wait=60)
            self._seen(document)
        if document["status"] in ("approved", "allowed"):
            await self._execute(document)

    async def _execute(self, document: Json) -> None:
        """Two executors at once, each of which tries again when its answer was lost."""
        if document["grant"] is None:
            document = await self.gate.action(document["id"])
        if document["grant"] is None:
            return  # its twin's executor was quicker, and there is nothing to collect any more
        body = {"token": document["grant"]["token"], "payload": document["payload"]}
        answers = await asyncio.gather(
            *(self.gate.insist("POST", "/v1/grants/redeem", body) for _ in range(2))
        )
        for status, answer in answers:
            assert status == 200 or answer["code"] == "grant_redeemed", answer
            if status == 200:
                self.log.redeemed.append(document["id"])

    def _seen(self, document: Json) -> None:
        if document["status"] in TERMINAL:
            self.log.ends.append((document["id"], document["status"]))

    async def _review(self, person: str, chance: random.Random) -> None:
        """Click on whatever still has buttons, again where nothing was said."""
        user = SLACK_IDS[person]
        done: set[str] = set()

        def open_card(state: Json) -> Json | None:
            waiting = [
                m
                for m in state["messages"]
                if m["channel"] != "C0APPROVALS"  # those are left to their deadlines
                and (action := card_action(m)) is not None
                and action not in done
                and "approve" in buttons(m)
            ]
            return chance.choice(waiting) if waiting else None

        while True:
            card = await self.slack.until(open_card, within=600)
            action = card_action(card) or ""
            choice = "reject" if chance.random() < 0.2 else "approve"
            before = max((e["ts"] for e in ephemerals(await self.slack.state(), user)), default="")
            did = await (self._reject(user, card) if choice == "reject" else self.slack.click(user, card))
            if not did["ok"]:
                await self.gate.up.wait()
                continue
            with suppress(AssertionError):
                said = await self.slack.told(user, "", after=before, within=_TOLD_SEC)
                done.add(action)
                if said["text"].startswith(("Approved.", "Your approval counts.")):
                    self.log.votes.append((person, action, "approve"))
                elif said["text"].startswith("Rejected."):
                    self.log.votes.append((person, action, "reject"))

    async def _reject(self, user: str, card: Json) -> Json:
        did = await self.slack.click(user, card, "reject")
        if not did["ok"]:
            return did
        try:
            modal = await self.slack.until(
                lambda state: next(
                    (v for v in state["stacks"].get(user, ())[-1:] if v["callback_id"] == "reject"), None
                ),
                within=_TOLD_SEC,
            )
        except AssertionError:
            return {"ok": False}
        values = {"comment": {"comment": "not today"}, "category": {"category": "other"}}
        did = await self.slack.act("submit", user=user, view_id=modal["id"], values=values)
        if not did["ok"]:
            await self.slack.act("close_view", user=user, clear=True)
        return did

    # -- the crashes --------------------------------------------------------------------------------------

    async def _kill(self, chance: random.Random) -> None:
        for _ in range(self.kills):
            await self._moment(chance)
            if chance.random() < 0.3:
                self.gate.process.freeze()  # requests pile up at a gate that is there and does nothing
                await asyncio.sleep(chance.uniform(0.05, 0.3))
            await self.gate.crash()
            running = self.gate.launch()
            if chance.random() < 0.2:
                await asyncio.sleep(chance.uniform(0.5, 1.5))
                await self.gate.crash()  # while it starts, or has just started
                running = self.gate.launch()
            await self.gate.launched(running)
        await self.gate.connected()
        self._over.set()

    async def _moment(self, chance: random.Random) -> None:
        """Some moment: by the clock, or right after a call to Slack was received."""
        if chance.random() < 0.5:
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            return
        method = chance.choice(NOTICED)
        with suppress(TimeoutError, aiohttp.ClientError):
            seen = len(await self.slack.calls(method))
            await self.slack.until_called(method, seen + 1, within=2.5)


def _chance(seed: int, who: int) -> random.Random:
    return random.Random(seed * 101 + who)  # noqa: S311 - choices to be made again in the same order


def _changed_since(before: Json) -> Callable[[Json], bool]:
    return lambda state: state["position"] != before["position"]


async def _unless_broken(tasks: list[asyncio.Task[None]], over: asyncio.Event) -> None:
    """Waits for the last crash; a reviewer that failed fails the run at once."""
    waiting: Awaitable[object] = asyncio.ensure_future(over.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
