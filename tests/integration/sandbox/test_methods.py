"""Knows that the covered Web API methods are exactly the declared ones and refuse as Slack does."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import METHODS, RateLimits, Sandbox, SandboxChannel, default_workspace
from tests.integration.sandbox.running import client_of


def error_of(caught: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(caught.value.response["error"])


async def test_routes_are_exactly_the_declared_methods(sandbox: Sandbox) -> None:
    assert sandbox.routed_methods() == set(METHODS)


async def test_an_uncovered_method_is_unknown(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call("files.upload")
    assert error_of(caught) == "unknown_method"


@pytest.mark.parametrize(
    ("token", "method", "code"),
    [
        pytest.param("xoxb-other", "auth.test", "invalid_auth", id="wrong token"),
        pytest.param("xapp-sandbox", "auth.test", "not_allowed_token_type", id="app token for a bot method"),
        pytest.param(
            "xoxb-sandbox", "apps.connections.open", "not_allowed_token_type", id="bot token for sockets"
        ),
    ],
)
async def test_tokens_are_checked(sandbox: Sandbox, token: str, method: str, code: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client_of(sandbox, token=token).api_call(method)
    assert error_of(caught) == code


async def test_no_token_is_not_authed_and_broken_bodies_are_named(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(sandbox.api_url + "auth.test") as response:
            assert (await response.json())["error"] == "not_authed"
        headers = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-sandbox"}
        async with session.post(sandbox.api_url + "auth.test", data=b"{", headers=headers) as response:
            assert (await response.json())["error"] == "invalid_json"
        async with session.post(sandbox.api_url + "auth.test", data=b"[]", headers=headers) as response:
            assert (await response.json())["error"] == "json_not_object"


async def test_a_missing_scope_says_what_is_needed_and_provided() -> None:
    workspace = default_workspace().with_app(scopes=("chat:write",))
    async with Sandbox(workspace) as sandbox:
        with pytest.raises(SlackApiError) as caught:
            await client_of(sandbox).users_list()
    answer = caught.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "users:read",
        "chat:write",
    )


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        pytest.param("chat.postMessage", {"text": "x"}, "invalid_arguments", id="post nowhere"),
        pytest.param(
            "chat.postMessage", {"channel": "C404", "text": "x"}, "channel_not_found", id="no channel"
        ),
        pytest.param(
            "chat.postMessage", {"channel": "C0GENERAL", "text": "x"}, "not_in_channel", id="outside"
        ),
        pytest.param("chat.postMessage", {"channel": "C0APPROVALS"}, "no_text", id="empty"),
        pytest.param("chat.postMessage", {"channel": "C0APPROVALS", "text": ""}, "no_text", id="empty text"),
        pytest.param(
            "chat.postMessage",
            {"channel": "C0APPROVALS", "text": "x", "thread_ts": "1.000001"},
            "thread_not_found",
            id="no thread",
        ),
        pytest.param(
            "chat.update",
            {"channel": "C0APPROVALS", "ts": "1.1", "text": "x"},
            "message_not_found",
            id="update",
        ),
        pytest.param(
            "chat.delete", {"channel": "C0APPROVALS", "ts": "1.1"}, "message_not_found", id="delete"
        ),
        pytest.param(
            "chat.postEphemeral",
            {"channel": "C0APPROVALS", "user": "U404", "text": "x"},
            "user_not_found",
            id="ephemeral to nobody",
        ),
        pytest.param(
            "chat.postEphemeral",
            {"channel": "C0FINANCE", "user": "U0CHI", "text": "x"},
            "user_not_in_channel",
            id="ephemeral to an outsider",
        ),
        pytest.param(
            "chat.getPermalink",
            {"channel": "C0APPROVALS", "message_ts": "1.1"},
            "message_not_found",
            id="link",
        ),
        pytest.param("conversations.info", {"channel": "C404"}, "channel_not_found", id="info"),
        pytest.param("conversations.list", {"types": "planets"}, "invalid_types", id="types"),
        pytest.param("conversations.list", {"limit": 0}, "invalid_limit", id="limit"),
        pytest.param("conversations.list", {"cursor": "zzz"}, "invalid_cursor", id="cursor"),
        pytest.param("conversations.open", {"users": "U404"}, "user_not_found", id="dm with nobody"),
        pytest.param("conversations.open", {"users": "U0HAL"}, "user_disabled", id="dm with deactivated"),
        pytest.param("users.info", {"user": "U404"}, "user_not_found", id="user"),
        pytest.param("users.lookupByEmail", {"email": "no@one.example"}, "users_not_found", id="email"),
        pytest.param("users.lookupByEmail", {"email": "hal@meridian.example"}, "users_not_found", id="left"),
        pytest.param("usergroups.users.list", {"usergroup": "S404"}, "no_such_subteam", id="group"),
        pytest.param("views.open", {"trigger_id": "1.2.3", "view": {}}, "invalid_trigger_id", id="trigger"),
        pytest.param("views.update", {"view_id": "V404", "view": {}}, "not_found", id="view"),
        pytest.param(
            "views.publish", {"user_id": "U404", "view": {}}, "invalid_arguments", id="home of nobody"
        ),
    ],
)
async def test_refusals_carry_slacks_codes(
    client: AsyncWebClient, method: str, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call(method, json=arguments)
    assert error_of(caught) == code


async def test_an_archived_channel_takes_nothing() -> None:
    workspace = default_workspace()
    old = SandboxChannel("C0OLD", "old", ("U0ANA", workspace.app.bot_user_id), is_archived=True)
    async with Sandbox(type(workspace)(users=workspace.users, channels=(old,))) as sandbox:
        with pytest.raises(SlackApiError) as caught:
            await client_of(sandbox).chat_postMessage(channel="C0OLD", text="x")
    assert error_of(caught) == "is_archived"


async def test_a_deactivated_app_is_account_inactive(sandbox: Sandbox, client: AsyncWebClient) -> None:
    sandbox.change_user("U0SIGNOFF", deleted=True)
    with pytest.raises(SlackApiError) as caught:
        await client.auth_test()
    assert error_of(caught) == "account_inactive"


async def test_lists_are_paged_with_cursors(client: AsyncWebClient) -> None:
    names: list[str] = []
    cursor = None
    while True:
        page = await client.users_list(limit=4, cursor=cursor)
        names += [member["id"] for member in page["members"]]
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert len(names) == len(set(names)) == 9


async def test_people_are_told_apart(client: AsyncWebClient) -> None:
    ana = (await client.users_info(user="U0ANA"))["user"]
    assert ana["profile"]["email"] == "ana@meridian.example"
    guest = (await client.users_info(user="U0GIA"))["user"]
    assert guest["is_restricted"] is True
    left = (await client.users_info(user="U0HAL"))["user"]
    assert left["deleted"] is True
    assert "is_restricted" not in left
    stranger = (await client.users_info(user="U0PIA"))["user"]
    assert stranger["is_stranger"] is True
    assert stranger["team_id"] == "T0ELSEWHERE"
    assert "email" not in stranger["profile"]


async def test_history_leaves_out_replies_and_shows_metadata_on_demand(client: AsyncWebClient) -> None:
    metadata = {"event_type": "signoff_action", "event_payload": {"id": "act_1"}}
    first = await client.chat_postMessage(channel="C0APPROVALS", text="one", metadata=metadata)
    second = await client.chat_postMessage(channel="C0APPROVALS", text="two")
    await client.chat_postMessage(channel="C0APPROVALS", text="reply", thread_ts=first["ts"])
    await client.chat_postEphemeral(channel="C0APPROVALS", user="U0ANA", text="psst")
    plain = (await client.conversations_history(channel="C0APPROVALS"))["messages"]
    assert [message["text"] for message in plain] == ["two", "one"]
    assert plain[1]["metadata"] == {"event_type": "signoff_action"}
    assert plain[1]["reply_count"] == 1
    whole = await client.conversations_history(channel="C0APPROVALS", include_all_metadata=True)
    assert whole["messages"][1]["metadata"] == metadata
    until = await client.conversations_history(channel="C0APPROVALS", latest=second["ts"], inclusive=False)
    assert [message["text"] for message in until["messages"]] == ["one"]
    since = await client.conversations_history(channel="C0APPROVALS", oldest=second["ts"], inclusive=True)
    assert [message["text"] for message in since["messages"]] == ["two"]
    thread = (await client.conversations_replies(channel="C0APPROVALS", ts=first["ts"]))["messages"]
    assert [message["text"] for message in thread] == ["one", "reply"]


async def test_an_update_keeps_blocks_only_without_text(client: AsyncWebClient) -> None:
    blocks = [{"type": "divider"}]
    posted = await client.chat_postMessage(channel="C0APPROVALS", text="a", blocks=blocks)
    where = {"channel": "C0APPROVALS", "ts": posted["ts"]}
    metadata = {"event_type": "t", "event_payload": {}}
    kept = await client.api_call("chat.update", json={**where, "metadata": metadata})
    assert kept["message"]["blocks"][0]["type"] == "divider"
    gone = await client.chat_update(**where, text="b")
    assert "blocks" not in gone["message"]
    assert gone["message"]["metadata"] == metadata
    with pytest.raises(SlackApiError) as caught:
        await client.chat_update(**where, text="ü" * 2001)
    assert error_of(caught) == "msg_too_long"


async def test_only_own_messages_can_be_changed(sandbox: Sandbox, client: AsyncWebClient) -> None:
    said = await sandbox.say("U0ANA", "C0APPROVALS", "mine")
    for method, code in (("chat.update", "cant_update_message"), ("chat.delete", "cant_delete_message")):
        with pytest.raises(SlackApiError) as caught:
            await client.api_call(method, json={"channel": "C0APPROVALS", "ts": said["ts"], "text": "x"})
        assert error_of(caught) == code


async def test_joining_permalinks_reactions_and_direct_messages(
    sandbox: Sandbox, client: AsyncWebClient
) -> None:
    await client.conversations_join(channel="C0GENERAL")
    posted = await client.chat_postMessage(channel="#general", text="hello")
    assert posted["channel"] == "C0GENERAL"
    link = (await client.chat_getPermalink(channel="C0GENERAL", message_ts=posted["ts"]))["permalink"]
    assert link == f"{sandbox.url}archives/C0GENERAL/p{posted['ts'].replace('.', '')}"
    await client.reactions_add(channel="C0GENERAL", timestamp=posted["ts"], name="eyes")
    with pytest.raises(SlackApiError) as caught:
        await client.reactions_add(channel="C0GENERAL", timestamp=posted["ts"], name="eyes")
    assert error_of(caught) == "already_reacted"
    opened = (await client.conversations_open(users="U0BO"))["channel"]["id"]
    assert opened == sandbox.dm("U0BO")
    assert (await client.chat_postMessage(channel="U0BO", text="hi"))["channel"] == opened


async def test_the_remaining_readers_answer(client: AsyncWebClient) -> None:
    assert (await client.api_test(foo="bar"))["args"] == {"foo": "bar"}
    assert (await client.auth_test())["bot_id"] == "B0SIGNOFF"
    assert (await client.bots_info(bot="B0SIGNOFF"))["bot"]["name"] == "Signoff"
    assert (await client.team_info())["team"]["id"] == "T0SANDBOX"
    assert (await client.users_getPresence(user="U0ANA"))["presence"] == "active"
    groups = (await client.usergroups_list(include_users=True))["usergroups"]
    assert groups[0]["users"] == ["U0ANA", "U0BO"]
    assert (await client.usergroups_users_list(usergroup="S0ONCALL"))["users"] == ["U0CHI"]
    kinds = await client.conversations_list(types="public_channel,private_channel")
    assert [channel["name"] for channel in kinds["channels"]] == ["approvals", "approvals-finance", "general"]
    assert "U0ANA" in (await client.conversations_members(channel="C0FINANCE"))["members"]


async def test_posting_is_limited_by_channel_with_retry_after(timed: Sandbox, clock: Any) -> None:
    client = client_of(timed)
    for _ in range(5):
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0APPROVALS", text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    assert error_of(caught) == "ratelimited"
    await client.chat_postMessage(channel="C0FINANCE", text="another channel is not held up")
    clock.advance(1)
    await client.chat_postMessage(channel="C0APPROVALS", text="x")


async def test_limits_can_be_scaled_and_switched_off() -> None:
    async with Sandbox(rate_limits=RateLimits(enabled=False)) as sandbox:
        for _ in range(30):
            await client_of(sandbox).chat_postMessage(channel="C0APPROVALS", text="x")
        assert len(sandbox.calls("chat.postMessage")) == 30


async def test_every_answer_to_a_token_says_its_scopes() -> None:
    workspace = default_workspace().with_app(scopes=("chat:write", "users:read"))
    async with Sandbox(workspace) as sandbox, aiohttp.ClientSession() as session:

        async def told(method: str, token: str) -> tuple[str | None, str | None]:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(sandbox.api_url + method, headers=headers) as response:
                return response.headers.get("X-OAuth-Scopes"), response.headers.get("X-Accepted-OAuth-Scopes")

        assert await told("auth.test", "xoxb-sandbox") == ("chat:write,users:read", None)
        assert await told("conversations.join", "xoxb-sandbox") == (
            "chat:write,users:read",
            ",".join(METHODS["conversations.join"].scopes),
        )
        assert (await told("apps.connections.open", "xapp-sandbox"))[0] == "connections:write"
        assert await told("auth.test", "xoxb-other") == (None, None)
