"""One SQLite file serves one gate; command-line verbs work beside it, and a killed gate leaves no stale lock."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.running import town
from tests.harness.processes import Processes

CANNOT = 3


async def test_a_second_gate_on_the_same_file_is_refused(processes: Processes, tmp_path: Path) -> None:
    """Threat 32: it says what holds the file and what to do, exits with 3, and the first one serves on."""
    async with town(processes, tmp_path) as (gate, _):
        second = processes.gate("serve", env=gate.env, cwd=tmp_path)
        assert await second.await_exit() == CANNOT
        assert f"is in use by another process (process {gate.process.pid})" in second.output
        assert "PostgreSQL" in second.output
        assert "Traceback" not in second.output
        assert (await gate.propose("work.free"))["status"] == "allowed"
        await gate.crash()
        await gate.start()
        assert (await gate.propose("work.free"))["status"] == "allowed"


async def test_a_key_made_while_the_gate_runs_works_at_once(processes: Processes, tmp_path: Path) -> None:
    """`gate agents add`, `list` and `revoke` beside a serving gate."""
    async with town(processes, tmp_path) as (gate, _):
        added = processes.gate(
            *("agents", "add", "newcomer", "--team", "support", "--owner", "own", "--json"),
            env=gate.env,
            cwd=tmp_path,
        )
        assert await added.await_exit() == 0, added.output
        gate.key = json.loads(added.output)["key"]
        document = await gate.propose("work.free")
        assert (document["status"], document["agent"]) == ("allowed", "newcomer")
        revoked = processes.gate("agents", "revoke", "newcomer", env=gate.env, cwd=tmp_path)
        assert await revoked.await_exit() == 0, revoked.output
        status, problem, _ = await gate.ask("GET", f"/v1/actions/{document['id']}")
        assert (status, problem["code"]) == (401, "unauthenticated")
