"""`gate people check` as an operator types it: what is wrong with people.yaml, and who would be asked, and why."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from gate.store import open_store
from gate.usecases.ports import Listed, Listing, Pin, Turn
from tests.fakes.records import pending
from tests.fakes.world import PEOPLE, POLICY, SetClock
from tests.integration.cli.conftest import House

FROM_ELSEWHERE = PEOPLE.replace("finance: {members: [ana, bo]}", "finance: {slack_usergroup: S0FIN}").replace(
    'primary: {rotation: {people: [bo], every: 1w, handoff: "mon 09:00", tz: Europe/Berlin}}',
    "primary: {pagerduty_schedule: PABC, rotation: {people: [ana], every: 1w}}",
)


def read_elsewhere(house: House, *, ago: timedelta, on_call: str = "bo@example.com") -> None:
    """What a gate that ran `ago` left in the database."""
    at = datetime.now(UTC) - ago

    async def put() -> None:
        async with (
            open_store(f"sqlite:///{house.folder}/var/gate.db", clock=SetClock(at)) as store,
            store.writing() as tx,
        ):
            users = ("U0ANA", "U0PINNED", "U0GUEST")
            await tx.pins.add(Pin(person="bo", team_id="T1", user_id="U0PINNED", pinned_at=at))
            group = Listed(team_id="T1", users=users)
            await tx.listings.put(Listing(source="usergroup:S0FIN", read_at=at, listed=group))
            turns = Listed(turns=(Turn(email=on_call, start=None, end=None),))
            await tx.listings.put(Listing(source="schedule:PABC", read_at=at, listed=turns))

    asyncio.run(put())


def people(house: House, text: str) -> None:
    (house.folder / "policies" / "people.yaml").write_text(text)


def test_a_sound_file_is_shown_whole_and_nothing_is_made(house: House):
    done = house.gate("people", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "people.yaml is valid: 4 people, 4 of them active" in done.stdout
    assert "finance    ana, bo" in done.stdout
    assert not (house.folder / "var").exists()
    found = house.json("people", "check")
    assert found["groups"][0]["members"] == ["ana", "bo"]
    assert found["on_call"][0]["now"] == "bo"


def test_every_problem_of_the_file_is_told_with_its_line(house: House):
    people(house, PEOPLE.replace("[ana, bo]", "[anna, bo]"))
    done = house.gate("people", "check")
    assert done.returncode == 1
    assert "people.yaml:9: unknown person 'anna' (did you mean 'ana'?)" in done.stderr
    done = house.gate("people", "check", "--json")
    assert (done.returncode, json.loads(done.stdout)["problems"][0]["line"]) == (1, 9)


def test_lists_from_elsewhere_are_shown_with_their_age_and_what_is_wrong(house: House):
    people(house, FROM_ELSEWHERE)
    done = house.gate("people", "check", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (1, False)
    assert "has not been asked yet" in found["groups"][0]["problem"]
    assert "never read" in found["on_call"][0]["problem"]

    read_elsewhere(house, ago=timedelta(minutes=5))
    found = house.json("people", "check")
    group, rota = found["groups"][0], found["on_call"][0]
    assert (group["members"], group["strangers"], group["counts_up_to"]) == (["ana", "bo"], 1, "critical")
    assert 300 <= group["age_sec"] < 400
    assert (rota["now"], rota["problem"]) == ("bo", None)

    read_elsewhere(house, ago=timedelta(hours=1), on_call="who@example.com")
    done = house.gate("people", "check")
    assert done.returncode == 1
    assert "read too long ago for its members to count" in done.stdout
    assert "the schedule names somebody who is not active in people.yaml" in done.stdout


def test_who_is_asked_who_is_left_out_and_who_is_called_when(house: House):
    asked = ("people", "check", "--topic", "pay.refund", "--payload", '{"amount": 1400}', "--owner", "ana")
    found = house.json(*asked)
    named = {each["person"]: each["left_out"] for each in found["named"]}
    assert named == {"ana": "they own the agent", "bo": None, "cho": None}
    assert found["asked"] == ["bo"]
    (step,) = found["ladder"]
    assert (step["after_sec"], step["to"], step["calls"]) == (600, ["oncall:primary"], ["bo"])
    assert found["could_decide"] == ["bo", "cho"]
    assert found["at_the_end"] == "deny"
    text = house.gate(*asked).stdout
    assert "require_approval by refunds at high risk: Large refund" in text
    assert "Ana Ruiz (ana)" in text


def test_an_agent_with_a_key_brings_its_owner_and_a_requester_is_left_out(house: House):
    made = house.gate("agents", "add", "support-bot", "--team", "support", "--owner", "bo")
    assert made.returncode == 0, made.stderr
    action = {"topic": "pay.refund", "payload": {"amount": 1}, "labels": {"requester": "ana@example.com"}}
    (house.folder / "action.json").write_text(json.dumps(action))
    found = house.json("people", "check", "--file", "action.json", "--agent", "support-bot")
    left_out = {each["person"]: each["left_out"] for each in found["named"] if each["left_out"]}
    assert left_out == {"ana": "the action is requested for them", "bo": "they own the agent"}
    assert found["asked"] == ["cho"]


def test_an_old_list_does_not_count_at_high_risk_and_too_few_is_said(house: House):
    people(house, FROM_ELSEWHERE)
    read_elsewhere(house, ago=timedelta(hours=1))
    found = house.json("people", "check", "--topic", "pay.refund", "--payload", '{"amount": 1}')
    assert found["lists"] == [{"group": "finance", "age_sec": found["lists"][0]["age_sec"], "counts": False}]
    assert {e["person"]: e["left_out"] for e in found["named"]}["ana"] == (
        "what is known of finance is too old for high risk"
    )
    people(house, FROM_ELSEWHERE.replace(", rotation: {people: [ana], every: 1w}", ""))
    read_elsewhere(house, ago=timedelta(hours=1), on_call="who@example.com")
    done = house.gate("people", "check", "--topic", "pay.wire", "--payload", '{"amount": 1}')
    assert done.returncode == 1
    assert "These are too few: such an action is denied at once." in done.stdout


def test_what_no_person_decides_asks_nobody(house: House):
    done = house.gate("people", "check", "--topic", "notes.read")
    assert (done.returncode, "Nobody is asked." in done.stdout) == (0, True)


def test_a_wrong_command_line_is_said(house: House):
    for wrong in (
        ("--topic", "a.b", "--file", "x"),
        ("--topic", "a.b", "--payload", "{"),
        ("--file", "none"),
    ):
        done = house.gate("people", "check", *wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("error: ")


def test_what_waits_for_whom_is_part_of_the_choice(house: House):
    few = "approval_queue_policy: {max_open_requests_per_reviewer: 1}\n"
    (house.folder / "policies" / "p.yaml").write_text(POLICY + few)
    asking = ("people", "check", "--topic", "pay.refund", "--payload", '{"amount": 1400}', "--owner", "own")
    found = house.json(*asking)
    assert (found["asked"], found["loads_known"]) == (["ana", "bo"], False)
    assert "what waits for whom is not known" in house.gate(*asking).stdout

    async def put() -> None:
        async with (
            open_store(f"sqlite:///{house.folder}/var/gate.db", clock=SetClock()) as store,
            store.writing() as tx,
        ):
            assert await tx.actions.add(pending(), idempotency_key=None, body_sha256="b")

    asyncio.run(put())
    found = house.json(*asking)
    loads = {each["person"]: (each["open"], each["skipped"]) for each in found["named"]}
    assert loads == {"ana": (1, "full"), "bo": (1, "full"), "cho": (0, None)}
    assert (found["asked"], found["loads_known"]) == (["cho"], True)
    assert "enough waits for them already" in house.gate(*asking).stdout


def test_who_is_left_in_peace_is_told_with_the_end_of_their_quiet_hours(house: House):
    """Only of what can wait; the hours are their own clock's."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=2), now + timedelta(hours=2)
    hours = f'quiet_hours: {{hours: "{begin:%H:%M}-{end:%H:%M}", tz: UTC}}\n'
    people(house, PEOPLE + hours)
    slow = POLICY.replace("sla: 30m}", "sla: 20h}").replace("risk: critical", "risk: medium")
    (house.folder / "policies" / "p.yaml").write_text(slow)
    calm = house.gate("people", "check", "--topic", "pay.wire", "--payload", '{"amount": 1}')
    assert f"quiet until {end:%H:%M} UTC" in calm.stdout
    loud = house.gate("people", "check", "--topic", "pay.refund", "--payload", '{"amount": 1}')
    assert "quiet until" not in loud.stdout
