"""`gate audit verify` at the terminal; what proofs mean is the domain's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gate.cli.auditing import AsJson, app
from gate.cli.bundles import lines_of, opened_text
from gate.cli.kept import given_keys, kept_checkpoints, own_keys
from gate.cli.output import Exit, fail, say, show, table
from gate.cli.session import explained
from gate.clock import SteadyClock
from gate.domain.audit import timestamp
from gate.domain.bundle import Beginning, Key, NotABundle, Tale, read, tale
from gate.domain.checkpoint import Checkpoint, Malformed, PublicKey, parse_public_key
from gate.domain.verification import Continuation
from gate.keyring.checkpoints import is_signature
from gate.store import open_store
from gate.store.address import parse_address
from gate.usecases.auditing import Report, StampedAt, examined, examined_bundle


@app.command()
def verify(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="A file that gate audit export wrote.")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="Instead: a database, or a copy of one.")
    ] = None,
    checkpoint_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint kept elsewhere, or a folder of them; may be repeated.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="KEY", help="The record's public key, or a file of them; may be repeated."
        ),
    ] = None,
    proof_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--proof",
            metavar="FILE",
            help="What gate audit proof printed, to connect an old bundle with a later checkpoint; may be repeated.",
        ),
    ] = None,
    story: Annotated[
        str | None,
        typer.Option("--story", metavar="ACT", help="Also tell what the bundle knows of one action."),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(
            "--authority",
            metavar="PEM",
            help="Certificates of the time-stamping authority, to check its stamps.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every record, root and signature. Exits 1 where something is wrong, 3 where it cannot be read."""
    if (bundle is None) == (database is None):
        fail("Give either a bundle or --database.", code=Exit.USAGE, as_json=as_json, kind="usage")
    if story is not None and bundle is None:
        fail("--story reads a bundle; use gate audit show.", code=Exit.USAGE, as_json=as_json, kind="usage")
    keys = given_keys(key or [], as_json=as_json)
    stamped = None if authority is None else _stamps_of(authority, as_json=as_json)
    if database is not None:
        keys = keys or own_keys(as_json=as_json)
        pinned = kept_checkpoints(checkpoint_file or [], keys, as_json=as_json)
        report = _of_database(database, keys, pinned, stamped, as_json=as_json)
    else:
        proofs = [_proof(path, as_json=as_json) for path in proof_file or []]
        report = _of_bundle(bundle or Path(), keys, checkpoint_file or [], stamped, proofs, as_json=as_json)
    found = _tale_of(bundle, story, as_json=as_json) if bundle is not None and story is not None else None
    _tell(report, found, trusted=bool(keys), as_json=as_json)


def _stamps_of(path: Path, *, as_json: bool) -> StampedAt:
    # Only who checks stamps waits for what that takes.
    from gate.delivery.stamping import read_certificates, stamped_at

    try:
        certificates = read_certificates(path)
    except (OSError, ValueError):
        fail(f"{path} holds no certificate in PEM.", code=Exit.USAGE, as_json=as_json, kind="usage")
    return lambda answer, note: stamped_at(answer, note, certificates)


def _of_database(
    url: str,
    keys: tuple[PublicKey, ...],
    pinned: list[Checkpoint],
    stamped: StampedAt | None,
    *,
    as_json: bool,
) -> Report:
    async def run() -> Report:
        async with open_store(url, clock=SteadyClock(), exclusive=False) as store:
            return await examined(store, keys=keys, pinned=pinned, verify=is_signature, stamped=stamped)

    with explained(as_json=as_json):
        path = parse_address(url).path
        if path is not None and not path.exists():
            fail(f"There is no {path}.", code=Exit.CANNOT, as_json=as_json, kind="database")
        return asyncio.run(run())


