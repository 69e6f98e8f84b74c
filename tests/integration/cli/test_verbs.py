"""The verbs as an operator types them: answers, exit codes, and nothing secret where it does not belong."""

from __future__ import annotations

import hashlib
import json
import signal
import stat
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.integration.cli.conftest import House

_OPENER = build_opener(ProxyHandler({}))


def ask(url: str, key: str | None = None, body: object = None) -> tuple[int, dict[str, object]]:
    """One HTTP call: status and JSON."""
    request = Request(url, data=None if body is None else json.dumps(body).encode())  # noqa: S310 - loopback
    if body is not None:
        request.add_header("Content-Type", "application/json")
    if key is not None:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with _OPENER.open(request, timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


REFUND = {"topic": "pay.refund", "summary": "Refund", "payload": {"amount": 10, "order": "1"}}


def test_a_key_is_shown_once_and_works_until_it_is_revoked(house: House):
    _, url = house.serve()
    made = house.json("agents", "add", "support-bot", "--team", "support", "--owner", "own@example.com")
    assert made["owner"] == "own"
    key = made["key"]
    assert key.startswith("sgk_")
    assert len(key) >= 4 + 43, "256 bits"
    assert ask(f"{url}/v1/actions", key, REFUND)[0] == 202

    rotated = house.json("agents", "rotate", "support-bot", "--overlap", "1h")
    assert ask(f"{url}/v1/actions", key, REFUND)[0] == 202, "the old key, while they overlap"
    assert ask(f"{url}/v1/actions", rotated["key"], REFUND)[0] == 202
    again = house.json("agents", "rotate", "support-bot", "--overlap", "0s")
    assert ask(f"{url}/v1/actions", rotated["key"], REFUND)[0] == 401, "no overlap"

    house.json("agents", "revoke", "support-bot")
    assert ask(f"{url}/v1/actions", again["key"], REFUND)[0] == 401
    (row,) = house.json("agents", "list")
    assert (row["name"], row["key"], row["scopes"]) == ("support-bot", "revoked", ["propose"])
    stored = (house.folder / "var" / "gate.db").read_bytes() + (
        house.folder / "var" / "gate.db-wal"
    ).read_bytes()
    for secret in (key, rotated["key"], again["key"]):
        assert secret.encode() not in stored
    assert hashlib.sha256(again["key"].encode()).hexdigest().encode() in stored


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("agents", "add", "x", "--team", "t", "--owner", "nobody"), 1, "nobody is no active person"),
        (("agents", "add", "Bad Name", "--team", "t", "--owner", "own"), 2, "lower-case"),
        (("agents", "add", "x", "--team", "t", "--owner", "own", "--scope", "vote"), 2, "none of propose"),
        (("agents", "add", "x", "--team", "t", "--owner", "own", "--audience", "a"), 2, "--scope execute"),
        (("agents", "rotate", "x"), 1, "There is no agent x"),
        (("agents", "rotate", "x", "--overlap", "long"), 2, "30m, 24h or 7d"),
        (("agents", "revoke", "x"), 1, "There is no agent x"),
        (("grants", "revoke", "act_x", "--reason", "r"), 1, "no such action"),
        (("outbox", "retry", "msg_x"), 1, "msg_x is no dead letter"),
        (("outbox", "drop", "msg_x"), 1, "msg_x is not in the outbox"),
        (("audit", "show", "act_x"), 1, "no record of act_x"),
        (("demo", "--kind", "attack"), 2, "--file"),
        (("demo", "--file", "nowhere.jsonl"), 2, "cannot be read"),
        (("demo", "--url", "http://127.0.0.1:1"), 2, "go together"),
        (("nonsense",), 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    house: House, arguments: tuple[str, ...], code: int, says: str
):
    done = house.gate(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_for_a_program_is_json(house: House):
    done = house.gate("agents", "revoke", "x", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "unknown_agent"


def test_a_name_is_given_once(house: House):
    house.json("agents", "add", "bot", "--team", "t", "--owner", "own")
    done = house.gate("agents", "add", "bot", "--team", "t", "--owner", "own")
    assert done.returncode == 1
    assert "already" in done.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"GATE_BINDS": "x"}, "the nearest one is GATE_BIND"),
        ({"GATE_DATABASE_URL": "mysql://u:hunter2@h/d"}, "sqlite:///PATH"),
        ({"SLACK_BOT_TOKEN": "xoxb-hunter2"}, "SLACK_APP_TOKEN"),
        ({"PAGERDUTY_ROUTING_KEY": "hunter 2"}, "letters and digits"),
        ({"GATE_BIND": "203.0.113.1:1"}, "GATE_BIND"),
        ({"GATE_POLICIES": "nowhere"}, "nowhere: start in the folder that has it, or set GATE_POLICIES."),
        ({"GATE_PEOPLE": "nobody.yaml"}, "nobody.yaml: start in the folder that has it, or set GATE_PEOPLE."),
    ],
)
def test_a_gate_that_cannot_start_says_why_in_exit_code_3(
    house: House, environment: dict[str, str], says: str
):
    done = house.gate(
        "serve", **({"GATE_BIND": "127.0.0.1:0", "GATE_SANDBOX_BIND": "127.0.0.1:0"} | environment)
    )
    assert done.returncode == 3
    assert says in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_second_gate_on_the_same_file_is_refused(house: House):
    """Threat 32."""
    house.serve()
    done = house.gate("serve", GATE_BIND="127.0.0.1:0", GATE_SANDBOX_BIND="127.0.0.1:0")
    assert done.returncode == 3
    assert "in use by another process" in done.stderr


