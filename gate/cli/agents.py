"""Keys of agents and executors: made, listed, replaced with overlap, and revoked; the key itself is shown once."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NoReturn

import typer

from gate.cli.output import Exit, fail, say, show, table
from gate.cli.session import at_desk, explained, operator, settings
from gate.config import Settings
from gate.domain.action import Agent
from gate.domain.audit import AuditRecord, timestamp
from gate.domain.people import Directory, Person
from gate.policy.people import parse_people
from gate.usecases.ports import AGENTS, StoredAgent
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Keys for agents and executors.")

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
SCOPES = ("propose", "execute", "read", "admin")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def new_key() -> str:
    """`sgk_` and 256 random bits."""
    return f"sgk_{secrets.token_urlsafe(32)}"


def key_sha256(key: str) -> str:
    """What is stored of a key. It has 256 bits of its own, so no salt and no slow hash are needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_span(text: str) -> timedelta:
    """`24h`, `30m`, `2d`, `0s`; ValueError otherwise."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError("write a duration such as 30m, 24h or 7d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def read_directory(chosen: Settings) -> Directory:
    """people.yaml. Raises PolicyError."""
    try:
        text = chosen.people.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{chosen.people} cannot be read: {error.strerror}", code=Exit.CANNOT, kind="policy")
    return parse_people(text, chosen.people.name)


async def add_agent(
    desk: Desk, *, name: str, team: str, owner: Person, scopes: frozenset[str], audiences: frozenset[str]
) -> str | None:
    """The key of a new agent, stored hashed and on record; None where the name is taken."""
    now = desk.deps.clock.now()
    key = new_key()
    agent = Agent(
        id=desk.deps.ids.new("agt"), name=name, team=team, owner=owner.id, scopes=scopes, audiences=audiences
    )
    stored = StoredAgent(agent=agent, key_sha256=key_sha256(key), created_at=now)
    async with desk.store.writing() as tx:
        if not await tx.agents.add(stored):
            return None
        await tx.audit.append(
            _record("agent.added", agent, now, {"scopes": sorted(scopes), "owner": owner.id})
        )
    desk.deps.wakeups.notify(AGENTS)
    return key


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, dots and dashes.")],
    team: Annotated[str, typer.Option(help="The team it belongs to.")],
    owner: Annotated[str, typer.Option(help="A person of people.yaml; never decides for this agent.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(SCOPES)}; may be repeated. propose by default."),
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="What an executor redeems for; may be repeated. executors by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an agent and show its key, once."""
    scopes = frozenset(scope or ["propose"])
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("lower-case letters, digits, dots and dashes, at most 64", param_hint="NAME")
    if unknown := sorted(scopes - set(SCOPES)):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(SCOPES)}", param_hint="--scope")
    if audience and "execute" not in scopes:
        raise typer.BadParameter("only a key with --scope execute has audiences", param_hint="--audience")
    with explained(as_json=as_json):
        person = read_directory(settings(as_json=as_json)).find(owner)
    if person is None or not person.active:
        fail(f"{owner} is no active person of people.yaml.", as_json=as_json, kind="unknown_person")
    audiences = frozenset(audience or ["executors"])
    key = at_desk(
        lambda desk: add_agent(desk, name=name, team=team, owner=person, scopes=scopes, audiences=audiences),
        as_json=as_json,
    )
    if key is None:
        fail(
            f"There is an agent {name} already; rotate its key, or take another name.",
            as_json=as_json,
            kind="taken",
        )
    if as_json:
        show({"name": name, "team": team, "owner": person.id, "scopes": sorted(scopes), "key": key})
    else:
        say(f"{name} (team {team}, owner {person.name}), scopes: {', '.join(sorted(scopes))}")
        say("Its key, shown this once; the gate keeps only a hash of it:")
        say(key)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every agent, its owner and scopes, and whether its key is live."""

    async def read(desk: Desk) -> list[dict[str, Any]]:
        async with desk.store.reading() as tx:
            stored = await tx.agents.all()
        now = desk.deps.clock.now()
        return [_row(each, now) for each in stored]

    rows = at_desk(read, as_json=as_json)
    if as_json:
        show(rows)
    else:
        columns = ("name", "team", "owner", "scopes", "audiences", "key", "created")
        table(columns, rows, empty="No agents yet; make one with gate agents add.")


@app.command()
def rotate(
    name: str,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid: 0s, 30m, 24h, 7d.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Make a new key and show it, once; the old one stays valid for a while."""
    try:
        span = parse_span(overlap)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--overlap") from None
    key = new_key()

    async def change(desk: Desk) -> StoredAgent | str:
        now = desk.deps.clock.now()
        async with desk.store.writing() as tx:
            stored = await tx.agents.by_name(name)
            if stored is None:
                return "unknown_agent"
            if stored.revoked_at is not None:
                return "revoked"
            fresh = replace(
                stored,
                key_sha256=key_sha256(key),
                old_key_sha256=stored.key_sha256 if span else None,
                old_until=now + span if span else None,
            )
            await tx.agents.replace(fresh)
            detail = {"overlap_sec": int(span.total_seconds())}
            await tx.audit.append(_record("agent.rotated", stored.agent, now, detail))
        desk.deps.wakeups.notify(AGENTS)
        return fresh

    fresh = at_desk(change, as_json=as_json)
    if isinstance(fresh, str):
        _fail_at(name, fresh, as_json)
    until = None if fresh.old_until is None else timestamp(fresh.old_until)
    if as_json:
        show({"name": name, "key": key, "old_key_until": until})
    else:
        say(f"The new key of {name}, shown this once:")
        say(key)
        say("The old key is dead." if until is None else f"The old key stays valid until {until}.")


