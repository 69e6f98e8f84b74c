"""`gate audit checkpoint`, `export` and `verify` at the terminal; what proofs mean is the domain's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gate.cli.bundles import lines_of, opened_text, write_bundle
from gate.cli.output import Exit, fail, say, show, table
from gate.cli.record import app
from gate.cli.session import at_desk, explained, settings
from gate.clock import SteadyClock
from gate.domain.audit import timestamp
from gate.domain.bundle import Beginning, Key, NotABundle, Tale, read, tale
from gate.domain.checkpoint import Checkpoint, Malformed, PublicKey, opened, parse_public_key
from gate.domain.verification import Continuation
from gate.keyring.checkpoints import is_signature, load_checkpoint_signer
from gate.store import open_store
from gate.store.address import parse_address
from gate.usecases.auditing import Report, StampedAt, continued, examined, examined_bundle, exported
from gate.wiring.desk import Desk

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@app.command()
def checkpoint(
    keys: Annotated[bool, typer.Option("--keys", help="Print the public keys instead, one a line.")] = False,
    as_json: AsJson = False,
) -> None:
    """The last signed checkpoint, to be kept elsewhere."""
    known = _own_keys(as_json=as_json)
    if keys:
        texts = [key.text() for key in known]
        show(texts) if as_json else say("\n".join(texts))
        return

    async def last(desk: Desk) -> str | None:
        async with desk.store.reading() as tx:
            latest = await tx.tree.latest()
        return None if latest is None else latest.note

    note = at_desk(last, as_json=as_json)
    if note is None:
        fail("Nothing was signed yet.", as_json=as_json, kind="no_checkpoint")
    found = _opened(note, known, "the checkpoint in the database", as_json=as_json)
    if as_json:
        show({"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": note})
    else:
        print(note, end="")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; compressed where it ends in .gz.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole record with all that is needed to verify it without this gate."""
    known = _own_keys(as_json=as_json)

    async def write(desk: Desk) -> int:
        return await write_bundle(file, exported(desk.store, keys=known, now=desk.deps.clock.now()))

    try:
        count = at_desk(write, as_json=as_json)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}.", code=Exit.CANNOT, as_json=as_json, kind="file")
    if as_json:
        show({"file": str(file), "records": count})
    else:
        say(f"{count} records in {file}")


@app.command()
def proof(
    first: Annotated[int, typer.Argument(metavar="FROM", min=0, help="How many records there were then.")],
    second: Annotated[
        int | None, typer.Argument(metavar="TO", min=0, help="And later; those of the last checkpoint.")
    ] = None,
) -> None:
    """Prove that the record of one size goes on to that of another, in JSON, for gate audit verify --proof."""

    async def prove(desk: Desk) -> Continuation | None:
        async with desk.store.reading() as tx:
            latest = await tx.tree.latest()
        end = second if second is not None else 0 if latest is None else latest.size
        try:
            return await continued(desk.store, first, end)
        except (ValueError, LookupError):
            return None

    found = at_desk(prove)
    if found is None:
        fail("The record has no such sizes, in this order.", kind="proof")
    show({"from": found.first, "to": found.second, "proof": [part.hex() for part in found.path]})


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
    keys = _given_keys(key or [], as_json=as_json)
    stamped = None if authority is None else _stamps_of(authority, as_json=as_json)
    if database is not None:
        keys = keys or _own_keys(as_json=as_json)
        pinned = _pinned(checkpoint_file or [], keys, as_json=as_json)
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
        pinned = _pinned(checkpoints, brought, as_json=as_json)
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


def _own_keys(*, as_json: bool) -> tuple[PublicKey, ...]:
    with explained(as_json=as_json):
        return load_checkpoint_signer(settings(as_json=as_json).keys).keys


def _given_keys(given: list[str], *, as_json: bool) -> tuple[PublicKey, ...]:
    texts: list[str] = []
    for each in given:
        path = Path(each)
        texts += path.read_text(encoding="utf-8").split() if path.is_file() else [each]
    try:
        return tuple(map(parse_public_key, texts))
    except Malformed as problem:
        fail(
            f"--key is no public key of a record: {problem}.", code=Exit.USAGE, as_json=as_json, kind="usage"
        )


def _pinned(paths: list[Path], keys: tuple[PublicKey, ...], *, as_json: bool) -> list[Checkpoint]:
    found: list[Checkpoint] = []
    for path in _files(paths):
        try:
            note = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            fail(f"{path} cannot be read.", code=Exit.CANNOT, as_json=as_json, kind="checkpoint")
        found.append(_opened(note, keys, str(path), as_json=as_json))
    return found


def _files(paths: list[Path]) -> Iterator[Path]:
    """A folder stands for every checkpoint in it, as GATE_CHECKPOINTS_FOLDER keeps them."""
    for path in paths:
        yield from sorted(path.glob("*.checkpoint")) if path.is_dir() else (path,)


def _opened(note: str, keys: tuple[PublicKey, ...], where: str, *, as_json: bool) -> Checkpoint:
    try:
        return opened(note, keys, is_signature)
    except Malformed as problem:
        fail(
            f"{where} is no checkpoint of this record: {problem}.",
            code=Exit.CANNOT,
            as_json=as_json,
            kind="checkpoint",
        )


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
