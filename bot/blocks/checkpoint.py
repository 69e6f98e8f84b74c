"""Knows the message that keeps a checkpoint of the record in a channel: what it is for, and the note, whole."""

from __future__ import annotations

from bot.blocks import parts
from bot.blocks.messages import Line


def checkpoint_line(note: str, size: int) -> Line:
    """The note stands in a block of its own, so that copying it gives a file that `gate audit verify` takes."""
    told = f"Checkpoint over {size:,} audit records"
    use = ". Kept here, it shows later whether the record was changed: gate audit verify --checkpoint."
    return Line(
        f"{told}{use}",
        [parts.rich(parts.line(parts.words(told, bold=True), parts.words(use)), parts.pre(note))],
    )
