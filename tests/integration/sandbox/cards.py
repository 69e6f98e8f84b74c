"""Knows sample approval cards and modals as an app would post them; leaves what clicks do to the tests."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def button(text: str, action_id: str, value: str, style: str | None = None) -> Json:
    made: Json = {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action_id,
        "value": value,
    }
    return made | ({"style": style} if style else {})


def approval_card(action: str = "act_01JC:1") -> list[Json]:
    """A rich card: header, summary, payload, evidence, rationale and buttons."""
    return [
        {"type": "header", "text": {"type": "plain_text", "text": "HIGH · Refund $1,400.00 to order 881"}},
        {
            "type": "section",
            "text": {
                "type": "mrkdwn",
                "text": "*support-bot* (team support, owner <@U0OWN>) · workflow `customer-refund`, step 3\n"
                "Stopped by `refunds`: _Large refund_ (amount_usd 1,400 &gt; 100)",
            },
            "fields": [
                {"type": "mrkdwn", "text": "*Time left*\n28 min, until 14:32"},
                {"type": "mrkdwn", "text": "*Needs*\n1 of <!subteam^S0FINANCE>"},
            ],
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_preformatted",
                    "elements": [
                        {
                            "type": "text",
                            "text": "stripe.refund\n"
                            "  amount     1400\n"
                            '  order      "881"\n'
                            '  note       "double charge on 12 Nov"',
                        }
                    ],
                }
            ],
        },
        {
            "type": "section",
            "text": {
                "type": "mrkdwn",
                "text": ":white_check_mark: good   Contract   CON-4821\n"
                ":warning: risk   Prior refunds   5 this quarter\n"
                ":large_yellow_circle: care   Confidence   0.71   _claimed by the agent_",
            },
        },
        {"type": "divider"},
        {
            "type": "context",
            "elements": [
                {
                    "type": "mrkdwn",
                    "text": "Signoff: first refund above $1,000 by this agent · of 13 like it in 30 days "
                    "12 approved, 1 rejected",
                }
            ],
        },
        {
            "type": "section",
            "text": {
                "type": "mrkdwn",
                "text": "&gt; Customer was charged twice on 12 November, see ticket 77.",
            },
        },
        {
            "type": "actions",
            "block_id": "decide",
            "elements": [
                button("Approve", "approve", action, "primary"),
                button("Edit", "edit", action),
                button("Reject", "reject", action, "danger"),
                button("Details", "details", action),
            ],
        },
    ]


def edit_modal(private_metadata: str = "act_01JC:1") -> Json:
    """An edit form with typed fields."""
    return {
        "type": "modal",
        "callback_id": "edit",
        "private_metadata": private_metadata,
        "title": {"type": "plain_text", "text": "Edit the refund"},
        "submit": {"type": "plain_text", "text": "Save"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "notify_on_close": True,
        "blocks": [
            {
                "type": "input",
                "block_id": "field:/amount",
                "label": {"type": "plain_text", "text": "amount"},
                "element": {
                    "type": "number_input",
                    "action_id": "value",
                    "is_decimal_allowed": True,
                    "initial_value": "1400",
                    "min_value": "0",
                },
            },
            {
                "type": "input",
                "block_id": "field:/note",
                "optional": True,
                "label": {"type": "plain_text", "text": "note"},
                "element": {"type": "plain_text_input", "action_id": "value", "multiline": True},
            },
            {
                "type": "input",
                "block_id": "then",
                "label": {"type": "plain_text", "text": "Then"},
                "element": {
                    "type": "radio_buttons",
                    "action_id": "value",
                    "options": [
                        {"text": {"type": "plain_text", "text": "Approve it"}, "value": "approve"},
                        {"text": {"type": "plain_text", "text": "Only save"}, "value": "save"},
                    ],
                    "initial_option": {
                        "text": {"type": "plain_text", "text": "Approve it"},
                        "value": "approve",
                    },
                },
            },
        ],
    }


def every_input() -> Json:
    """A modal with one of each input, to hold typed values and rendering to."""

    def plain(text: str) -> Json:
        return {"type": "plain_text", "text": text}

    options = [{"text": plain(f"Option {letter}"), "value": letter} for letter in "abc"]
    described = [option | {"description": plain(f"about {option['value']}")} for option in options]
    groups = [
        {"label": plain("First"), "options": options[:2]},
        {"label": plain("Then"), "options": options[2:]},
    ]
    elements: dict[str, Json] = {
        "static_select": {"options": options, "placeholder": plain("Pick one")},
        "multi_static_select": {"option_groups": groups, "max_selected_items": 2},
        "users_select": {},
        "multi_users_select": {"placeholder": plain("Whom to ask")},
        "plain_text_input": {"min_length": 2, "max_length": 10},
        "number_input": {"is_decimal_allowed": False, "min_value": "1", "max_value": "9"},
        "email_text_input": {},
        "url_text_input": {},
        "checkboxes": {"options": described},
        "radio_buttons": {"options": options},
        "datepicker": {},
        "timepicker": {"timezone": "Europe/Berlin"},
        "datetimepicker": {},
    }
    inputs = [
        {
            "type": "input",
            "block_id": kind,
            "optional": True,
            "label": plain(kind.replace("_", " ")),
            "hint": plain(f"This is a {kind}."),
            "element": {"type": kind, "action_id": "value", **more},
        }
        for kind, more in elements.items()
    ]
    overflow: Json = {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "Something *with* a menu"},
        "accessory": {"type": "overflow", "action_id": "more", "options": options},
    }
    return {
        "type": "modal",
        "callback_id": "every_input",
        "title": plain("One of each"),
        "submit": plain("Send"),
        "blocks": [overflow, *inputs],
    }
