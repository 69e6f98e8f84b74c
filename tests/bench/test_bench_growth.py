"""What a gate costs when it has stored a thousand, a hundred thousand and millions of actions, and with ten to ten
thousand rules; what many pending requests cost, `test_bench_timers.py` tells."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from gate.config import Settings
from tests.bench.contenders import Contender, Installed, cpu, gate, installed, keep, load, resident
from tests.bench.rules import rules_text
from tests.bench.seeding import grow
from tests.harness.postgres import PostgresServer

pytestmark = pytest.mark.bench

LARGEST = int(os.environ.get("GATE_TEST_GROWTH", "100000"))
"""How many actions the largest gate has stored; five million take some 25 GB for a while, and a quarter of an hour."""
SIZES = sorted({1_000, min(LARGEST, 100_000), LARGEST})
RULES = (10, 1_000, 10_000)
ROUNDS = int(os.environ.get("GATE_TEST_BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("GATE_TEST_BENCH_SECONDS", "3"))
RATE = 100.0
"""Requests a second, far below what one gate takes: what a request costs is asked here, not how many there can be."""
EACH = 150
"""Requests of a kind in a round, one after the other."""
AT_MOST_SEC = 1.5
HELD_TO = 1.5

PATTERNS, RARE = 600, 60
POLICY = "\n".join(
    [
        rules_text(100),
        "- {id: often, match: {topics: [job.often.note], velocity: {max: 10000000, per: 1h, key: [agent]}}, "
        "decision: throttle}",
        "- {id: fine, match: {topics: [job.often.note, job.rare.note]}, decision: allow}",
    ]
)

Json = dict[str, Any]
Request = tuple[str, str, Json | None]


class Caller:
    """One connection to a gate, one request at a time; to be closed."""

    def __init__(self, gate: Contender) -> None:
        self._gate = gate
        self._line = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=120)

    def close(self) -> None:
        self._line.close()

    def ask(self, method: str, path: str, body: Json | None = None, *, expected: int = 200) -> Json:
        sent = None if body is None else json.dumps(body)
        head = {"Authorization": f"Bearer {self._gate.key}", "Content-Type": "application/json"}
        self._line.request(method, path, sent, head)
        answer = self._line.getresponse()
        text = answer.read()
        assert answer.status == expected, (method, path, answer.status, text[:1000])
        found: Json = json.loads(text)
        return found

    def timed(self, requests: Iterable[Request]) -> Json:
        """Each once, for `AT_MOST_SEC` at most; with the gate's processor time for each."""
        before, end = cpu(self._gate.pid), time.perf_counter() + AT_MOST_SEC
        taken: list[float] = []
        for request in requests:
            began = time.perf_counter()
            self.ask(*request)
            taken.append(time.perf_counter() - began)
            if began > end:
                break
        spent = (cpu(self._gate.pid) - before) / len(taken) * 1e6
        taken.sort()
        p50, p99 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99))
        return {"p50_ms": p50, "p99_ms": p99, "cpu_us": spent, "asked": len(taken)}


def proposal(number: int, topic: str, **more: Any) -> Json:
    payload = {"amount": 1450, "currency": "EUR", "order": f"O-{number:08}", "note": "Charged twice. " * 12}
    return {
        "topic": topic,
        "summary": "Refund the second payment of an order",
        "tool": "payments.refund",
        "risk": "low",
        "confidence": 0.97,
        "amount_usd": 14.5,
        "payload": payload,
        **more,
    }


