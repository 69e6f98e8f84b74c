"""Knows every Block Kit block, element and composition object with its limits, as tables; leaves what
a whole message or view may be to validate.py."""

from __future__ import annotations

from typing import Any

from bot.sandbox.checks import (
    Check,
    Report,
    Shape,
    anything,
    boolean,
    both,
    by_type,
    integer,
    items,
    may,
    need,
    one_of,
    record,
    string,
)

ID = string(255)
URL = string(3000, pattern=r"(?:https?|slack)://\S+|mailto:\S+", named="url")
DATE = string(10, pattern=r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", named="date")
TIME = string(5, pattern=r"([01]\d|2[0-3]):[0-5]\d", named="time")
NUMBER = string(60, pattern=r"-?\d+(\.\d+)?", named="number")

# -- composition objects -------------------------------------------------------------------------


def plain(limit: int) -> Check:
    return record({"text": need(string(limit)), "emoji": may(boolean)}, kind="plain_text")


def _mrkdwn(limit: int) -> Check:
    return record({"text": need(string(limit)), "verbatim": may(boolean)}, kind="mrkdwn")


def text(limit: int) -> Check:
    return by_type({"plain_text": plain(limit), "mrkdwn": _mrkdwn(limit)})


CONFIRM = record(
    {
        "title": need(plain(100)),
        "text": need(text(300)),
        "confirm": need(plain(30)),
        "deny": need(plain(30)),
        "style": may(one_of("primary", "danger")),
    }
)


def _option(*, rich: bool, link: bool = False) -> Check:
    shape: dict[str, Any] = {
        "text": need(text(75) if rich else plain(75)),
        "value": need(string(150)),
        "description": may(text(75) if rich else plain(75)),
    }
    if link:
        shape["url"] = may(URL)
    return record(shape)


OPTION = _option(rich=False)
RICH_OPTION = _option(rich=True)
OPTION_GROUP = record({"label": need(plain(75)), "options": need(items(OPTION, 100))})
DISPATCH = record(
    {"trigger_actions_on": may(items(one_of("on_enter_pressed", "on_character_entered"), 2, least=1))}
)

# -- elements ------------------------------------------------------------------------------------

_COMMON: Shape = {"action_id": may(ID)}
_FOCUS: Shape = {"focus_on_load": may(boolean)}
_CONFIRM: Shape = {"confirm": may(CONFIRM)}
_PLACEHOLDER: Shape = {"placeholder": may(plain(150))}
_SELECT: Shape = {**_COMMON, **_FOCUS, **_CONFIRM, **_PLACEHOLDER}
_CHOICES: Shape = {"options": may(items(OPTION, 100)), "option_groups": may(items(OPTION_GROUP, 100))}
_USER = string(255, pattern=r"[UW][A-Z0-9]+", named="user")


def _choices(element: dict[str, Any]) -> list[Any]:
    options = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options.extend(group.get("options", []))
    return options


def _options_agree(element: dict[str, Any], pointer: str, report: Report) -> None:
    """A select has exactly one source of options, no value twice, and starts on one of them."""
    if element["type"].endswith("static_select") and bool(element.get("options")) == bool(
        element.get("option_groups")
    ):
        report.say("must provide exactly one of options or option_groups", pointer)
        return
    choices = _choices(element)
    values = [choice["value"] for choice in choices]
    if len(set(values)) != len(values):
        report.say("option values must be unique", f"{pointer}/options")
    initial = element.get("initial_option")
    initials = element.get("initial_options") or ([initial] if initial else [])
    for index, chosen in enumerate(initials):
        if chosen.get("value") not in values:
            where = "initial_option" if initial else f"initial_options/{index}"
            report.say("initial option must match one of the options", f"{pointer}/{where}")


def _lengths_agree(element: dict[str, Any], pointer: str, report: Report) -> None:
    if element.get("min_length", 0) > element.get("max_length", 3000):
        report.say("min_length must be less than or equal to max_length", pointer)
    if len(element.get("initial_value") or "") > element.get("max_length", 3000):
        report.say("initial_value must not be longer than max_length", f"{pointer}/initial_value")


def _numbers_agree(element: dict[str, Any], pointer: str, report: Report) -> None:
    if not element["is_decimal_allowed"]:
        for name in ("initial_value", "min_value", "max_value"):
            if "." in (element.get(name) or ""):
                report.say("must be a whole number", f"{pointer}/{name}")
    low, high = element.get("min_value"), element.get("max_value")
    if low and high and float(low) > float(high):
        report.say("min_value must be less than or equal to max_value", pointer)


def _element(kind: str, *shapes: Shape, then: Check | None = None, **shape: Any) -> Check:
    merged: dict[str, Any] = {}
    for part in shapes:
        merged |= part
    check = record(merged | shape, kind=kind)
    return both(check, then) if then else check


ELEMENTS: dict[str, Check] = {
    "button": _element(
        "button",
        _COMMON,
        _CONFIRM,
        text=need(plain(75)),
        value=may(string(2000)),
        url=may(URL),
        style=may(one_of("primary", "danger")),
        accessibility_label=may(string(75)),
    ),
    "static_select": _element(
        "static_select", _SELECT, _CHOICES, initial_option=may(OPTION), then=_options_agree
    ),
    "multi_static_select": _element(
        "multi_static_select",
        _SELECT,
        _CHOICES,
        initial_options=may(items(OPTION, 100)),
        max_selected_items=may(integer(1, 100)),
        then=_options_agree,
    ),
    "users_select": _element("users_select", _SELECT, initial_user=may(_USER)),
    "multi_users_select": _element(
        "multi_users_select",
        _SELECT,
        initial_users=may(items(_USER, 100)),
        max_selected_items=may(integer(1, 100)),
    ),
    "plain_text_input": _element(
        "plain_text_input",
        _COMMON,
        _FOCUS,
        _PLACEHOLDER,
        initial_value=may(string(3000, least=0)),
        multiline=may(boolean),
        min_length=may(integer(0, 3000)),
        max_length=may(integer(1, 3000)),
        dispatch_action_config=may(DISPATCH),
        then=_lengths_agree,
    ),
    "number_input": _element(
        "number_input",
        _COMMON,
        _FOCUS,
        _PLACEHOLDER,
        is_decimal_allowed=need(boolean),
        initial_value=may(NUMBER),
        min_value=may(NUMBER),
        max_value=may(NUMBER),
        dispatch_action_config=may(DISPATCH),
        then=_numbers_agree,
    ),
    "email_text_input": _element(
        "email_text_input",
        _COMMON,
        _FOCUS,
        _PLACEHOLDER,
        initial_value=may(string(3000)),
        dispatch_action_config=may(DISPATCH),
    ),
    "url_text_input": _element(
        "url_text_input",
        _COMMON,
        _FOCUS,
        _PLACEHOLDER,
        initial_value=may(string(3000)),
        dispatch_action_config=may(DISPATCH),
    ),
    "checkboxes": _element(
        "checkboxes",
        _COMMON,
        _FOCUS,
        _CONFIRM,
        options=need(items(RICH_OPTION, 10)),
        initial_options=may(items(RICH_OPTION, 10)),
        then=_options_agree,
    ),
    "radio_buttons": _element(
        "radio_buttons",
        _COMMON,
        _FOCUS,
        _CONFIRM,
        options=need(items(RICH_OPTION, 10)),
        initial_option=may(RICH_OPTION),
        then=_options_agree,
    ),
    "overflow": _element(
        "overflow",
        _COMMON,
        _CONFIRM,
        options=need(items(_option(rich=False, link=True), 5)),
        then=_options_agree,
    ),
    "datepicker": _element("datepicker", _SELECT, initial_date=may(DATE)),
    "timepicker": _element("timepicker", _SELECT, initial_time=may(TIME), timezone=may(string(100))),
    "datetimepicker": _element(
        "datetimepicker", _COMMON, _FOCUS, _CONFIRM, initial_date_time=may(integer(10**9, 10**10 - 1))
    ),
}
IMAGE = record({"image_url": need(URL), "alt_text": need(string(2000))}, kind="image")

CLICKABLE = (
    "button",
    "static_select",
    "multi_static_select",
    "users_select",
    "multi_users_select",
    "checkboxes",
    "radio_buttons",
    "overflow",
    "datepicker",
    "timepicker",
    "datetimepicker",
)
IN_ACTIONS = {
    name: ELEMENTS[name]
    for name in (*CLICKABLE, "plain_text_input")
    if not name.startswith("multi_")  # Slack takes multi-selects in sections and inputs only
}
ACCESSORIES = {name: ELEMENTS[name] for name in CLICKABLE} | {"image": IMAGE}
INPUTS = {name: check for name, check in ELEMENTS.items() if name not in ("button", "overflow")}

# -- rich text -----------------------------------------------------------------------------------

_STYLE = record({name: may(boolean) for name in ("bold", "italic", "strike", "code", "underline")})
_STYLED: Shape = {"style": may(_STYLE)}
RICH_INLINE: dict[str, Check] = {
    "text": record({**_STYLED, "text": need(string(12_000))}),
    "link": record({**_STYLED, "url": need(URL), "text": may(string(3000)), "unsafe": may(boolean)}),
    "user": record({**_STYLED, "user_id": need(_USER)}),
    "usergroup": record({**_STYLED, "usergroup_id": need(ID)}),
    "channel": record({**_STYLED, "channel_id": need(ID)}),
    "emoji": record({**_STYLED, "name": need(ID), "unicode": may(ID), "skin_tone": may(integer(1, 6))}),
    "broadcast": record({**_STYLED, "range": need(one_of("here", "channel", "everyone"))}),
    "date": record(
        {
            **_STYLED,
            "timestamp": need(integer(0, 10**11)),
            "format": need(ID),
            "url": may(URL),
            "fallback": may(ID),
        }
    ),
    "color": record({**_STYLED, "value": need(ID)}),
}
_INLINE = items(by_type(RICH_INLINE), 1000, least=0)
_BORDER = may(integer(0, 1))
_RICH_SECTION = record({"elements": need(_INLINE)}, kind="rich_text_section")
RICH_PARTS: dict[str, Check] = {
    "rich_text_section": _RICH_SECTION,
    "rich_text_preformatted": record(
        {
            "elements": need(items(by_type({k: RICH_INLINE[k] for k in ("text", "link")}), 1000)),
            "border": _BORDER,
            "language": may(ID),
        }
    ),
    "rich_text_quote": record({"elements": need(_INLINE), "border": _BORDER}),
    "rich_text_list": record(
        {
            "elements": need(items(_RICH_SECTION, 1000)),
            "style": need(one_of("bullet", "ordered")),
            "indent": may(integer(0, 8)),
            "offset": may(integer(0, 10**6)),
            "border": _BORDER,
        }
    ),
}

# -- blocks --------------------------------------------------------------------------------------

_BLOCK: Shape = {"block_id": may(ID)}


def _has_text_or_fields(block: dict[str, Any], pointer: str, report: Report) -> None:
    if not block.get("text") and not block.get("fields"):
        report.say("missing required field: text or fields", pointer)


BLOCKS: dict[str, Check] = {
    "section": both(
        record(
            {
                **_BLOCK,
                "text": may(text(3000)),
                "fields": may(items(text(2000), 10)),
                "accessory": may(by_type(ACCESSORIES)),
                "expand": may(boolean),
            }
        ),
        _has_text_or_fields,
    ),
    "header": record({**_BLOCK, "text": need(plain(150))}),
    "context": record(
        {
            **_BLOCK,
            "elements": need(
                items(by_type({"plain_text": plain(2000), "mrkdwn": _mrkdwn(2000), "image": IMAGE}), 10)
            ),
        }
    ),
    "actions": record({**_BLOCK, "elements": need(items(by_type(IN_ACTIONS), 25))}),
    "divider": record(_BLOCK),
    "image": record(
        {
            **_BLOCK,
            "image_url": need(URL),
            "alt_text": need(string(2000)),
            "title": may(plain(2000)),
            "image_width": may(anything),
            "image_height": may(anything),
        }
    ),
    "input": record(
        {
            **_BLOCK,
            "label": need(plain(2000)),
            "element": need(by_type(INPUTS)),
            "hint": may(plain(2000)),
            "optional": may(boolean),
            "dispatch_action": may(boolean),
        }
    ),
    "rich_text": record({**_BLOCK, "elements": need(items(by_type(RICH_PARTS), 100))}),
}
