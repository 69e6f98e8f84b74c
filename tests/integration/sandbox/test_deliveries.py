"""Knows how envelopes are timed, retried, doubled and spread, and how old triggers and reply addresses
may get."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.sandbox import ActRefused, ManualClock, Sandbox
from tests.integration.sandbox.cards import approval_card, edit_modal
from tests.integration.sandbox.running import client_of, raw_socket


async def card_in(sandbox: Sandbox) -> str:
    posted = await client_of(sandbox).chat_postMessage(
        channel="C0APPROVALS", text="Refund", blocks=approval_card()
    )
    return str(posted["ts"])


async def test_three_silent_seconds_tell_the_person_the_app_was_too_slow(
    timed: Sandbox, clock: ManualClock
) -> None:
    ts = await card_in(timed)
    async with raw_socket(timed) as socket:
        click = asyncio.create_task(timed.click("U0ANA", "C0APPROVALS", ts, "approve"))
        envelope = await socket.receive_json()
        assert envelope["accepts_response_payload"] is True
        clock.advance(2.9)
        assert not click.done()
        clock.advance(0.2)
        reply = await click
        assert (reply.ok, reply.error) == (False, "no_response")
        assert "too slowly" in reply.notice


async def test_without_a_connection_the_click_says_so_at_once(timed: Sandbox) -> None:
    reply = await timed.click("U0ANA", "C0APPROVALS", await card_in(timed), "approve")
    assert (reply.ok, reply.error) == (False, "not_connected")


async def test_a_silent_submission_keeps_the_modal_and_says_trouble(
    timed: Sandbox, clock: ManualClock
) -> None:
    ts = await card_in(timed)
    async with raw_socket(timed) as socket:
        click = asyncio.create_task(timed.click("U0ANA", "C0APPROVALS", ts, "edit"))
        envelope = await socket.receive_json()
        await client_of(timed).views_open(trigger_id=envelope["payload"]["trigger_id"], view=edit_modal())
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await click).ok
        submit = asyncio.create_task(timed.submit("U0ANA"))
        await socket.receive_json()
        clock.advance(3)
        reply = await submit
        assert reply.notice == "We had some trouble connecting. Try again?"
        assert timed.modal("U0ANA") is not None


async def test_an_unacknowledged_event_comes_again_with_attempt_and_reason(
    timed: Sandbox, clock: ManualClock
) -> None:
    async with raw_socket(timed) as socket:
        await timed.open_home("U0ANA")
        first = await socket.receive_json()
        assert first["retry_attempt"] == 0
        clock.advance(3)
        again = await socket.receive_json()
        assert (again["retry_attempt"], again["retry_reason"]) == (1, "timeout")
        assert again["payload"]["event_id"] == first["payload"]["event_id"]
        assert again["envelope_id"] != first["envelope_id"]
        await socket.send_json({"envelope_id": again["envelope_id"]})
        await timed.wait_for(lambda s: s.deliveries() and s.deliveries()[-1]["received"])


async def test_an_event_that_met_a_broken_connection_goes_to_the_next_one(timed: Sandbox) -> None:
    async with raw_socket(timed) as socket:
        await timed.open_home("U0ANA")
        first = await socket.receive_json()
    async with raw_socket(timed) as socket:
        again = await socket.receive_json()
        assert again["payload"]["event_id"] == first["payload"]["event_id"]
        assert again["retry_attempt"] == 1


async def test_each_envelope_goes_to_one_of_many_connections_and_the_eleventh_is_refused(
    sandbox: Sandbox,
) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(raw_socket(sandbox)) for _ in range(10)]
        await sandbox.wait_connected(10)
        opened = await client_of(sandbox).apps_connections_open(app_token="xapp-sandbox")
        async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as eleventh:
            assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
        for _ in range(2):
            await sandbox.open_home("U0ANA")
        first, second = await asyncio.gather(sockets[0].receive_json(), sockets[1].receive_json())
        assert first["payload"]["event_id"] != second["payload"]["event_id"]


async def test_a_ticket_opens_one_connection_only(sandbox: Sandbox) -> None:
    opened = await client_of(sandbox).apps_connections_open(app_token="xapp-sandbox")
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(opened["url"])


async def test_a_duplicate_delivery_is_the_same_envelope_twice(sandbox: Sandbox) -> None:
    ts = await card_in(sandbox)
    sandbox.duplicate_delivery(1)
    async with raw_socket(sandbox) as socket:
        click = asyncio.create_task(sandbox.click("U0ANA", "C0APPROVALS", ts, "approve"))
        first, second = await socket.receive_json(), await socket.receive_json()
        assert first == second
        for envelope in (first, second):
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await click).ok


async def test_a_trigger_opens_one_modal_within_three_seconds(timed: Sandbox, clock: ManualClock) -> None:
    client = client_of(timed)
    used, late = timed.state.mint_trigger("U0ANA"), timed.state.mint_trigger("U0ANA")
    await client.views_open(trigger_id=used, view=edit_modal())
    clock.advance(3.1)
    for trigger, code in ((used, "exchanged_trigger_id"), (late, "expired_trigger_id")):
        with pytest.raises(SlackApiError) as caught:
            await client.views_open(trigger_id=trigger, view=edit_modal())
        assert caught.value.response["error"] == code


async def test_modals_stack_to_three_change_by_hash_and_close_one_by_one(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    first = (await client.views_open(trigger_id=sandbox.state.mint_trigger("U0ANA"), view=edit_modal()))[
        "view"
    ]
    top = first
    for _ in range(2):
        trigger = sandbox.state.mint_trigger("U0ANA", top["id"])
        top = (await client.views_push(trigger_id=trigger, view=edit_modal()))["view"]
    assert top["root_view_id"] == first["id"]
    assert top["previous_view_id"] == sandbox.modals("U0ANA")[1]["id"]
    with pytest.raises(SlackApiError) as caught:
        await client.views_push(trigger_id=sandbox.state.mint_trigger("U0ANA", top["id"]), view=edit_modal())
    assert caught.value.response["error"] == "push_limit_reached"
    await client.views_update(view_id=first["id"], hash=first["hash"], view=edit_modal())
    with pytest.raises(SlackApiError) as caught:
        await client.views_update(view_id=first["id"], hash=first["hash"], view=edit_modal())
    assert caught.value.response["error"] == "hash_conflict"
    assert len(sandbox.modals("U0ANA")) == 3
    await sandbox.close_view("U0ANA")
    assert len(sandbox.modals("U0ANA")) == 2
    with pytest.raises(ActRefused, match="topmost"):
        await sandbox.submit("U0ANA", view_id=first["id"])


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        pytest.param({}, 1, id="close the top"),
        pytest.param({"response_action": "clear"}, 0, id="clear"),
        pytest.param({"response_action": "push", "view": edit_modal("pushed")}, 3, id="push"),
        pytest.param({"response_action": "update", "view": edit_modal("updated")}, 2, id="update"),
    ],
)
async def test_a_submission_answer_acts_on_the_stack(
    sandbox: Sandbox, answer: dict[str, Any], left: int
) -> None:
    client = client_of(sandbox)
    view = (await client.views_open(trigger_id=sandbox.state.mint_trigger("U0ANA"), view=edit_modal()))[
        "view"
    ]
    await client.views_push(trigger_id=sandbox.state.mint_trigger("U0ANA", view["id"]), view=edit_modal())
    async with raw_socket(sandbox) as socket:
        submit = asyncio.create_task(sandbox.submit("U0ANA"))
        envelope = await socket.receive_json()
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": answer})
        assert (await submit).ok
    modals = sandbox.modals("U0ANA")
    assert len(modals) == left
    if "view" in answer:
        assert modals[-1]["private_metadata"] == answer["view"]["private_metadata"]


async def test_required_and_malformed_inputs_never_reach_the_app(sandbox: Sandbox) -> None:
    await client_of(sandbox).views_open(trigger_id=sandbox.state.mint_trigger("U0ANA"), view=edit_modal())
    empty = await sandbox.submit("U0ANA", {"field:/amount": {"value": ""}})
    assert empty.errors == {"field:/amount": "Please complete this required field."}
    low = await sandbox.submit("U0ANA", {"field:/amount": {"value": "-1"}})
    assert low.errors == {"field:/amount": "Must be 0 or more."}
    assert sandbox.deliveries() == []


async def test_closing_tells_the_app_where_it_asked(sandbox: Sandbox) -> None:
    await client_of(sandbox).views_open(trigger_id=sandbox.state.mint_trigger("U0ANA"), view=edit_modal())
    async with raw_socket(sandbox) as socket:
        closing = asyncio.create_task(sandbox.close_view("U0ANA"))
        envelope = await socket.receive_json()
        assert envelope["payload"]["type"] == "view_closed"
        assert envelope["payload"]["is_cleared"] is False
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await closing).ok
    assert sandbox.modals("U0ANA") == []


async def response_url_of(sandbox: Sandbox, ts: str) -> str:
    async with raw_socket(sandbox) as socket:
        click = asyncio.create_task(sandbox.click("U0ANA", "C0APPROVALS", ts, "approve"))
        envelope = await socket.receive_json()
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await click
        return str(envelope["payload"]["response_url"])


async def test_a_response_url_replaces_adds_deletes_and_is_used_up_after_five(sandbox: Sandbox) -> None:
    ts = await card_in(sandbox)
    hook = AsyncWebhookClient(await response_url_of(sandbox, ts))
    assert (await hook.send(text="replaced", replace_original=True)).body == "ok"
    replaced = sandbox.message("C0APPROVALS", ts)
    assert replaced is not None
    assert replaced["text"] == "replaced"
    await hook.send(text="only you")
    assert [note["text"] for note in sandbox.ephemerals("U0ANA")] == ["only you"]
    await hook.send(text="for all", response_type="in_channel")
    assert sandbox.messages("C0APPROVALS")[-1]["text"] == "for all"
    refused = await hook.send(text="x", blocks=[{"type": "carousel"}])
    assert refused.status_code == 400
    await hook.send(delete_original=True)
    assert sandbox.message("C0APPROVALS", ts) is None
    await hook.send(text="fifth")
    spent = await hook.send(text="sixth")
    assert (spent.status_code, "used_url" in spent.body) == (404, True)


async def test_a_response_url_ends_after_thirty_minutes(timed: Sandbox, clock: ManualClock) -> None:
    hook = AsyncWebhookClient(await response_url_of(timed, await card_in(timed)))
    clock.advance(30 * 60 + 1)
    late = await hook.send(text="late")
    assert (late.status_code, "expired_url" in late.body) == (404, True)


async def test_strangers_come_from_another_team_and_ephemerals_are_private(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    posted = await client.chat_postEphemeral(
        channel="C0APPROVALS", user="U0PIA", text="x", blocks=approval_card()
    )
    with pytest.raises(ActRefused, match="someone else"):
        await sandbox.click("U0ANA", "C0APPROVALS", posted["message_ts"], "approve")
    async with raw_socket(sandbox) as socket:
        click = asyncio.create_task(sandbox.click("U0PIA", "C0APPROVALS", posted["message_ts"], "approve"))
        payload = (envelope := await socket.receive_json())["payload"]
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await click
    assert payload["user"]["team_id"] == "T0ELSEWHERE"
    assert payload["team"]["id"] == "T0SANDBOX"
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload
