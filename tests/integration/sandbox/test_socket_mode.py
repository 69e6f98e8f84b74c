"""Knows what an unmodified Bolt app over Socket Mode must experience: clicks, modals, Home, commands."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox
from tests.integration.sandbox.cards import approval_card, edit_modal
from tests.integration.sandbox.running import connected


async def test_a_click_reaches_the_app_with_the_whole_card_and_is_answered(
    sandbox: Sandbox, app: AsyncApp, client: AsyncWebClient
) -> None:
    seen: list[dict[str, Any]] = []

    @app.action("approve")
    async def approve(ack: Any, body: Any, respond: Any) -> None:
        await ack()
        seen.append(body)
        await respond("Done.", replace_original=False)

    posted = await client.chat_postMessage(
        channel="C0APPROVALS",
        text="Refund",
        blocks=approval_card(),
        metadata={"event_type": "signoff_action", "event_payload": {"id": "act_01JC"}},
    )
    async with connected(app, sandbox):
        reply = await sandbox.click("U0ANA", "C0APPROVALS", posted["ts"], "approve")
        assert reply.ok
        (note,) = await sandbox.wait_for(lambda s: s.ephemerals("U0ANA"))
    body = seen[0]
    assert body["type"] == "block_actions"
    assert body["user"] == {"id": "U0ANA", "username": "ana", "name": "ana", "team_id": "T0SANDBOX"}
    assert body["container"] == {
        "type": "message",
        "message_ts": posted["ts"],
        "channel_id": "C0APPROVALS",
        "is_ephemeral": False,
    }
    assert body["channel"] == {"id": "C0APPROVALS", "name": "approvals"}
    assert body["message"]["metadata"]["event_payload"] == {"id": "act_01JC"}
    assert body["message"]["blocks"][0]["type"] == "header"
    (action,) = body["actions"]
    assert action["action_id"] == "approve"
    assert action["block_id"] == "decide"
    assert action["value"] == "act_01JC:1"
    assert action["text"]["text"] == "Approve"
    assert body["trigger_id"]
    assert note["text"] == "Done."


async def test_a_modal_is_opened_refused_at_the_field_and_then_saved(
    sandbox: Sandbox, app: AsyncApp, client: AsyncWebClient
) -> None:
    submitted: list[dict[str, Any]] = []

    @app.action("edit")
    async def edit(ack: Any, body: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=edit_modal())

    @app.view("edit")
    async def save(ack: Any, body: Any, view: Any) -> None:
        submitted.append(body)
        if float(view["state"]["values"]["field:/amount"]["value"]["value"]) > 1200:
            await ack(response_action="errors", errors={"field:/amount": "At most 1,200."})
        else:
            await ack()

    posted = await client.chat_postMessage(channel="C0APPROVALS", text="Refund", blocks=approval_card())
    async with connected(app, sandbox):
        await sandbox.click("U0ANA", "C0APPROVALS", posted["ts"], "edit")
        view = await sandbox.wait_for(lambda s: s.modal("U0ANA"))
        assert view["callback_id"] == "edit"
        refused = await sandbox.submit("U0ANA")
        assert refused.errors == {"field:/amount": "At most 1,200."}
        assert sandbox.modal("U0ANA") is not None
        saved = await sandbox.submit("U0ANA", {"field:/amount": {"value": 1200}, "then": {"value": "save"}})
        assert saved.ok
        assert sandbox.modal("U0ANA") is None
    values = submitted[-1]["view"]["state"]["values"]
    assert values["field:/amount"]["value"] == {"type": "number_input", "value": "1200"}
    assert values["field:/note"]["value"] == {"type": "plain_text_input", "value": None}
    assert values["then"]["value"]["selected_option"]["value"] == "save"
    assert submitted[-1]["view"]["private_metadata"] == "act_01JC:1"


async def test_opening_home_sends_the_event_and_shows_what_is_published(
    sandbox: Sandbox, app: AsyncApp, client: AsyncWebClient
) -> None:
    events: list[dict[str, Any]] = []

    @app.event("app_home_opened")
    async def opened(event: Any, body: Any) -> None:
        events.append(body)
        await client.views_publish(
            user_id=event["user"],
            view={
                "type": "home",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Your queue"}}],
            },
        )

    async with connected(app, sandbox):
        await sandbox.open_home("U0BO")
        home = await sandbox.wait_for(lambda s: s.home("U0BO"))
        assert home["blocks"][0]["text"]["text"] == "Your queue"
    (body,) = events
    assert body["type"] == "event_callback"
    assert body["event"]["tab"] == "home"
    assert body["authorizations"][0]["is_bot"] is True


async def test_a_slash_command_is_answered_for_the_person_alone(sandbox: Sandbox, app: AsyncApp) -> None:
    @app.command("/gate")
    async def gate(ack: Any, command: Any) -> None:
        await ack(f"You asked for {command['text']} in {command['channel_name']}.")

    async with connected(app, sandbox):
        assert (await sandbox.command("U0CHI", "C0GENERAL", "/gate queue")).ok
    (note,) = sandbox.ephemerals("U0CHI")
    assert note["text"] == "You asked for queue in general."
    assert sandbox.messages("C0GENERAL") == []
