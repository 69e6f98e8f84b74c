"""A folder with policies, and the `gate` command in it, as a real process."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.world import PEOPLE, POLICY
from tests.harness.processes import Processes, Running

ANY_PORT = {"GATE_BIND": "127.0.0.1:0", "GATE_SANDBOX_BIND": "127.0.0.1:0"}
ROOT = Path(__file__).parents[3]


@dataclass
class House:
    """A deployment's folder. `gate` runs a verb to its end, `start` leaves it running."""

    folder: Path
    processes: Processes

    def gate(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.processes.finished(*arguments, env=environment, cwd=self.folder)

    def json(self, *arguments: str, **environment: str) -> Any:
        done = self.gate(*arguments, "--json", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str, **environment: str) -> Running:
        return self.processes.gate(*arguments, env=ANY_PORT | environment, cwd=self.folder)

    def serve(self, **environment: str) -> tuple[Running, str]:
        """A serving gate and the address of its API."""
        running = self.start("serve", **environment)
        return running, running.expect(r"^API +(http://\S+)").group(1)


@pytest.fixture
def house(tmp_path: Path, processes: Processes) -> House:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "p.yaml").write_text(POLICY)
    (policies / "people.yaml").write_text(PEOPLE)
    return House(tmp_path, processes)


@pytest.fixture
def shipped(tmp_path: Path, processes: Processes) -> House:
    """The same with the policies of the repository."""
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    return House(tmp_path, processes)
