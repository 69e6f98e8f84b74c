"""What the README and the how-to tell people to type works as they print it, against a gate that runs."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.browser.town import Town, town_in
from tests.harness.processes import Processes

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOWTO = (ROOT / "docs" / "howto" / "write-a-policy.md").read_text(encoding="utf-8")
PYTHON = (ROOT / "docs" / "howto" / "use-from-python.md").read_text(encoding="utf-8")
PEOPLE = ROOT / "policies" / "people.yaml"

CURL = """#!{python}
import json, sys, urllib.error, urllib.request
url, headers, body, rest = "", {{}}, None, sys.argv[1:]
while rest:
    word = rest.pop(0)
    if word == "-H":
        name, _, value = rest.pop(0).partition(": ")
        headers[name] = value
    elif word == "-d":
        body = rest.pop(0).encode()
    elif word != "-s":
        url = word
request = urllib.request.Request(url, body, headers)
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=70)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps({{"status": answer.status, "document": json.load(answer)}}))
"""
"""Stands in for curl, so that the status can be seen and no machine needs one: exactly the options printed."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "bin").mkdir()
    curl = folder / "bin" / "curl"
    curl.write_text(CURL.format(python=sys.executable), encoding="utf-8")
    curl.chmod(0o755)
    with town_in(folder, ROOT / "policies", PEOPLE) as running:
        yield running


class Shell:
    """Types what is printed into sh, in the folder of the gate."""

    def __init__(self, town: Town, processes: Processes) -> None:
        self._town = town
        self._processes = processes

    async def type(self, block: str, **variables: str) -> str:
        path = f"{self._town.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        env = {**self._town.env, "PATH": path, "GATE_URL": self._town.url, **variables}
        if "gate agents" in block:
            del env["GATE_URL"]  # the gate's own commands refuse settings they do not know
        running = self._processes.start("sh", "-euc", block, env=env, cwd=self._town.folder)
        assert await running.await_exit(within=80) == 0, running.output
        return running.output

    async def answer(self, block: str, **variables: str) -> tuple[int, dict[str, Any]]:
        found = json.loads(await self.type(block, **variables))
        return found["status"], found["document"]


@pytest.fixture
def shell(town: Town, processes: Processes) -> Shell:
    return Shell(town, processes)