@dataclass(kw_only=True)
class Grown:
    """A gate on a database of some size, and what has been measured of it."""

    size: int
    gate: Contender
    like: Sequence[str]
    oldest: Sequence[str]
    start_cpu: float
    found: dict[str, list[Json]] = field(default_factory=dict)

    def measure(self) -> None:
        """One round of everything."""
        self._add("allow, 100 a second", load(self.gate, seconds=SECONDS, rate=RATE))
        prefix = f"again-{next(_numbers)}-"
        load(self.gate, seconds=SECONDS + 0.5, rate=RATE, prefix=prefix)
        self._add("the same again", load(self.gate, seconds=SECONDS, rate=RATE, prefix=prefix))
        self._add("with a velocity rule", load(self.gate, seconds=SECONDS, rate=RATE, topic="job.often.note"))
        with closing(Caller(self.gate)) as caller:
            for name, requests in self._questions(caller).items():
                self._add(name, caller.timed(islice(requests, EACH)))

    def _questions(self, caller: Caller) -> dict[str, Iterator[Request]]:
        page = "/v1/actions?limit=50"
        tokens = [
            caller.ask("POST", "/v1/actions", proposal(next(_numbers), "job.area3.note"))["grant"]["token"]
            for _ in range(EACH)
        ]
        size = caller.ask("GET", "/v1/audit/proof/inclusion?record=0")["size"]
        draw = random.Random(size)  # noqa: S311 - any record will do
        tail = caller.ask("GET", f"/v1/audit/records?action={self.like[0]}")["items"][0]["at"]
        return {
            "an action of today": _each(f"/v1/actions/{one}" for one in self.like),
            "an action of last year": _each(f"/v1/actions/{one}" for one in self.oldest),
            "newest page": _always(page),
            "page of an agent": _always(f"{page}&agent=bench"),
            "page of a topic": _always(f"{page}&topic=job.rare.note"),
            "page of a glob": _always(f"{page}&topic=job.rare.*"),
            "page of what was denied": _always(f"{page}&status=denied"),
            "page of what was throttled": _always(f"{page}&status=throttled"),
            "redeem": (
                ("POST", "/v1/grants/redeem", {"token": one, "payload_sha256": _sha_of(one)})
                for one in tokens
            ),
            "inclusion proof": _each(
                f"/v1/audit/proof/inclusion?record={draw.randrange(size)}" for _ in range(EACH)
            ),
            "record of an action": _each(f"/v1/audit/records?action={one}" for one in self.like),
            "record of today": _always(f"/v1/audit/records?limit=50&since={tail}"),
            "record of a rare kind": _always("/v1/audit/records?limit=50&kind=approval.granted"),
            "record of a person": _always("/v1/audit/records?limit=50&actor=person:ana"),
        }

    def _add(self, name: str, one: Json) -> None:
        assert "answers" not in one or set(one["answers"]) == {"200"}, one
        self.found.setdefault(name, []).append(one)


_numbers = counting(1)


def idle(gate: Contender, seconds: float = 4.0) -> float:
    """ms of processor time a second while nobody asks."""
    before = cpu(gate.pid)
    time.sleep(seconds)
    return (cpu(gate.pid) - before) / seconds * 1000


def _each(paths: Iterable[str]) -> Iterator[Request]:
    return (("GET", path, None) for path in paths)


def _always(path: str) -> Iterator[Request]:
    return _each(path for _ in range(EACH))


def _sha_of(token: str) -> str:
    middle = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return str(claims["payload_sha256"])


