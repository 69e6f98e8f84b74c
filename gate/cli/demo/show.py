"""Tells the performance on a terminal: lines of what happened, and beneath them what waits; plain lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gate.cli.demo.stage import News, Tally

_WORDS = {
    "waiting": ("asks", "yellow"),
    "released": ("released", "green"),
    "refused": ("refused", "red"),
    "stopped": ("stopped", "bright_black"),
    "trouble": ("trouble", "magenta"),
}
_MOST_WAITING = 8


class Programme:
    """Implements `stage.Audience`. A line is: time, what happened, who asked, what for, and why."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def tell(self, news: News) -> None:
        """One line, and under a refusal the safer way that was offered."""
        word, colour = _WORDS[news.kind]
        line = Text(f"{datetime.now():%H:%M:%S}  ")
        line.append(f"{word:<9}", style=colour)
        line.append(f"{news.agent:<9} ", style="bright_black")
        line.append(news.summary, style="bold" if news.kind == "released" else "")
        line.append(f"  {news.detail}", style="bright_black")
        self._console.print(line)
        if news.hint is not None:
            self._console.print(Text(f"{'':29}instead: {news.hint}", style="cyan"))

    @asynccontextmanager
    async def open(self, tally: Tally) -> AsyncIterator[None]:
        """Keep a view of what waits at the foot of a terminal while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(_foot(tally), console=self._console, auto_refresh=False, transient=True) as live:
            task = asyncio.create_task(_keep_fresh(live, tally))
            try:
                yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


class JsonProgramme(Programme):
    """Tells a program: one JSON object a line."""

    def tell(self, news: News) -> None:
        """The news as it is."""
        print(json.dumps(asdict(news), ensure_ascii=False), flush=True)

    @asynccontextmanager
    async def open(self, tally: Tally) -> AsyncIterator[None]:
        """Shows nothing beside the lines, and the tally at the end."""
        try:
            yield
        finally:
            print(json.dumps(asdict(tally), ensure_ascii=False), flush=True)


async def _keep_fresh(live: Live, tally: Tally) -> None:
    while True:
        live.update(_foot(tally), refresh=True)
        await asyncio.sleep(0.25)


def _foot(tally: Tally) -> RenderableType:
    done = tally.released + tally.refused + tally.troubled
    head = Table.grid(padding=(0, 1))
    head.add_row(
        ProgressBar(total=max(tally.steps, 1), completed=done, width=24),
        Text(f"{tally.proposed} of {tally.steps} proposed"),
        Text(f"{tally.released} released", style="green"),
        Text(f"{tally.refused} refused", style="red"),
        Text(f"{len(tally.waiting)} waiting for people", style="yellow"),
    )
    lines: list[RenderableType] = [Text(""), head]
    for waiting in list(tally.waiting.values())[:_MOST_WAITING]:
        lines.append(Text(f"  … {waiting.summary}  {_left(waiting.until)}", style="yellow", no_wrap=True))
    more = len(tally.waiting) - _MOST_WAITING
    if more > 0:
        lines.append(Text(f"  and {more} more", style="yellow"))
    return Group(*lines)


def _left(until: str | None) -> str:
    """How long people still have: `1 h 58 min left`."""
    if until is None:
        return ""
    minutes = int((datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() // 60)
    if minutes < 0:
        return "past its time"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min left" if hours else f"{minutes} min left"


def farewell(tally: Tally) -> str:
    """What to say at the end."""
    told = f"{tally.proposed} proposed, {tally.released} released, {tally.refused} refused"
    if tally.troubled:
        told += f", {tally.troubled} in trouble"
    if tally.waiting:
        told += f". {len(tally.waiting)} still wait for people; nothing was cancelled"
    return f"{told}."