def test_keys_that_others_may_read_stop_the_start(house: House):
    """Threat 29."""
    first, _ = house.serve()
    first.stop()
    (house.folder / "var" / "keys" / "grant-0001.jwk").chmod(0o644)
    done = house.gate("serve", GATE_BIND="127.0.0.1:0", GATE_SANDBOX_BIND="127.0.0.1:0")
    assert done.returncode == 3
    assert "chmod 600" in done.stderr


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
def test_a_signal_stops_the_gate_cleanly(house: House, signal_name: str):
    running, url = house.serve()
    assert ask(f"{url}/healthz")[0] == 200
    running.send(signal.Signals[signal_name])
    assert running.wait(within=60) == 0
    assert "gate.stopped" in running.output
    assert "Traceback" not in running.output
    again, _ = house.serve()
    assert again.stop() == 0


def test_everything_written_is_for_its_owner_alone(house: House):
    """Threat 29."""
    running, _ = house.serve()
    running.stop()
    written = [house.folder / "var", *(house.folder / "var").rglob("*")]
    assert {path.name for path in written} >= {"gate.db", "grant-0001.jwk", "webhook.secret", "sandbox.json"}
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_readiness_names_a_policy_that_did_not_load_and_the_record_one_that_did(house: House):
    """A broken file leaves the last good set running and says so; a good one is on record before it decides, and a
    changed byte is another digest (threat 21)."""
    running, url = house.serve()
    assert ask(f"{url}/readyz")[0] == 200
    key = house.json("agents", "add", "reader", "--team", "t", "--owner", "own", "--scope", "read")["key"]
    policy = house.folder / "policies" / "p.yaml"
    good = policy.read_text()
    policy.write_text(good + "\nnonsense: 1\n")
    running.expect("policy.refused")
    _, ready = ask(f"{url}/readyz")
    assert "nonsense" in json.dumps(ready)
    assert len(ask(f"{url}/v1/policy/snapshots", key)[1]["items"]) == 1
    policy.write_text(good + "# a comment\n")
    running.expect(
        "policy.loaded", after=running.lines.index(next(x for x in running.lines if "policy.refused" in x))
    )
    _, snapshots = ask(f"{url}/v1/policy/snapshots", key)
    assert len(snapshots["items"]) == 2
    _, records = ask(f"{url}/v1/audit/records?kind=policy.loaded", key)
    assert [item["detail"]["digest"] for item in records["items"]] == [
        item["digest"] for item in snapshots["items"]
    ]


