"""What `gate doctor` asks of this machine: settings, key folder, database, a gate that runs; it changes nothing."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from gate.config import Settings
from gate.domain.callbacks import callback_problem
from gate.store import StoreError
from gate.store.migrate import current, head
from gate.usecases.checkup import Line, fail, ok, warn
from gate.usecases.ports import StoreUnavailable
from gate.wiring.desk import Desk

ASK_SEC = 10.0
FEW_SHOWN = 3


def settings_lines(settings: Settings) -> Iterator[Line]:
    """What the environment says, where it was understood at all."""
    yield ok("settings", "environment", f"understood; Slack mode {settings.slack_mode}")
    if settings.public_url is None:
        yield warn(
            "settings",
            "GATE_PUBLIC_URL",
            f"It is not set, so links in callbacks and messages lead to {settings.bind.url}.",
            "Set it to the address by which others reach the gate.",
        )
    elif not settings.public_url.startswith("https://"):
        yield warn(
            "settings",
            "GATE_PUBLIC_URL",
            f"{settings.public_url} is not https, so keys and grants travel in the clear.",
            "Put a proxy with a certificate in front of the gate, and write its https address.",
        )
    else:
        yield ok("settings", "GATE_PUBLIC_URL", settings.public_url)


def callback_line(settings: Settings) -> Line:
    """Whether agents can be called back at all, and whether every entry of the allowlist can ever match."""
    hosts = settings.callback_hosts
    if not hosts:
        return warn(
            "settings",
            "GATE_CALLBACK_HOSTS",
            "It is empty: an action with a callback_url is refused, and agents have to ask for the outcome.",
            "List the hosts that agents may be called back at, if they shall be.",
        )
    never = [
        entry for entry in hosts if callback_problem(f"https://{_example(entry)}/", (entry,)) is not None
    ]
    if never:
        return fail(
            "settings",
            "GATE_CALLBACK_HOSTS",
            f"{', '.join(never)} can never match: an entry is a host name, *.name, or either with a port.",
            "Write for example hooks.example.com, *.example.com or hooks.example.com:8443.",
        )
    return ok("settings", "GATE_CALLBACK_HOSTS", ", ".join(hosts))


def _example(entry: str) -> str:
    return entry.replace("*.", "any.", 1) if entry.startswith("*.") else entry


def key_lines(folder: Path) -> Iterator[Line]:
    """The folder of secrets: its mode, and the mode of each file in it."""
    if not folder.is_dir():
        yield warn(
            "keys",
            str(folder),
            "There is no such folder yet; the first start makes it, with a new key.",
            "Nothing, before the first start. Later: find out where the keys went, for old grants need them.",
        )
        return
    try:
        found = [folder, *(each for each in sorted(folder.iterdir()) if each.is_file())]
        modes = [(path, stat.S_IMODE(path.stat().st_mode)) for path in found]
    except OSError as error:
        yield fail(
            "keys",
            str(folder),
            f"It cannot be read: {error.strerror}.",
            "Run gate doctor as the gate's own user.",
        )
        return
    wrong = [(path, mode) for path, mode in modes if mode & 0o077]
    for path, mode in wrong:
        yield fail(
            "keys",
            str(path),
            f"Others than its owner may get at it (mode {mode:o}); the gate refuses to start with it.",
            f"Run: chmod {'700' if path == folder else '600'} {path}",
        )
    if not wrong:
        yield ok("keys", str(folder), f"{len(found) - 1} files, for their owner alone")


async def schema_line(settings: Settings) -> Line:
    """Whether the database answers and has the schema of this version; never makes or changes one."""
    try:
        revision = await asyncio.wait_for(asyncio.to_thread(current, settings.database_url), ASK_SEC)
    except (StoreError, StoreUnavailable) as error:
        return fail("database", "reachable", str(error), "Correct GATE_DATABASE_URL, or start the database.")
    except TimeoutError:
        return fail(
            "database", "reachable", "It did not answer in time.", "Look at the database and the way to it."
        )
    except Exception as error:  # whatever a driver raises means that it cannot be reached
        return fail(
            "database",
            "reachable",
            f"It cannot be reached ({type(error).__name__}).",
            "Correct GATE_DATABASE_URL, or start the database.",
        )
    if revision is None:
        return warn(
            "database",
            "schema",
            "There is none yet; the first start makes it.",
            "Start the gate once, then run gate doctor again: what needs a database was not looked at.",
        )
    if revision != head():
        return fail(
            "database",
            "schema",
            f"It is at {revision} and this version needs {head()}.",
            "Take a backup and run gate migrate; on SQLite, with the gate stopped.",
        )
    return ok("database", "schema", f"present ({revision})")


async def store_lines(desk: Desk) -> tuple[Line, ...]:
    """Whether a decision would be durable now, and what of the outbox is dead."""
    try:
        await desk.store.check()
        commit = ok("database", "durable commit", "a row was written and committed")
    except StoreUnavailable as error:
        commit = fail(
            "database", "durable commit", str(error), "Look at the disk's space and the database's own log."
        )
    async with desk.store.reading() as tx:
        waiting, dead = await tx.outbox.depth()
        rows = await tx.outbox.rows(dead_only=True, limit=FEW_SHOWN)
        astray = await tx.months.astray()
    months = (
        warn(
            "database",
            "months",
            "records are in the partition audit_rest: one for their month is missing",
            "Find out who dropped it; gate retention takes nothing out while they are there.",
        )
        if astray
        else ok("database", "months", "every record is in the place of its month")
    )
    if not dead:
        return commit, months, ok("outbox", "dead letters", f"none; waiting to be sent: {waiting}")
    shown = "; ".join(f"{row.id} ({row.channel} {row.kind}): {row.last_error}" for row in rows)
    return (
        commit,
        months,
        warn(
            "outbox",
            "dead letters",
            f"{dead} messages were given up: {shown}",
            "Repair the cause, then gate outbox retry MSG…, or gate outbox drop MSG….",
        ),
    )


async def running_lines(url: str) -> tuple[bool, tuple[Line, ...]]:
    """Whether a gate answers at this address, and how it says it is."""
    timeout = aiohttp.ClientTimeout(total=ASK_SEC)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{url}/readyz", allow_redirects=False) as answer,
        ):
            found: Any = await answer.json(content_type=None)
        checks = [(str(c["name"]), str(c["state"]), str(c["detail"])) for c in found["checks"]]
    except (aiohttp.ClientConnectorError, TimeoutError):
        says = f"No gate answers at {url}."
        return False, (warn("gate", "running", says, "Start it with gate serve, or name it with --url."),)
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
        says = f"Something answers at {url} that is no gate."
        return False, (
            fail("gate", "running", says, "Stop it, or set GATE_BIND or --url to another address."),
        )
    lines = [ok("gate", "running", f"{url} answers: {found.get('status')}")]
    for name, state, detail in checks:
        if state != "ok":
            line = fail if state == "down" else warn
            lines.append(line("gate", name, detail, "The gate says so itself, at /readyz; look at its log."))
    return True, tuple(lines)
