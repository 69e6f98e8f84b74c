"""Old months at the terminal: looked at, exported, taken out, and found again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from gate.domain.audit import timestamp
from gate.keyring.checkpoints import load_checkpoint_signer
from gate.metrics import Metrics
from gate.workers.months import MonthKeeper
from gate.workers.sequencer import Sequencer
from tests.fakes.world import world
from tests.integration.cli.conftest import House


async def _grown_old(house: House) -> str:
    """A database whose gate decided something in November 2015 and something a month later; the first action."""
    keys = house.folder / "var" / "keys"
    async with world(f"sqlite:///{house.folder / 'var' / 'gate.db'}", keys) as gate:
        months = MonthKeeper(store=gate.store, clock=gate.clock)
        signing = Sequencer(
            store=gate.store,
            clock=gate.clock,
            wakeups=gate.deps.wakeups,
            notary=load_checkpoint_signer(keys),
            metrics=Metrics(),
        )
        await gate.record_policy()
        made: list[str] = []
        for month in (11, 12):
            gate.clock.at = datetime(2015, month, 2, tzinfo=UTC)
            await months.look()
            made.append((await gate.propose("crm.read", payload={"id": month})).record.id)
            gate.clock.pass_(seconds=5)
            await signing.look()
    return made[0]


@pytest.fixture
def old(house: House) -> tuple[House, str]:
    (house.folder / "var").mkdir(mode=0o700, exist_ok=True)
    return house, asyncio.run(_grown_old(house))


def verified(house: House, *arguments: str) -> list[str]:
    done = house.gate("audit", "verify", *arguments, "--json")
    return [each["kind"] for each in json.loads(done.stdout)["found"]]


def test_an_old_month_is_taken_out_and_found_again(old: tuple[House, str]):
    """INV-50: by the verbs alone; an old bundle verifies under today's checkpoint, a new one says what is gone."""
    house, action = old
    house.gate("audit", "export", "before.jsonl.gz")
    size = house.json("audit", "checkpoint")["size"]
    here = house.json("retention", "status")["here"]
    assert [(each["month"], bool(each["stays"])) for each in here] == [("2015-11", False), ("2015-12", True)]
    assert house.json("retention", "export", "2015-12", "december.jsonl.gz")["file"] == "december.jsonl.gz"
    assert verified(house, "december.jsonl.gz") == []

    dry = house.gate("retention", "prune", "2015-11", "--to", ".")
    assert "Nothing was done" in dry.stdout
    assert not list(house.folder.glob("record-*"))
    done = house.json("retention", "prune", "2015-11", "--to", ".", "--yes")
    assert done["done"]
    bundle = str(done["bundle"])
    (gone,) = house.json("retention", "status")["taken_out"]
    assert (gone["month"], gone["bundle"], gone["sha256"]) == ("2015-11", bundle, done["sha256"])

    shown = house.gate("audit", "show", action)
    assert shown.returncode == 1
    assert f"gate audit verify {bundle} --story {action}" in shown.stderr
    assert str(done["sha256"]) in shown.stderr
    told = house.gate("audit", "verify", bundle, "--story", action)
    assert told.returncode == 0
    assert "action.allowed" in told.stdout

    (house.folder / "today").write_text(house.gate("audit", "checkpoint").stdout)
    (house.folder / "proof").write_text(house.gate("audit", "proof", str(size)).stdout)
    assert verified(house, "before.jsonl.gz", "--checkpoint", "today", "--proof", "proof") == []
    assert verified(house, "before.jsonl.gz", "--checkpoint", "today") == ["older_copy"]
    house.gate("audit", "export", "after.jsonl.gz")
    whole = house.gate("audit", "verify", "after.jsonl.gz", "--checkpoint", "today")
    assert whole.returncode == 0, whole.stdout
    assert "were taken out by operator:" in whole.stdout
    assert str(done["sha256"]) in whole.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("prune", "2015-12", "--to", "."), 1, "older records go first"),
        (("prune", "2014-01", "--to", "."), 1, "no record of it"),
        (("prune", "2015-11"), 2, "--to names the folder"),
        (("prune", "2015-11", "--to", "nowhere"), 2, "--to names the folder"),
        (("prune", "November", "--to", "."), 2, "written like 2026-11"),
        (("export", "2014-01", "x.gz"), 1, "no numbered record"),
        (("export", "2015-11", "nowhere/x.gz"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told(
    old: tuple[House, str], arguments: tuple[str, ...], code: int, says: str
):
    house, _ = old
    done = house.gate("retention", *arguments)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_what_is_younger_than_its_retention_stays(old: tuple[House, str]):
    house, _ = old
    done = house.gate("retention", "prune", "2015-11", "--to", ".", "--yes", GATE_RETENTION_MONTHS="1200")
    assert done.returncode == 1
    assert f"kept until {timestamp(datetime(2115, 11, 2, tzinfo=UTC))[:10]}" in done.stderr