def test_a_release_is_taken_back_and_its_story_shown(house: House):
    """INV-20: revoked from the command line while the gate runs, the grant is dead at once."""
    _, url = house.serve()
    agent = house.json("agents", "add", "bot", "--team", "t", "--owner", "own")["key"]
    runner = house.json("agents", "add", "run", "--team", "t", "--owner", "own", "--scope", "execute")["key"]
    status, done = ask(
        f"{url}/v1/actions", agent, {"topic": "crm.read", "summary": "Read", "payload": {"id": 1}}
    )
    assert (status, done["status"]) == (200, "allowed")
    action, token = str(done["id"]), done["grant"]["token"]
    assert house.json("grants", "revoke", action, "--reason", "wrong customer")["revoked"] is True
    status, problem = ask(f"{url}/v1/grants/redeem", runner, {"token": token, "payload": {"id": 1}})
    assert (status, problem["code"]) == (410, "grant_revoked")
    story = house.json("audit", "show", action)
    assert [row["kind"] for row in story["records"]] == ["action.allowed", "grant.issued", "grant.revoked"]
    assert story["records"][-1]["actor"].startswith("operator:")
    assert (story["note"], story["taken_back"]) == ("wrong customer", True)
    assert story["grants"][0]["leaf"] == story["records"][0]["leaf"], (
        "the grant names the record of its release"
    )
    told = house.gate("audit", "show", action).stdout
    for words in ("What was proposed", "Under which policy", "wrong customer", story["input_sha256"]):
        assert words in told.replace("\n", "")
    refused = house.gate("grants", "revoke", action, "--reason", "again")
    assert refused.returncode == 1


def test_the_sandbox_alone_serves_a_gate_elsewhere(house: House):
    """The bot needs nothing but three settings to work with another workspace server."""
    sandbox = house.start("sandbox")
    api = sandbox.expect(r"SLACK_API_URL=(\S+)").group(1)
    bot = sandbox.expect(r"SLACK_BOT_TOKEN=(\S+)").group(1)
    app = sandbox.expect(r"SLACK_APP_TOKEN=(\S+)").group(1)
    running, url = house.serve(SLACK_API_URL=api, SLACK_BOT_TOKEN=bot, SLACK_APP_TOKEN=app)
    assert "SANDBOX" not in running.output
    status, ready = ask(f"{url}/readyz")
    assert status == 200, ready
    assert running.stop() == 0
    assert sandbox.stop() == 0


def test_the_version(house: House):
    assert house.gate("--version").stdout.startswith("signoff ")


def test_the_report_tells_programs_and_people_what_waits_and_how_it_went(house: House):
    """An operator may see everybody; still nothing of any payload is in it."""
    assert "Nothing waits for anybody." in house.gate("report").stdout
    _, url = house.serve()
    agent = house.json("agents", "add", "bot", "--team", "t", "--owner", "own")["key"]
    body = {
        "topic": "pay.refund",
        "summary": "Refund to hunter2",
        "payload": {"amount": 7, "order": "hunter2"},
    }
    status, _ = ask(f"{url}/v1/actions", agent, body)
    assert status == 202
    found = house.json("report")
    (waiting,) = found["waiting"]
    assert (waiting["risk"], waiting["count"], waiting["overdue"]) == ("high", 1, 0)
    assert [(span["last_sec"], span["asked"], span["waiting"]) for span in found["spans"]] == [
        (86_400, 1, 1),
        (604_800, 1, 1),
        (2_592_000, 1, 1),
    ]
    assert (found["reviewers"], found["complete"]) == ([], True)
    said = house.gate("report").stdout
    assert "24 hours" in said
    assert "hunter2" not in said + json.dumps(found)


def test_a_gate_keeps_nothing_readable_and_goes_on_under_a_new_key(house: House):
    """Threat 35: the process seals what it stores, from the first start on, and a running gate reads under a key that
    was made and used beside it."""
    _, url = house.serve()
    assert (house.folder / "var" / "keys" / "sealed-only").exists()
    agent = house.json("agents", "add", "bot", "--team", "t", "--owner", "own")["key"]
    body = {
        "topic": "pay.refund",
        "summary": "Refund to hunter2",
        "payload": {"amount": 7, "order": "hunter2"},
    }
    _, document = ask(f"{url}/v1/actions", agent, body)
    for path in (house.folder / "var").glob("gate.db*"):
        assert b"hunter2" not in path.read_bytes(), path
    (old,) = house.json("keys", "show")["keys"]
    new = house.json("keys", "rotate")["current"]
    told = house.json("keys", "show")
    assert (told["keys"], told["current"], told["stale"]) == ([old, new], new, 1)
    assert house.json("keys", "seal")["renewed"] == 1
    assert house.json("keys", "show")["stale"] == 0
    (house.folder / "var" / "keys" / "sealing-0001.key").rename(house.folder / "old.key")
    status, found = ask(f"{url}/v1/actions/{document['id']}", agent)
    assert (status, found["payload"]) == (200, body["payload"])
