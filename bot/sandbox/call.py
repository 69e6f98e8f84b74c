"""Knows what a Web API method gets to see of one call; leaves the call's way in and out to webapi.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.args import Args
from bot.sandbox.records import Json
from bot.sandbox.state import WorkspaceState


@dataclass(frozen=True, kw_only=True)
class Call:
    """One authenticated call: its arguments, the workspace, the server's own address, and where a
    Socket Mode client may connect next."""

    state: WorkspaceState
    args: Args
    base_url: str
    issue_socket_url: Callable[[], str]


Handler = Callable[[Call], Json]
