"""A gate behind real HTTP: real store, policy and signatures, on a port the system chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gate.keyring.checkpoints import CheckpointSigner, load_checkpoint_signer
from tests.integration.http.door import Door, open_door


@pytest.fixture
def notary(tmp_path: Path) -> CheckpointSigner:
    """Signs checkpoints of the record, where a test says so."""
    return load_checkpoint_signer(tmp_path / "record-keys")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", tmp_path / "keys") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def each_door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    url = (
        f"sqlite:///{tmp_path / 'var' / 'gate.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("migrated_postgres_url")
    )
    async with open_door(url, tmp_path / "keys") as made:
        yield made
