"""Knows each limit of Block Kit by one example on it and one past it."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.errors import ApiError
from bot.sandbox.validate import check_message_blocks, check_metadata, check_view
from tests.integration.sandbox.cards import approval_card, edit_modal

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(**more: Any) -> Json:
    return {"type": "section", "text": plain("x"), **more}


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain("Go"), **more}


def option(value: str = "v", text: str = "Option") -> Json:
    return {"text": plain(text), "value": value}


def options(count: int) -> list[Json]:
    return [option(str(number)) for number in range(count)]


def select(kind: str = "static_select", **more: Any) -> Json:
    return {"type": kind, "options": [option()], **more}


def confirm(**more: Any) -> Json:
    return {"title": plain("Sure?"), "text": plain("x"), "confirm": plain("Yes"), "deny": plain("No"), **more}


def field(element: Json, **more: Any) -> Json:
    return {"type": "input", "label": plain("x"), "element": element, **more}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


TEXT_INPUT = {"type": "plain_text_input"}
PAST_AND_ON: list[tuple[str, list[Json], list[Json]]] = [
    ("51 blocks", [{"type": "divider"}] * 51, [{"type": "divider"}] * 50),
    ("section text", [section(text=plain("x" * 3001))], [section(text=plain("x" * 3000))]),
    ("section empty text", [section(text=plain(""))], [section(text=plain(" "))]),
    ("section without content", [{"type": "section"}], [{"type": "section", "fields": [plain("x")]}]),
    ("11 fields", [section(fields=[plain("x")] * 11)], [section(fields=[plain("x")] * 10)]),
    ("field text", [section(fields=[plain("x" * 2001)])], [section(fields=[plain("x" * 2000)])]),
    (
        "header",
        [{"type": "header", "text": plain("x" * 151)}],
        [{"type": "header", "text": plain("x" * 150)}],
    ),
    ("header mrkdwn", [{"type": "header", "text": mrkdwn("x")}], [{"type": "header", "text": plain("x")}]),
    (
        "context elements",
        [{"type": "context", "elements": [plain("x")] * 11}],
        [{"type": "context", "elements": [plain("x")] * 10}],
    ),
    (
        "context empty",
        [{"type": "context", "elements": []}],
        [{"type": "context", "elements": [mrkdwn("x")]}],
    ),
    ("26 elements", [actions(*[button()] * 26)], [actions(*[button()] * 25)]),
    ("button text", [actions(button(text=plain("x" * 76)))], [actions(button(text=plain("x" * 75)))]),
    ("button mrkdwn", [actions(button(text=mrkdwn("x")))], [actions(button())]),
    ("button value", [actions(button(value="x" * 2001))], [actions(button(value="x" * 2000))]),
    ("button style", [actions(button(style="warning"))], [actions(button(style="danger"))]),
    ("button url", [actions(button(url="not a url"))], [actions(button(url="https://example.com"))]),
    (
        "button long url",
        [actions(button(url="https://a.b/" + "x" * 2990))],
        [actions(button(url="http://a.b"))],
    ),
    ("action_id", [actions(button(action_id="x" * 256))], [actions(button(action_id="x" * 255))]),
    ("block_id", [section(block_id="x" * 256)], [section(block_id="x" * 255)]),
    (
        "same block_id",
        [section(block_id="a"), section(block_id="a")],
        [section(block_id="a"), section(block_id="b")],
    ),
    (
        "same action_id",
        [actions(button(action_id="a"), button(action_id="a"))],
        [actions(button(action_id="a")), actions(button(action_id="a"))],
    ),
    (
        "confirm title",
        [actions(button(confirm=confirm(title=plain("x" * 101))))],
        [actions(button(confirm=confirm(title=plain("x" * 100))))],
    ),
    (
        "confirm text",
        [actions(button(confirm=confirm(text=plain("x" * 301))))],
        [actions(button(confirm=confirm(text=plain("x" * 300))))],
    ),
    (
        "confirm button",
        [actions(button(confirm=confirm(confirm=plain("x" * 31))))],
        [actions(button(confirm=confirm(confirm=plain("x" * 30))))],
    ),
    (
        "confirm deny missing",
        [actions(button(confirm={"title": plain("x"), "text": plain("x"), "confirm": plain("x")}))],
        [actions(button(confirm=confirm(style="danger")))],
    ),
    ("101 options", [actions(select(options=options(101)))], [actions(select(options=options(100)))]),
    ("no options", [actions(select(options=[]))], [actions(select())]),
    (
        "options and groups",
        [actions(select(option_groups=[{"label": plain("x"), "options": [option()]}]))],
        [actions({"type": "static_select", "option_groups": [{"label": plain("x"), "options": [option()]}]})],
    ),
    (
        "option text",
        [actions(select(options=[option(text="x" * 76)]))],
        [actions(select(options=[option(text="x" * 75)]))],
    ),
    (
        "option value",
        [actions(select(options=[option("x" * 151)]))],
        [actions(select(options=[option("x" * 150)]))],
    ),
    ("option twice", [actions(select(options=[option(), option()]))], [actions(select(options=options(2)))]),
    (
        "initial option",
        [actions(select(initial_option=option("other")))],
        [actions(select(initial_option=option("v")))],
    ),
    (
        "placeholder",
        [actions(select(placeholder=plain("x" * 151)))],
        [actions(select(placeholder=plain("x" * 150)))],
    ),
    (
        "11 checkboxes",
        [actions(select("checkboxes", options=options(11)))],
        [actions(select("checkboxes", options=options(10)))],
    ),
    (
        "11 radios",
        [actions(select("radio_buttons", options=options(11)))],
        [actions(select("radio_buttons", options=options(10)))],
    ),
    (
        "6 in overflow",
        [actions(select("overflow", options=options(6)))],
        [actions(select("overflow", options=options(5)))],
    ),
    (
        "multi in actions",
        [actions(select("multi_static_select"))],
        [section(accessory=select("multi_static_select"))],
    ),
    (
        "input max_length",
        [field({**TEXT_INPUT, "max_length": 3001})],
        [field({**TEXT_INPUT, "max_length": 3000})],
    ),
    (
        "input lengths",
        [field({**TEXT_INPUT, "min_length": 5, "max_length": 4})],
        [field({**TEXT_INPUT, "min_length": 4, "max_length": 4})],
    ),
    (
        "input initial",
        [field({**TEXT_INPUT, "initial_value": "x" * 3001})],
        [field({**TEXT_INPUT, "initial_value": "x" * 3000})],
    ),
    (
        "input label",
        [field(TEXT_INPUT, label=plain("x" * 2001))],
        [field(TEXT_INPUT, label=plain("x" * 2000))],
    ),
    ("input hint", [field(TEXT_INPUT, hint=plain("x" * 2001))], [field(TEXT_INPUT, hint=plain("x" * 2000))]),
    ("button as input", [field(button())], [field({"type": "users_select"})]),
    (
        "number decimal",
        [field({"type": "number_input", "is_decimal_allowed": False, "initial_value": "1.5"})],
        [field({"type": "number_input", "is_decimal_allowed": True, "initial_value": "1.5"})],
    ),
    (
        "number kind",
        [field({"type": "number_input"})],
        [field({"type": "number_input", "is_decimal_allowed": False, "min_value": "1", "max_value": "2"})],
    ),
    (
        "date",
        [actions({"type": "datepicker", "initial_date": "12.11.2025"})],
        [actions({"type": "datepicker", "initial_date": "2025-11-12"})],
    ),
    (
        "time",
        [actions({"type": "timepicker", "initial_time": "25:00"})],
        [actions({"type": "timepicker", "initial_time": "23:59"})],
    ),
    (
        "datetime",
        [field({"type": "datetimepicker", "initial_date_time": 17})],
        [field({"type": "datetimepicker", "initial_date_time": 1763000000})],
    ),
    (
        "two with focus",
        [field({**TEXT_INPUT, "focus_on_load": True}), field({**TEXT_INPUT, "focus_on_load": True})],
        [field({**TEXT_INPUT, "focus_on_load": True}), field({**TEXT_INPUT, "focus_on_load": False})],
    ),
    ("rich empty text", [rich({"type": "text", "text": ""})], [rich({"type": "text", "text": "x"})]),
    ("rich user", [rich({"type": "user", "user_id": "ana"})], [rich({"type": "user", "user_id": "U0ANA"})]),
    (
        "rich broadcast",
        [rich({"type": "broadcast", "range": "all"})],
        [rich({"type": "broadcast", "range": "here"}), rich({"type": "emoji", "name": "eyes"})],
    ),
    (
        "image alt",
        [{"type": "image", "image_url": "https://a.b/c.png"}],
        [{"type": "image", "image_url": "https://a.b/c.png", "alt_text": "a chart"}],
    ),
    ("unknown type", [{"type": "carousel"}], [{"type": "divider"}]),
    ("unknown property", [section(colour="red")], [section(expand=True)]),
    (
        "too much text",
        [section(text=plain("x" * 3000))] * 4 + [section()],
        [section(text=plain("x" * 3000))] * 4,
    ),
]
CASES = [pytest.param(past, on, id=name) for name, past, on in PAST_AND_ON]


@pytest.mark.parametrize(("past", "on"), CASES)
def test_a_message_is_refused_past_the_limit_and_taken_on_it(past: list[Json], on: list[Json]) -> None:
    check_message_blocks(on)
    with pytest.raises(ApiError) as caught:
        check_message_blocks(past)
    assert caught.value.code in ("invalid_blocks", "msg_blocks_too_long")
    if caught.value.code == "invalid_blocks":
        assert "[json-pointer:/blocks" in caught.value.extra["response_metadata"]["messages"][0]


def test_the_sample_card_and_modal_are_sound() -> None:
    check_message_blocks(approval_card())
    check_view(edit_modal(), "modal")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"title": plain("x" * 25)}, "invalid_arguments", id="title"),
        pytest.param({"title": mrkdwn("x")}, "invalid_arguments", id="title mrkdwn"),
        pytest.param({"submit": plain("x" * 25)}, "invalid_arguments", id="submit"),
        pytest.param({"close": plain("x" * 25)}, "invalid_arguments", id="close"),
        pytest.param({"submit": None}, "invalid_arguments", id="inputs without submit"),
        pytest.param({"private_metadata": "x" * 3001}, "invalid_arguments", id="private_metadata"),
        pytest.param({"callback_id": "x" * 256}, "invalid_arguments", id="callback_id"),
        pytest.param({"blocks": [{"type": "divider"}] * 101}, "invalid_arguments", id="101 blocks"),
        pytest.param({"type": "home"}, "invalid_arguments", id="type"),
        pytest.param(
            {"blocks": [section(text=plain("x" * 3000), block_id=str(n)) for n in range(90)]},
            "view_too_large",
            id="250 KB",
        ),
    ],
)
def test_a_modal_is_held_to_its_limits(changes: Json, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_view(edit_modal() | changes, "modal")
    assert caught.value.code == code


def test_a_modal_may_be_as_large_as_slack_lets_it() -> None:
    blocks = [{"type": "divider"}] * 99 + [field(TEXT_INPUT)]
    texts = {name: plain("x" * 24) for name in ("title", "submit", "close")}
    check_view(edit_modal() | texts | {"blocks": blocks, "private_metadata": "x" * 3000}, "modal")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param({"event_type": "x"}, "invalid_metadata_format", id="no payload"),
        pytest.param({"event_payload": {}}, "invalid_metadata_format", id="no type"),
        pytest.param("x", "invalid_metadata_format", id="no object"),
        pytest.param(
            {"event_type": "x", "event_payload": {"a": "x" * 9000}}, "metadata_too_large", id="too large"
        ),
    ],
)
def test_metadata_needs_type_and_payload_and_a_size(metadata: Any, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_metadata(metadata)
    assert caught.value.code == code


async def test_the_wire_says_where_the_blocks_are_wrong(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(
            channel="C0APPROVALS", text="x", blocks=[section(), section(text=plain("x" * 3001))]
        )
    answer = caught.value.response
    assert answer["error"] == "invalid_blocks"
    assert answer["errors"] == ["must be less than 3001 characters [json-pointer:/blocks/1/text/text]"]
    assert answer["response_metadata"]["messages"][0].startswith("[ERROR] ")


async def test_blocks_come_back_with_the_ids_slack_adds(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0APPROVALS", text="x", blocks=[actions(button())])
    (block,) = posted["message"]["blocks"]
    assert block["block_id"]
    assert block["elements"][0]["action_id"]
    assert block["elements"][0]["text"]["emoji"] is True
