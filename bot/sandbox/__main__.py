"""Knows the command line of a sandbox that runs alone; leaves everything else to the Sandbox."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from bot.sandbox.ratelimits import RateLimits
from bot.sandbox.server import Sandbox
from bot.sandbox.workspace import default_workspace, load_workspace


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bot.sandbox", description="A stand-in Slack workspace with a browser page."
    )
    parser.add_argument(
        "--bind", default="127.0.0.1:8090", metavar="HOST:PORT", help="port 0 takes a free one"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the workspace in this file")
    parser.add_argument(
        "--workspace", type=Path, metavar="FILE.json", help="people and channels to start from"
    )
    parser.add_argument(
        "--request-url", metavar="URL", help="deliver by signed HTTP POST instead of Socket Mode"
    )
    parser.add_argument("--no-rate-limits", action="store_true", help="never answer 429 on our own account")
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace) -> None:
    workspace = load_workspace(options.workspace) if options.workspace else default_workspace()
    if options.request_url:
        workspace = workspace.with_app(request_url=options.request_url)
    sandbox = Sandbox(
        workspace,
        state_path=options.state,
        rate_limits=RateLimits(enabled=not options.no_rate_limits),
    )
    host, _, port = options.bind.rpartition(":")
    await sandbox.start(host.strip("[]") or "127.0.0.1", int(port))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    print(f"page      {sandbox.url}")
    print(f"web api   {sandbox.api_url}")
    print(f"tokens    {workspace.app.bot_token}  {workspace.app.app_token}", flush=True)
    try:
        await stopped.wait()
    finally:
        await sandbox.stop()


def main(argv: list[str] | None = None) -> int:
    options = _arguments(sys.argv[1:] if argv is None else argv)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(options))
    except (OSError, ValueError) as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
