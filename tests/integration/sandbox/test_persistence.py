"""Knows that a killed sandbox comes back with its cards, threads, ephemerals, modals and Home usable."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox
from tests.integration.sandbox.cards import approval_card, edit_modal
from tests.integration.sandbox.running import raw_socket


@asynccontextmanager
async def process_on(state: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A sandbox process of its own, and its Web API address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.sandbox",
        "--bind",
        "127.0.0.1:0",
        "--state",
        str(state),
        "--no-rate-limits",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = ""
        while not url:
            line = (await process.stdout.readline()).decode()
            assert line, "the sandbox ended before it served"
            if line.startswith("web api"):
                url = line.split()[-1]
        yield process, url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_nothing_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    async with process_on(state) as (process, url):
        client = AsyncWebClient(token="xoxb-sandbox", base_url=url)
        metadata = {"event_type": "signoff_action", "event_payload": {"id": "act_1"}}
        card = await client.chat_postMessage(
            channel="C0APPROVALS", text="card", blocks=approval_card(), metadata=metadata
        )
        await client.chat_postMessage(channel="C0APPROVALS", text="reply", thread_ts=card["ts"])
        await client.chat_postEphemeral(channel="C0APPROVALS", user="U0ANA", text="psst")
        await client.chat_postMessage(channel="U0BO", text="in your messages")
        await client.views_publish(user_id="U0ANA", view={"type": "home", "blocks": [{"type": "divider"}]})
        process.send_signal(signal.SIGKILL)
        await process.wait()

    sandbox = Sandbox(state_path=state)
    await sandbox.start()
    try:
        (kept,) = sandbox.messages("C0APPROVALS")
        assert (kept["text"], kept["metadata"], kept["reply_count"]) == ("card", metadata, 1)
        assert [note["text"] for note in sandbox.ephemerals("U0ANA")] == ["psst"]
        assert [message["text"] for message in sandbox.messages(sandbox.dm("U0BO"))] == ["in your messages"]
        home = sandbox.home("U0ANA")
        assert home is not None
        async with raw_socket(sandbox) as socket:
            click = asyncio.create_task(sandbox.click("U0ANA", "C0APPROVALS", kept["ts"], "approve"))
            envelope = await socket.receive_json()
            assert envelope["payload"]["actions"][0]["value"] == "act_01JC:1"
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
            assert (await click).ok
    finally:
        await sandbox.stop()


async def test_an_open_modal_survives_a_restart_with_what_was_typed(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    before = Sandbox(state_path=state)
    await before.start()
    client = AsyncWebClient(token="xoxb-sandbox", base_url=before.api_url)
    await client.views_open(trigger_id=before.state.mint_trigger("U0ANA"), view=edit_modal())
    await before.submit("U0ANA", {"field:/note": {"value": "half a thought"}, "field:/amount": {"value": ""}})
    await before.stop()
    after = Sandbox(state_path=state)
    view = after.modal("U0ANA")
    await after.stop()
    assert view is not None
    assert view["state"]["values"]["field:/note"]["value"]["value"] == "half a thought"
