"""Three gates on one PostgreSQL under load, while everything that can go wrong does; then the history is judged.

`GATE_TEST_SOAK_SEC` is how long the faults last (180), `GATE_TEST_SOAK_SEED` draws the same schedule again (1),
`GATE_TEST_SOAK_KEEP` is a folder that keeps the evidence. It ends before its time where both `GATE_TEST_SOAK_ACTIONS`
(200,000) and `GATE_TEST_SOAK_FAULTS` (300) are reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.processes import Processes
from tests.soak.campaign.faults import Storm, schedule
from tests.soak.campaign.history import gathered, problems
from tests.soak.campaign.load import Load
from tests.soak.campaign.stage import Json, Replica, Stage, stage

LASTS_SEC = float(os.environ.get("GATE_TEST_SOAK_SEC", "180"))
SEED = int(os.environ.get("GATE_TEST_SOAK_SEED", "1"))
ACTIONS = int(os.environ.get("GATE_TEST_SOAK_ACTIONS", "200000"))
FAULTS = int(os.environ.get("GATE_TEST_SOAK_FAULTS", "300"))
KEEP = os.environ.get("GATE_TEST_SOAK_KEEP")
SETTLING_SEC = 300
FOLLOWS = ("INV-34", "INV-37", "INV-24", "INV-47")
"""What comes to be true a while after the last commit: messages, cards, deadlines and numbers."""
ROOM_MB = 4_096
"""What PostgreSQL's file system holds: 200,000 actions need about half of it."""


@pytest.fixture
def small_disk() -> Iterator[Path | None]:
    """A file system of its own for PostgreSQL, or None where this account may not mount one."""
    place = Path(tempfile.mkdtemp(prefix="signoff-disk-"))
    place.chmod(0o755)  # the server runs as another account
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m,mode=755", "tmpfs", str(place)]
    mounted = shutil.which("mount") is not None and subprocess.run(command, check=False).returncode == 0
    yield place if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
    place.rmdir()


@pytest.mark.soak
@pytest.mark.timeout(LASTS_SEC + SETTLING_SEC + 2_400)
async def test_nothing_is_lost_whatever_fails(
    processes: Processes, tmp_path: Path, small_disk: Path | None
) -> None:
    """INV-01, INV-02, INV-04, INV-05, INV-08 to INV-12, INV-18 to INV-21, INV-23 to INV-28, INV-31, INV-33, INV-34,
    INV-37, INV-39 to INV-45, INV-47 to INV-49, INV-52, INV-53: the whole history is judged by a checker of its own."""
    folder = tmp_path / "town"
    folder.mkdir()
    if small_disk is None:
        print("\n  no file system could be mounted here: the disk is not filled in this run")
    async with stage(processes, folder, data=small_disk) as made:
        began = time.monotonic()
        load = Load(stage=made, seed=SEED, quick=96, asking=12, cards=int(120 + 2 * LASTS_SEC))
        storm = Storm(made, room_mb=ROOM_MB)
        faults = schedule(SEED, 10_000, can_fill=small_disk is not None, pause=0.3)

        def done() -> bool:
            return load.actions >= ACTIONS and sum(storm.happened.values()) >= FAULTS

        async with _kept_elsewhere(made, folder / "kept.txt"):
            working = asyncio.create_task(load.run())
            async with asyncio.timeout(LASTS_SEC + 300):
                await storm.run(
                    faults, until=lambda: time.monotonic() - began > LASTS_SEC or done() or working.done()
                )
            load.stop.set()
            async with asyncio.timeout(SETTLING_SEC):
                await working
        lasted = time.monotonic() - began
        found = await _settled(made, folder)
        _told(load, storm, made.replicas, folder, lasted, found)
        if KEEP:
            _keep(folder, Path(KEEP))
        assert not found, "\n".join(found[:50])
        complaints = [
            line
            for each in processes._running
            for line in each.lines
            if "Traceback" in line or "never retrieved" in line
        ]
        assert not complaints, "\n".join(complaints[:20])


@asynccontextmanager
async def _kept_elsewhere(made: Stage, path: Path) -> AsyncIterator[None]:
    """Somebody outside asks for the signed checkpoint now and then, and keeps what they get."""
    kept: list[str] = []

    async def keep() -> None:
        while True:
            await asyncio.sleep(2)  # every now and then: nothing tells them to
            with suppress(Exception):
                replica = await made.anybody(len(kept) * 0.37 % 1)
                headers = {"Authorization": f"Bearer {made.key}"}
                async with made.http.get(f"{replica.url}/v1/audit/checkpoint", headers=headers) as answer:
                    if answer.status == 200:
                        kept.append(await answer.text())

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await asyncio.to_thread(path.write_text, "\0".join(kept), encoding="utf-8")


async def _settled(made: Stage, folder: Path) -> list[str]:
    """What is wrong once messages have followed; asked again whenever somebody was told something."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLING_SEC
    found: list[str] | None = None
    while (await _outbox(made))["waiting"] and loop.time() < until:
        await made.told(within=2)
    while found is None or (loop.time() < until and any(each.startswith(FOLLOWS) for each in found)):
        await made.told(within=2)  # numbers follow too, and nobody hears of them
        (folder / "bundle.jsonl").unlink(missing_ok=True)
        await made.verb("audit", "export", str(folder / "bundle.jsonl"))
        (folder / "slack.json").write_text(json.dumps(await made.slack.state()), encoding="utf-8")
        made.journal.flush()
        found = await asyncio.to_thread(lambda: problems(gathered(folder)))
    outbox = await _outbox(made)
    if outbox["dead"]:
        found.append(f"INV-34: {outbox['dead']} dead letters: {outbox['messages'][:3]}")
    return found


async def _outbox(made: Stage) -> Json:
    return json.loads((await made.verb("outbox", "list", "--json")).partition("\n{")[0])


def _told(
    load: Load, storm: Storm, replicas: list[Replica], folder: Path, lasted: float, found: list[str]
) -> None:
    with (folder / "bundle.jsonl").open(encoding="utf-8") as bundle:
        records = sum(line.startswith('{"leaf"') for line in bundle)
    print(
        f"\n  seed {SEED}: {load.actions} actions, {records} audit records, {sum(storm.happened.values())} faults in "
        f"{lasted:.0f} s; {storm.untimely} of them at no particular "
        f"moment; clients tried again {load.refused} times; {len(found)} violations; "
        f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    )
    for what, times in sorted(storm.happened.items()):
        print(f"    {times:4} {what}")
    if storm.recovered:
        print(
            f"    from SIGKILL to serving again: median {statistics.median(storm.recovered):.1f} s, "
            f"longest {max(storm.recovered):.1f} s, {len(storm.recovered)} times"
        )
    if used := [each for replica in replicas for each in replica.used if each]:
        print(f"    processor time of a start: median {statistics.median(used):.1f} s, {len(used)} times")


def _keep(folder: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for name in ("bundle.jsonl", "clients.jsonl", "hooks.jsonl", "slack.json", "kept.txt"):
        shutil.copy(folder / name, to / name)
