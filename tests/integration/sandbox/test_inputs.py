"""Knows the typed value each input sends, from plain values as a person or a test gives them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox import ActRefused, Sandbox
from tests.integration.sandbox.cards import every_input
from tests.integration.sandbox.running import client_of, raw_socket

GIVEN_AND_TYPED: dict[str, tuple[Any, dict[str, Any]]] = {
    "static_select": ("b", {"selected_option": "b"}),
    "multi_static_select": (["a", "c"], {"selected_options": ["a", "c"]}),
    "users_select": ("U0BO", {"selected_user": "U0BO"}),
    "multi_users_select": (["U0BO", "U0CHI"], {"selected_users": ["U0BO", "U0CHI"]}),
    "plain_text_input": ("hello", {"value": "hello"}),
    "number_input": (7, {"value": "7"}),
    "email_text_input": ("a@b.example", {"value": "a@b.example"}),
    "url_text_input": ("https://a.example", {"value": "https://a.example"}),
    "checkboxes": (["b"], {"selected_options": ["b"]}),
    "radio_buttons": ("c", {"selected_option": "c"}),
    "datepicker": ("2026-01-31", {"selected_date": "2026-01-31"}),
    "timepicker": ("09:30", {"selected_time": "09:30", "timezone": "Europe/Berlin"}),
    "datetimepicker": (1_763_000_000, {"selected_date_time": 1_763_000_000}),
}


def brief(value: Any) -> Any:
    """A typed value with options cut down to their values."""
    if isinstance(value, list):
        return [brief(one) for one in value]
    return value["value"] if isinstance(value, dict) else value


async def opened(sandbox: Sandbox) -> None:
    await client_of(sandbox).views_open(trigger_id=sandbox.state.mint_trigger("U0ANA"), view=every_input())


async def test_every_input_sends_its_typed_value(sandbox: Sandbox) -> None:
    await opened(sandbox)
    async with raw_socket(sandbox) as socket:
        values = {kind: {"value": given} for kind, (given, _) in GIVEN_AND_TYPED.items()}
        submit = asyncio.create_task(sandbox.submit("U0ANA", values))
        envelope = await socket.receive_json()
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await submit).ok
    sent = envelope["payload"]["view"]["state"]["values"]
    for kind, (_, typed) in GIVEN_AND_TYPED.items():
        assert {name: brief(value) for name, value in sent[kind]["value"].items()} == {"type": kind, **typed}
    assert sent["static_select"]["value"]["selected_option"]["text"]["text"] == "Option b"


async def test_untouched_optional_inputs_send_empty_values(sandbox: Sandbox) -> None:
    await opened(sandbox)
    async with raw_socket(sandbox) as socket:
        submit = asyncio.create_task(sandbox.submit("U0ANA"))
        envelope = await socket.receive_json()
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await submit
    sent = envelope["payload"]["view"]["state"]["values"]
    assert sent["plain_text_input"]["value"] == {"type": "plain_text_input", "value": None}
    assert sent["checkboxes"]["value"] == {"type": "checkboxes", "selected_options": []}
    assert sent["radio_buttons"]["value"] == {"type": "radio_buttons", "selected_option": None}


@pytest.mark.parametrize(
    ("kind", "given", "problem"),
    [
        ("plain_text_input", "x", "Must be at least 2 characters."),
        ("plain_text_input", "x" * 11, "Must be 10 characters or fewer."),
        ("number_input", "1.5", "Please enter a valid number."),
        ("number_input", "10", "Must be 9 or less."),
        ("email_text_input", "nobody", "Please enter a valid email address."),
        ("url_text_input", "nowhere", "Please enter a valid URL."),
        ("multi_static_select", ["a", "b", "c"], "Choose at most 2."),
    ],
)
async def test_what_slacks_client_refuses_stays_in_the_modal(
    sandbox: Sandbox, kind: str, given: Any, problem: str
) -> None:
    await opened(sandbox)
    assert (await sandbox.submit("U0ANA", {kind: {"value": given}})).errors == {kind: problem}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"static_select": {"value": "z"}}, id="no such option"),
        pytest.param({"nowhere": {"value": "z"}}, id="no such block"),
        pytest.param({"static_select": {"other": "a"}}, id="no such action"),
        pytest.param({"static_select": "a"}, id="no action"),
    ],
)
async def test_values_for_inputs_that_are_not_there_are_refused(sandbox: Sandbox, values: Any) -> None:
    await opened(sandbox)
    with pytest.raises(ActRefused):
        await sandbox.submit("U0ANA", values)
    with pytest.raises(ActRefused, match="no option"):
        await sandbox.click_in_view("U0ANA", "more", value="z")


async def test_an_overflow_sends_the_chosen_option_and_a_fresh_trigger(sandbox: Sandbox) -> None:
    await opened(sandbox)
    async with raw_socket(sandbox) as socket:
        click = asyncio.create_task(sandbox.click_in_view("U0ANA", "more", value="b"))
        payload = (envelope := await socket.receive_json())["payload"]
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await click).ok
    assert payload["actions"][0]["selected_option"]["value"] == "b"
    assert payload["container"] == {"type": "view", "view_id": payload["view"]["id"]}
    pushed = await client_of(sandbox).views_push(trigger_id=payload["trigger_id"], view=every_input())
    assert pushed["view"]["previous_view_id"] == payload["view"]["id"]