def _made(place: Installed) -> tuple[list[str], list[str]]:
    """The ids of what a real gate took: patterns of everyday actions, and some of a topic that nothing else has."""
    with place.serving() as serving, closing(Caller(serving)) as caller:
        rare = [caller.ask("POST", "/v1/actions", proposal(n, "job.rare.note"))["id"] for n in range(RARE)]
        patterns: list[str] = []
        for number in range(PATTERNS):
            topic = f"job.area{number % 23}.note"
            if number % 20 == 7:
                risky = proposal(number, f"job.area{number % 23}.write", risk_tags=["prod"])
                taken = caller.ask("POST", "/v1/actions", risky, expected=202)
                caller.ask("POST", f"/v1/actions/{taken['id']}/cancel", {})
            elif number % 10 == 3:
                taken = caller.ask(
                    "POST", "/v1/actions", proposal(number, topic, risk_tags=["prod", "delete"])
                )
            else:
                taken = caller.ask("POST", "/v1/actions", proposal(number, topic))
                if number % 2:
                    token = taken["grant"]["token"]
                    told = {"token": token, "payload_sha256": taken["payload_sha256"]}
                    caller.ask("POST", "/v1/grants/redeem", told)
                    caller.ask("POST", f"/v1/actions/{taken['id']}/outcome", {"result": "succeeded"})
            patterns.append(taken["id"])
        deadline = time.monotonic() + 60
        while caller.ask("GET", "/v1/audit/proof/inclusion?record=0")["size"] < PATTERNS:
            assert time.monotonic() < deadline
    return patterns, rare


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_is_stored_costs_nothing(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Gates that are alike but for what they have stored, measured in turn in each round."""
    with ExitStack() as until:
        grown = [_grown(engine, size, tmp_path, request, until) for size in SIZES]
        for each in grown:
            load(each.gate, seconds=2, rate=RATE)
        for _ in range(ROUNDS):
            for each in grown:
                each.measure()
        stages: dict[str, list[float]] = {
            "start-up, s": [each.gate.started_sec for each in grown],
            "start-up, s of processor": [each.start_cpu for each in grown],
            "memory in the end, MB": [resident(each.gate.pid) for each in grown],
            "idle, ms of processor a second": [idle(each.gate) for each in grown],
        }
    print(f"\n  {engine}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds")
    _tell([f"{size:,}" for size in SIZES], [each.found for each in grown], stages)
    kept = {"sizes": SIZES, "found": [each.found for each in grown], "stages": stages}
    keep(f"growth_{engine}", {"load": os.getloadavg()[0], **kept})


def _grown(engine: str, size: int, folder: Path, request: pytest.FixtureRequest, until: ExitStack) -> Grown:
    if engine == "postgresql":
        server: PostgresServer = request.getfixturevalue("durable_postgres")
        name = server.create()
        until.callback(server.drop, name)
        url = server.url_of(name)
    else:
        url = f"sqlite:///{folder / str(size) / 'gate.db'}"
        until.callback(lambda: [each.unlink() for each in (folder / str(size)).glob("gate.db*")])
    place = installed(folder / str(size), f"{size:,}", url, policy=POLICY)
    patterns, rare = _made(place)
    settings = Settings(database_url=url, keys=place.folder / "keys")
    began = time.perf_counter()
    asyncio.run(grow(settings, size, like=patterns, oldest=rare))
    print(f"\n  {engine}: {size:,} actions seeded in {time.perf_counter() - began:.0f} s")
    serving = until.enter_context(place.serving())
    return Grown(size=size, gate=serving, like=patterns, oldest=rare, start_cpu=cpu(serving.pid))


@pytest.mark.timeout(900)
def test_rules_cost_nothing(tmp_path: Path) -> None:
    """Gates on SQLite with ten, a thousand and ten thousand rules, in turn in each round."""
    with ExitStack() as until:
        gates = [
            until.enter_context(
                gate(
                    tmp_path / str(rules), f"{rules:,}", f"sqlite:///{tmp_path / f'{rules}.db'}", rules=rules
                )
            )
            for rules in RULES
        ]
        found: list[dict[str, list[Json]]] = [{"allow, 100 a second": []} for _ in gates]
        for each in gates:
            load(each, seconds=1, rate=RATE, topic="job.area0.note")
        for _ in range(ROUNDS):
            for each, mine in zip(gates, found, strict=True):
                one = load(each, seconds=SECONDS, rate=RATE, topic="job.area0.note")
                assert set(one["answers"]) == {"200"}, one
                mine["allow, 100 a second"].append(one)
        stages = {
            "start-up, s": [each.started_sec for each in gates],
            "memory, MB": [resident(each.pid) for each in gates],
            "idle, ms of processor a second": [idle(each) for each in gates],
            "policy read again, s of processor": [_read_again(each, tmp_path) for each in gates],
        }
    print(f"\n  rules, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds")
    _tell([f"{rules:,}" for rules in RULES], found, stages)
    keep("growth_rules", {"load": os.getloadavg()[0], "rules": RULES, "found": found, "stages": stages})


def _read_again(gate: Contender, folder: Path) -> float:
    """Processor time from a changed file until the gate decides by it."""
    with closing(Caller(gate)) as caller:
        before = caller.ask("GET", "/v1/policy")["digest"]
        spent, end = cpu(gate.pid), time.monotonic() + 120
        place = folder / gate.name.replace(",", "") / "policies" / "bench.yaml"
        with place.open("a", encoding="utf-8") as file:
            file.write("\n- {id: more, match: {topics: [job.more.note]}, decision: deny, reason: One more}\n")
        while caller.ask("GET", "/v1/policy")["digest"] == before:
            assert time.monotonic() < end
            time.sleep(0.2)  # it looks for news by itself; asking it meanwhile would be counted
    return cpu(gate.pid) - spent


def _tell(
    heads: Sequence[str], found: Sequence[dict[str, list[Json]]], stages: dict[str, list[float]]
) -> None:
    """For each thing what it is at each size, and how many times that of the smallest."""
    print(f"  {'':34}" + "".join(f"{head:>27}" for head in heads))
    print(f"  {'':34}" + f"{'p50 ms   p99 ms    CPU µs':>27}" * len(heads) + "     p99 ×    CPU ×")
    for name in found[0]:
        figures = [
            [
                statistics.median(one[figure] for one in each[name])
                for figure in ("p50_ms", "p99_ms", "cpu_us")
            ]
            for each in found
        ]
        row = "".join(f"{p50:10.2f} {p99:8.2f} {spent:8,.0f}" for p50, p99, spent in figures)
        times = [figures[-1][place] / max(figures[0][place], 1e-9) for place in (1, 2)]
        mark = "" if times[1] <= HELD_TO else "  <-"
        print(f"  {name:34}{row} {times[0]:9.2f} {times[1]:8.2f}{mark}")
    for name, each in stages.items():
        print(
            f"  {name:34}"
            + "".join(f"{one:27.2f}" for one in each)
            + f" {each[-1] / max(each[0], 1e-9):18.2f}"
        )
