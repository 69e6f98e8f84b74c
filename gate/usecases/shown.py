"""What Slack showed a person of a version before they voted, as digests: noted when it was shown, found at the vote."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from gate.contract.canonical import canonical
from gate.usecases.ports import Deps, Shown

CARD = "card"
"""The surface that everybody sees."""


def blocks_sha256(blocks: Sequence[Mapping[str, Any]]) -> str:
    """The digest of what a message or a page shows: SHA-256 over the RFC 8785 form of its blocks, lower-case hex."""
    return hashlib.sha256(canonical(list(blocks))).hexdigest()


def sight(
    deps: Deps,
    action_id: str,
    version: int,
    surface: str,
    blocks: Sequence[Mapping[str, Any]],
    *,
    person: str | None = None,
) -> Shown:
    """What to note of blocks that Slack has taken: on the card for all, or on a page for one person."""
    return Shown(
        action_id=action_id,
        version=version,
        surface=surface,
        person=person,
        sha256=blocks_sha256(blocks),
        at=deps.clock.now(),
    )


async def note_page(
    deps: Deps, action_id: str, version: int, surface: str, modal: Mapping[str, Any], person: str
) -> None:
    """Note a page that has opened for one person."""
    seen = sight(deps, action_id, version, surface, modal["blocks"], person=person)
    async with deps.store.writing() as tx:
        await tx.shown.put(seen)
