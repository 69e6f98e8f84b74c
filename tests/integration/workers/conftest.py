"""The workers on a real store of each engine, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gate.metrics import Metrics
from tests.fakes.world import World, world


@pytest.fixture(params=["sqlite", "postgresql"])
async def gate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    url = (
        f"sqlite:///{tmp_path / 'var' / 'gate.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("migrated_postgres_url")
    )
    async with world(url, tmp_path / "keys") as made:
        yield made


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()
