"""`gate shred`: destroys the content of the actions of one person, or of one action; the rules are the domain's."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import typer

from gate.cli.output import Exit, fail, say, show
from gate.cli.session import at_desk, operator
from gate.domain.audit import timestamp
from gate.usecases import shred as usecase
from gate.usecases.ports import StoreUnavailable
from gate.usecases.shred import Candidate
from gate.wiring.desk import Desk

STEP = 100
"""After so many actions it is said how far it is."""
LISTED = 20


@dataclass
class _Done:
    """What one run found and did."""

    found: tuple[Candidate, ...] = ()
    shredded: list[str] = field(default_factory=list[str])
    stay: dict[str, str] = field(default_factory=dict[str, str])
    before: int = 0
    scrubbed: bool = False


def shred(
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Whose data: the id that `subject` in the policy gives; - reads it from standard input.",
        ),
    ] = None,
    action: Annotated[str | None, typer.Option(metavar="ACT", help="One action, act_…")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, it is only said what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """Destroy payloads, evidence and comments of finished actions, for good; the record keeps its proofs."""
    if (subject is None) == (action is None):
        fail("Say either --subject or --action.", code=Exit.USAGE, as_json=as_json, kind="usage")
    if subject == "-":
        subject = sys.stdin.readline().rstrip("\n")
    if subject == "":
        fail("The subject is empty.", code=Exit.USAGE, as_json=as_json, kind="usage")

    async def run(desk: Desk) -> _Done:
        ids = [action] if action is not None else await usecase.of_subject(desk.deps, subject or "")
        done = _Done(found=await usecase.candidates(desk.deps, ids))
        todo = [each.record.id for each in done.found if each.stays is None]
        for each in done.found:
            if each.stays is not None and each.stays.code == "already_shredded":
                done.before += 1
            elif each.stays is not None:
                done.stay[each.record.id] = each.stays.sentence
        if not yes:
            done.shredded = todo
            return done
        by = "action" if action is not None else "subject"
        for number, action_id in enumerate(todo, start=1):
            refused = await usecase.shred(desk.deps, action_id, operator=operator(), found_by=by)
            if refused is None:
                done.shredded.append(action_id)
            else:
                done.stay[action_id] = refused.sentence
            if number % STEP == 0 and not as_json:
                say(f"{number} of {len(todo)}")
        with suppress(StoreUnavailable):
            if done.shredded:
                await desk.store.scrub()
            done.scrubbed = True
        return done

    done = at_desk(run, as_json=as_json)
    if action is not None and not done.found:
        fail(f"There is no action {action}.", as_json=as_json, kind="unknown_action")
    if as_json:
        show(
            {
                "dry_run": not yes,
                "shredded": done.shredded,
                "already_shredded": done.before,
                "not_finished": done.stay,
                "scrubbed": done.scrubbed,
            }
        )
    else:
        _tell(done, dry=not yes)
    if done.stay:
        raise typer.Exit(int(Exit.REFUSED))


def _tell(done: _Done, *, dry: bool) -> None:
    if not done.found:
        say("No action holds data of this subject, as far as policy named it when they were proposed.")
        return
    verb = "would be shredded" if dry else "were shredded"
    say(f"{len(done.shredded)} of {len(done.found)} actions {verb}.")
    if dry:
        by_id = {each.record.id: each.record for each in done.found}
        for action_id in done.shredded[:LISTED]:
            record = by_id[action_id]
            say(
                f"  {action_id}  {timestamp(record.created_at)}  {record.status.value}  {record.proposal.topic}"
            )
        if len(done.shredded) > LISTED:
            say(f"  and {len(done.shredded) - LISTED} more")
    if done.before:
        say(f"{done.before} had been shredded before.")
    for action_id, why in done.stay.items():
        say(f"  {action_id} stays: {why}")
    if dry and done.shredded:
        say("Nothing was changed. What is shredded cannot be brought back: run it again with --yes.")
    elif not dry and not done.scrubbed:
        say(
            "The file of the database is in use, so old pages were not overwritten yet; run gate keys seal later."
        )