class Reviewer:
    """Presses Approve on the first card that comes after they sat down."""

    def __init__(self, http: aiohttp.ClientSession, page: str, user: str) -> None:
        self._http = http
        self._page = page
        self._user = user
        self._position = ""

    async def sit_down(self) -> None:
        async with self._http.get(f"{self._page}/sandbox/state") as answer:
            self._position = (await answer.json())["position"]

    async def approve(self) -> None:
        card = await self._card()
        body = {"act": "click", "user": self._user, "channel": card["channel"], "ts": card["ts"]}
        async with self._http.post(
            f"{self._page}/sandbox/act", json={**body, "action_id": "approve"}
        ) as answer:
            assert (await answer.json())["ok"]

    async def _card(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            async with self._http.get(
                f"{self._page}/sandbox/events", params={"since": self._position}
            ) as changes:
                async for line in changes.content:
                    if line.startswith(b"data: ") and b'"signoff_card"' in line:
                        return json.loads(line.removeprefix(b"data: "))
        raise AssertionError("the workspace closed its stream")


async def test_the_shell_blocks_make_keys_propose_and_redeem(town: Town, shell: Shell) -> None:
    typed = blocks(README, "sh")
    assert len(typed) == 3, "an example was added: run it here too"
    keys, propose, redeem = typed
    agent_key, executor_key = re.findall(r"^sgk_\S+$", await shell.type(keys), re.MULTILINE)

    async with aiohttp.ClientSession() as http:
        ana = Reviewer(http, town.page, "U0ANA")
        await ana.sit_down()
        _, (status, document) = await asyncio.gather(
            ana.approve(), shell.answer(propose, AGENT_KEY=agent_key)
        )
    assert status == 200
    assert (document["status"], document["rule"], document["risk"]) == ("approved", "larger-money", "high")
    again_status, again = await shell.answer(propose, AGENT_KEY=agent_key)
    assert (again_status, again["id"]) == (200, document["id"]), "the same call again finds the same action"

    run = {
        "EXECUTOR_KEY": executor_key,
        "TOKEN": document["grant"]["token"],
        "PAYLOAD": json.dumps(document["payload"]),
    }
    status, refused = await shell.answer(redeem, **{**run, "PAYLOAD": '{"order": "881", "amount": 14000}'})
    assert (status, refused["code"]) == (403, "payload_mismatch")
    status, redeemed = await shell.answer(redeem, **run)
    assert (status, redeemed["action"]) == (200, document["id"])
    status, refused = await shell.answer(redeem, **run)
    assert (status, refused["code"]) == (409, "grant_redeemed")


async def keys_of(shell: Shell, typed: str) -> dict[str, str]:
    agent_key, executor_key = re.findall(r"^sgk_\S+$", await shell.type(typed), re.MULTILINE)
    return {"AGENT_KEY": agent_key, "EXECUTOR_KEY": executor_key}


async def python(town: Town, processes: Processes, block: str, keys: dict[str, str]) -> str:
    """What a program of this text prints; a warning ends it."""
    program = town.folder / "program.py"
    program.write_text(block, encoding="utf-8")
    env = {"GATE_URL": town.url, "PYTHONPATH": str(ROOT), **keys}
    running = processes.start(sys.executable, "-W", "error", program, env=env, cwd=town.folder)
    assert await running.await_exit(within=80) == 0, running.output
    return running.output


async def test_the_printed_function_waits_for_a_person_and_runs(
    town: Town, shell: Shell, processes: Processes
) -> None:
    (printed,) = blocks(README, "python")
    typed = blocks(README, "sh")[0].replace("support-bot", "python-bot").replace("payments ", "python-payer ")
    keys = await keys_of(shell, typed)
    async with aiohttp.ClientSession() as http:
        ana = Reviewer(http, town.page, "U0ANA")
        await ana.sit_down()
        _, said = await asyncio.gather(ana.approve(), python(town, processes, printed, keys))
    assert said == "refunded 1400 to order 881"


async def test_every_program_of_the_python_how_to_does_what_it_says(
    town: Town, shell: Shell, processes: Processes
) -> None:
    (typed,) = blocks(PYTHON, "sh")
    keys = await keys_of(shell, typed)
    said = await python(town, processes, "\n".join(blocks(PYTHON, "python")), keys)
    assert said.splitlines() == [
        "refunded 40",
        "running {'amount': 40, 'note': 'double charge', 'order': '881'} "
        "within {'max_amount_usd': 100, 'max_runtime_sec': 30, 'max_retries': 1}",
        "refused: Production data is never dropped by an agent",
    ]


async def test_the_printed_policy_loads_and_acts_as_it_reads(processes: Processes, tmp_path: Path) -> None:
    (printed,) = blocks(README, "yaml")
    (tmp_path / "printed.yaml").write_text(printed, encoding="utf-8")
    action = {
        "topic": "job.deploy.web",
        "payload": {},
        "summary": "Deploy",
        "risk_tags": ["prod", "write"],
    }
    (tmp_path / "action.json").write_text(json.dumps(action), encoding="utf-8")
    explained = processes.gate(
        *("policy", "explain", "action.json", "--policies", ".", "--people", PEOPLE, "--json"), cwd=tmp_path
    )
    assert await explained.await_exit() == 0, explained.output
    verdict = json.loads(explained.output)
    found = json.dumps(verdict)
    assert '"decision": "require_approval"' in found
    assert '"rule": "approve-prod-deploys"' in found
    assert '"max_runtime_sec": 900' in found


def printed_yaml(page: str) -> list[str]:
    """Fenced and indented blocks of a page that are YAML."""
    indented = re.findall(r"(?:^(?: {4}.*|)\n)+", page, re.MULTILINE)
    found = [textwrap.dedent(block).strip() + "\n" for block in indented if block.strip()]
    fenced = [block for language in ("yaml", "yml") for block in blocks(page, language)]
    return fenced + [block for block in found if re.match(r"(# .*\n)*[a-z_]+:", block)]


async def test_every_policy_of_the_how_to_loads_and_its_cases_pass(
    processes: Processes, tmp_path: Path
) -> None:
    found = printed_yaml(HOWTO)
    cases = [block for block in found if re.search(r"^cases:", block, re.MULTILINE)]
    rest = [block for block in found if block not in cases]
    assert cases
    assert rest
    # A block without a version goes on with the document printed above it.
    documents: list[str] = []
    for block in rest:
        if re.search(r"^version:", block, re.MULTILINE):
            documents.append(block)
        else:
            documents[-1] += block
    policies = tmp_path / "policies"
    (policies / "cases").mkdir(parents=True)
    shutil.copy(PEOPLE, policies / "people.yaml")
    for number, document in enumerate(documents):
        (policies / f"printed{number}.yaml").write_text(document, encoding="utf-8")
    for number, document in enumerate(cases):
        (policies / "cases" / f"printed{number}.yaml").write_text(document, encoding="utf-8")
    commands = re.findall(r"^    (gate policy .*)$", HOWTO, re.MULTILINE)
    assert commands
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for command in commands:
        running = processes.start("sh", "-euc", command, env=env, cwd=tmp_path)
        assert await running.await_exit() == 0, f"{command}: {running.output}"
