"""The stage every bot test plays on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.bot.stage import Stage, stage


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    """A connected bot with its outbox worker."""
    async with stage(tmp_path) as running:
        yield running