@app.command()
def revoke(name: str, as_json: AsJson = False) -> None:
    """Take every key of an agent away, at once and for good."""

    async def change(desk: Desk) -> str | None:
        now = desk.deps.clock.now()
        async with desk.store.writing() as tx:
            stored = await tx.agents.by_name(name)
            if stored is None:
                return "unknown_agent"
            if stored.revoked_at is not None:
                return "revoked"
            await tx.agents.replace(replace(stored, revoked_at=now, old_key_sha256=None, old_until=None))
            await tx.audit.append(_record("agent.revoked", stored.agent, now, {}))
        desk.deps.wakeups.notify(AGENTS)
        return None

    problem = at_desk(change, as_json=as_json)
    if problem is not None:
        _fail_at(name, problem, as_json)
    if as_json:
        show({"name": name, "revoked": True})
    else:
        say(
            f"The keys of {name} are revoked. What it proposed stays on record; what is pending can still be decided."
        )


def _fail_at(name: str, problem: str, as_json: bool) -> NoReturn:
    sentence = {
        "unknown_agent": f"There is no agent {name}.",
        "revoked": f"The keys of {name} are revoked, for good; make an agent with another name.",
    }[problem]
    fail(sentence, as_json=as_json, kind=problem)


def _record(kind: str, agent: Agent, now: datetime, detail: dict[str, Any]) -> AuditRecord:
    return AuditRecord(
        kind=kind,
        actor=f"operator:{operator()}",
        at=now,
        detail={"agent": agent.id, "name": agent.name, **detail},
    )


def _row(stored: StoredAgent, now: datetime) -> dict[str, Any]:
    state = "live" if stored.revoked_at is None else "revoked"
    if state == "live" and stored.old_until is not None and stored.old_until > now:
        state = "live, and the old one until " + timestamp(stored.old_until)
    agent = stored.agent
    return {
        "name": agent.name,
        "id": agent.id,
        "team": agent.team,
        "owner": agent.owner,
        "scopes": sorted(agent.scopes),
        "audiences": sorted(agent.audiences) if "execute" in agent.scopes else [],
        "key": state,
        "created": timestamp(stored.created_at),
    }