def _of_bundle(
    path: Path,
    keys: tuple[PublicKey, ...],
    checkpoints: list[Path],
    stamped: StampedAt | None,
    proofs: list[Continuation],
    *,
    as_json: bool,
) -> Report:
    try:
        brought = keys or _brought(path)
        pinned = kept_checkpoints(checkpoints, brought, as_json=as_json)
        return examined_bundle(
            lambda: lines_of(path),
            keys=keys,
            pinned=pinned,
            verify=is_signature,
            stamped=stamped,
            proofs=proofs,
        )
    except NotABundle as problem:
        fail(f"{path} is no audit bundle: {problem}.", code=Exit.CANNOT, as_json=as_json, kind="bundle")
    except (OSError, UnicodeDecodeError, EOFError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        fail(f"{path} cannot be read: {why}.", code=Exit.CANNOT, as_json=as_json, kind="bundle")


def _proof(path: Path, *, as_json: bool) -> Continuation:
    try:
        body: Any = json.loads(path.read_text(encoding="utf-8"))
        parts = tuple(bytes.fromhex(part) for part in body["proof"])
        return Continuation(first=int(body["from"]), second=int(body["to"]), path=parts)
    except (OSError, ValueError, KeyError, TypeError):
        fail(f"{path} holds no proof.", code=Exit.CANNOT, as_json=as_json, kind="proof")


def _tale_of(path: Path, action: str, *, as_json: bool) -> Tale:
    """The bundle has been read to its end before, so it is one."""
    with opened_text(path) as text:
        found = tale(read(text), action)
    if not found.records:
        fail(f"{path} has no record of {action}.", as_json=as_json, kind="unknown_action")
    return found


def _brought(path: Path) -> tuple[PublicKey, ...]:
    """The keys that a bundle brings itself: they stand at its beginning."""
    found: list[PublicKey] = []
    with opened_text(path) as text:
        for line in read(text):
            if isinstance(line, Key):
                try:
                    found.append(parse_public_key(line.text))
                except Malformed as problem:
                    raise NotABundle(f"a key in it cannot be read: {problem}") from None
            elif not isinstance(line, Beginning):
                break
    return tuple(found)


def _tell(report: Report, story: Tale | None, *, trusted: bool, as_json: bool) -> None:
    last = report.last
    if as_json:
        show(
            {
                "ok": not report.found,
                "records": report.records,
                "checkpoints": report.checkpoints,
                "policies": report.policies,
                "keys": [key.text() for key in report.keys],
                "stamps": report.stamps,
                "stamped": None
                if report.stamped is None
                else {"size": report.stamped[0], "at": timestamp(report.stamped[1])},
                "pruned": [asdict(each) for each in report.pruned],
                "last": None if last is None else {"size": last.size, "root": last.root.hex()},
                "found": [asdict(each) for each in report.found],
            }
            | ({} if story is None else {"story": asdict(story)})
        )
    else:
        say(
            f"{report.records} records, {report.checkpoints} checkpoints, {report.policies} policy sets; "
            + ("no checkpoint" if last is None else f"signed up to record {last.size}")
        )
        for each in report.pruned:
            say(
                f"leaves {each.first} to {each.last} were taken out by {each.by} at {each.at}; "
                f"they are in the bundle with SHA-256 {each.bundle_sha256}"
            )
        if report.stamped is not None:
            say(f"the authority saw the first {report.stamped[0]} records at {timestamp(report.stamped[1])}")
        elif report.stamps:
            say(
                f"{report.stamps} time-stamps, not checked: give the authority's certificate with --authority"
            )
        if not trusted:
            say("The keys are those the bundle brings itself; compare them with the ones you were given:")
            say("\n".join(key.text() for key in report.keys))
        rows = [{"what": each.kind, "where": each.where, "why": each.what} for each in report.found]
        table(("what", "where", "why"), rows, empty="Nothing is wrong with it.")
    if story is not None and not as_json:
        _tell_story(story)
    if report.found:
        raise typer.Exit(int(Exit.REFUSED))


def _tell_story(story: Tale) -> None:
    """Who did what, when, on which digests, and the policy sets that decided, whole."""
    rows = [
        {
            "leaf": str(told.position),
            "at": told.at,
            "what": told.kind,
            "who": told.actor,
            "detail": ", ".join(f"{name} {told.detail[name]}" for name in sorted(told.detail)),
        }
        for told in story.records
    ]
    say("")
    table(("leaf", "at", "what", "who", "detail"), rows, empty="")
    for policy in story.policies:
        say(f"\nPolicy {policy.version} {policy.digest}")
        for name, text in policy.documents:
            say(f"\n--- {name}\n{text}")
