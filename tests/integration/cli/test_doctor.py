"""`gate doctor` against real workspaces that are well, and against each thing that can be wrong with one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.sandbox import SandboxChannel
from gate.clock import SteadyClock
from gate.store import open_store
from gate.usecases.ports import Message
from tests.fakes.world import POLICY
from tests.integration.cli.conftest import House
from tests.integration.cli.practice import NOWHERE, practice, workspace


async def test_a_healthy_set_up_passes_and_its_test_card_is_taken_back(house: House):
    async with practice(house) as at:
        visit = await at.visit()
        assert (visit.code, visit.failed()) == (0, set())
        assert visit.of("reachable")["says"].startswith("4 of 4")
        assert visit.of("test card")["state"] == "ok"
        (card,) = at.cards()
        assert "TEST by gate doctor" in card["text"]
        assert "Cancelled" in card["text"]
        assert not at.slack.calls("conversations.open"), "nobody is called for a test"
    outbox = await asyncio.to_thread(house.json, "outbox", "list", "--all")
    assert (outbox["waiting"], outbox["dead"]) == (0, 0)
    (agent,) = await asyncio.to_thread(house.json, "agents", "list")
    assert (agent["name"], agent["key"]) == ("gate-doctor", "revoked")


async def test_with_a_running_gate_the_test_goes_over_its_api(house: House):
    async with practice(house) as at:
        running, url = await asyncio.to_thread(lambda: house.serve(**at.env))
        visit = await at.visit(url=url)
        assert visit.code == 0, visit.failed()
        assert "through the running gate" in visit.of("test card")["says"]
        again = await at.visit(url=url)
        assert again.code == 0, "its agent is there already"
        assert len(at.cards()) == 2
        elsewhere = await at.visit(url=url, GATE_DATABASE_URL="sqlite:///other.db")
        assert elsewhere.of("schema")["state"] == "warn"
        await asyncio.to_thread(house.json, "agents", "list", GATE_DATABASE_URL="sqlite:///other.db")
        elsewhere = await at.visit(url=url, GATE_DATABASE_URL="sqlite:///other.db")
        assert "another database" in elsewhere.of("test card")["todo"]
        running.stop()


async def test_each_missing_scope_is_named_with_what_stops_without_it(house: House):
    scopes = tuple(s for s in workspace().app.scopes if s not in ("im:write", "users:read.email"))
    async with practice(house, workspace().with_app(scopes=scopes)) as at:
        visit = await at.look()
    assert visit.code == 1
    assert {"scope im:write", "scope users:read.email"} <= visit.failed()
    assert "direct messages" in visit.of("scope im:write")["says"]


async def test_a_channel_that_is_not_there_or_keeps_the_bot_out_fails(house: House):
    described = workspace()
    closed = SandboxChannel("C0CLOSED", "closed", ("U0ANA",), is_private=True)
    hall = SandboxChannel("C0HALL", "hall", ("U0ANA",))
    async with practice(house, replace(described, channels=(*described.channels, closed, hall))) as at:
        at.people("finance: {members: [ana, bo]}", 'finance: {members: [ana, bo], channel: "#nowhere"}')
        at.people("approvers: {members: [cho]}", 'approvers: {members: [cho], channel: "#closed"}')
        at.people('default: "#approvals"', 'default: "#approvals", escalations: "#hall"')
        visit = await at.look()
        assert not at.slack.calls("conversations.join"), "looking joins nothing"
    assert visit.failed() == {"channel #nowhere", "channel #closed"}
    assert "the group finance" in visit.of("channel #nowhere")["says"]
    assert "joins with its first card" in visit.of("channel #hall")["says"]


async def test_people_who_cannot_be_asked_are_named_and_the_quorums_they_break(house: House):
    async with practice(house) as at:
        at.slack.change_user("U0BO", deleted=True)
        visit = await at.look()
        assert visit.failed() == {"bo"}
        assert "deactivated" in visit.of("bo")["says"]
        assert visit.of("group finance")["says"].startswith("1 of 2")
        assert visit.of("quorums")["state"] == "ok", "ana and cho are two"
        at.slack.change_user("U0CHO", is_restricted=True)
        visit = await at.look()
    assert {"bo", "cho", "group approvers", "what no rule covers", "p.yaml:14 wires"} <= visit.failed()
    assert "Guests" in visit.of("cho")["says"]
    assert "needs 2 people" in visit.of("p.yaml:14 wires")["says"]


async def test_somebody_slack_does_not_know_by_address_and_a_pin_that_differs(house: House):
    async with practice(house) as at:
        at.people("cho@example.com", "cho@elsewhere.example")
        assert "no active member with the address" in (await at.look()).of("cho")["says"]
        at.people("cho@elsewhere.example", "cho@example.com")
        await asyncio.to_thread(lambda: house.serve(**at.env))
        await at.slack.wait_connected()
        await at.slack.command("U0CHO", "C0APPROVALS", "/gate queue")
        await at.slack.wait_for(lambda slack: slack.ephemerals("U0CHO"), 60)
        at.people("cho@example.com}", "cho@example.com, slack: U0OTHER}")
        visit = await at.look()
    assert "Pinned to the Slack account U0CHO" in visit.of("cho")["says"]


async def test_a_rota_with_nobody_in_it_fails_where_a_ladder_pages_it(house: House):
    async with practice(house) as at:
        at.people("email: bo@example.com, slack: U0BO", "email: bo@example.com, slack: U0BO, active: false")
        visit = await at.look()
        assert visit.of("rota primary")["state"] == "fail"
        assert "bo is not active" in visit.of("rota primary")["says"]
        at.people(
            "  primary:",
            '  idle: {overrides: [{person: ana, from: "2020-01-01T00:00Z", until: "2020-01-02T00:00Z"}]}\n'
            "  primary:",
        )
        visit = await at.look()
    assert visit.of("rota idle")["state"] == "warn", "no ladder pages it"


async def test_a_dead_slack_is_said_once_and_the_test_leaves_nothing_behind(house: House):
    async with practice(house) as at:
        at.slack.down()
        visit = await at.visit()
        assert visit.failed() == {"bot token", "test card"}
        assert "cannot be reached" in visit.of("bot token")["says"]
        at.slack.clear_faults()
        outbox = await asyncio.to_thread(house.json, "outbox", "list", "--all")
        assert outbox["waiting"] == 0
        visit = await at.visit()
        assert visit.code == 0
        assert len(at.cards()) == 1, "the card of the first test never comes"


async def test_a_wrong_token_says_what_to_do(house: House):
    async with practice(house) as at:
        visit = await at.look(SLACK_BOT_TOKEN="xoxb-other")
        assert "does not know this token" in visit.of("bot token")["says"]
        visit = await at.look(SLACK_APP_TOKEN="xapp-other")
    assert visit.failed() == {"app-level token"}


async def test_a_policy_that_lets_the_test_pass_is_said_not_failed(house: House):
    rule = '  - {id: tests, match: {topics: ["signoff.test"]}, decision: allow, reason: Tests pass}\n'
    async with practice(house) as at:
        (house.folder / "policies" / "p.yaml").write_text(POLICY.replace("rules:\n", "rules:\n" + rule))
        visit = await at.visit()
        assert at.cards() == []
    assert (visit.code, visit.of("test card")["state"]) == (0, "warn")
    assert "rule tests answers allowed" in visit.of("test card")["says"]


async def test_broken_files_open_keys_and_dead_letters_are_named(house: House):
    async with practice(house) as at:
        (house.folder / "var" / "keys").chmod(0o755)
        visit = await at.look()
        assert visit.failed() == {"var/keys"}, "said once, and nothing goes on without keys"
        assert "chmod 700 var/keys" in visit.of("var/keys")["todo"]
        (house.folder / "var" / "keys").chmod(0o700)

        clock = SteadyClock()
        url = f"sqlite:///{house.folder}/var/gate.db"
        async with open_store(url, clock=clock, exclusive=False) as store, store.writing() as tx:
            lost = Message(
                id="msg_lost",
                action_id="act_x",
                channel="webhook",
                kind="event",
                body={},
                created_at=clock.now(),
                due_at=clock.now(),
                last_error="410 Gone",
                dead=True,
            )
            await tx.outbox.add(lost)
            await tx.outbox.bury("msg_lost", error="410 Gone")
        visit = await at.look()
        assert visit.code == 0, visit.failed()
        assert "msg_lost (webhook event): 410 Gone" in visit.of("dead letters")["says"]

        (house.folder / "policies" / "p.yaml").write_text("version: v1\nrulez: []\n")
        visit = await at.look()
        assert "rulez" in visit.of("loads")["says"]
        assert visit.failed() == {"loads"}


@pytest.mark.parametrize(
    ("environment", "subject", "state", "words"),
    [
        ({"GATE_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "reachable", "fail", "cannot be reached"),
        ({"GATE_DATABASE_URL": "sqlite:///none.db"}, "schema", "warn", "none yet"),
        ({"GATE_CALLBACK_HOSTS": "https://a.example/x"}, "GATE_CALLBACK_HOSTS", "fail", "never match"),
        ({"GATE_CALLBACK_HOSTS": "*.a.example,b.example:8443"}, "GATE_CALLBACK_HOSTS", "ok", "*.a.example"),
        ({"GATE_PUBLIC_URL": "http://gate.example"}, "GATE_PUBLIC_URL", "warn", "in the clear"),
        ({"GATE_PUBLIC_URL": "https://gate.example"}, "GATE_PUBLIC_URL", "ok", "https://gate.example"),
    ],
)
async def test_settings_are_judged(
    house: House, environment: dict[str, str], subject: str, state: str, words: str
):
    async with practice(house) as at:
        line = (await at.look(**environment)).of(subject)
    assert (line["state"], words in line["says"]) == (state, True), line


async def test_what_answers_and_is_no_gate_is_told_apart(house: House):
    async with practice(house) as at:
        line = (await at.visit("--no-test-card", url=at.slack.url)).of("running")
    assert (line["state"], "no gate" in line["says"]) == ("fail", True)


async def test_at_the_terminal_each_line_says_what_to_do(house: House):
    async with practice(house) as at:
        at.slack.change_user("U0BO", deleted=True)
        done = await asyncio.to_thread(house.gate, "doctor", "--url", NOWHERE, "--no-test-card", **at.env)
    assert done.returncode == 1
    assert (
        "FAIL  people: bo: Bo Lindqvist: This Slack account is deactivated. (U0BO)\n        → " in done.stdout
    )
    assert done.stdout.strip().endswith("1 failed")
