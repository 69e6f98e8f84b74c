"""A deployment and a workspace for `gate doctor` to look at, and what it said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bot.sandbox import RateLimits, Sandbox, Workspace
from gate.policy.people import parse_people
from gate.wiring.sandbox import sandbox_workspace
from tests.fakes.world import PEOPLE
from tests.integration.cli.conftest import House

NOWHERE = "http://127.0.0.1:1"


@dataclass
class Visit:
    """What one run of the doctor said."""

    code: int
    checks: list[dict[str, Any]]

    def of(self, subject: str) -> dict[str, Any]:
        (line,) = [check for check in self.checks if check["subject"] == subject]
        return line

    def failed(self) -> set[str]:
        return {check["subject"] for check in self.checks if check["state"] == "fail"}


@dataclass
class Practice:
    """A deployment's folder and its workspace."""

    house: House
    slack: Sandbox

    @property
    def env(self) -> dict[str, str]:
        app = self.slack.workspace.app
        return {
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_BOT_TOKEN": app.bot_token,
            "SLACK_APP_TOKEN": app.app_token,
        }

    def people(self, old: str, new: str) -> None:
        path = self.house.folder / "policies" / "people.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    async def visit(self, *options: str, url: str = NOWHERE, **environment: str) -> Visit:
        done = await asyncio.to_thread(
            self.house.gate, "doctor", "--json", "--url", url, *options, **self.env | environment
        )
        assert "Traceback" not in done.stderr, done.stderr
        found = json.loads(done.stdout)
        assert found["healthy"] == (done.returncode == 0)
        return Visit(done.returncode, found["checks"])

    async def look(self, **environment: str) -> Visit:
        return await self.visit("--no-test-card", **environment)

    def cards(self) -> list[dict[str, Any]]:
        return [
            message
            for channel in self.slack.state.channels
            for message in self.slack.messages(channel)
            if (message.get("metadata") or {}).get("event_type") == "signoff_card"
        ]


def workspace() -> Workspace:
    return sandbox_workspace(parse_people(PEOPLE))


@asynccontextmanager
async def practice(house: House, described: Workspace | None = None) -> AsyncIterator[Practice]:
    async with Sandbox(described or workspace(), rate_limits=RateLimits(enabled=False)) as slack:
        await asyncio.to_thread(house.json, "agents", "list")  # makes the database
        yield Practice(house, slack)
