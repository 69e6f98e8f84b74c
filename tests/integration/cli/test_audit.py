"""The record as an auditor handles it: a checkpoint put away, a bundle written, and both checked on another day."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3

import pytest

from tests.integration.cli.conftest import House
from tests.integration.cli.test_verbs import ask


@pytest.fixture
def decided(house: House) -> House:
    """A gate that has allowed something and was stopped; its last checkpoint is in `kept`."""
    running, url = house.serve()
    key = house.json("agents", "add", "bot", "--team", "t", "--owner", "own")["key"]
    for number in range(3):
        done = ask(
            f"{url}/v1/actions", key, {"topic": "crm.read", "summary": "Read", "payload": {"id": number}}
        )
        assert done[0] == 200
    assert running.stop() == 0
    (house.folder / "kept").write_text(house.gate("audit", "checkpoint").stdout)
    (house.folder / "keys").write_text(house.gate("audit", "checkpoint", "--keys").stdout)
    return house


def found(house: House, *arguments: str) -> list[str]:
    done = house.gate("audit", "verify", *arguments, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1), done.stderr
    return sorted({each["kind"] for each in report["found"]})


def test_a_bundle_is_verified_without_the_gate(decided: House):
    """INV-48: with the bundle, the public key and a checkpoint, in an empty folder."""
    made = decided.json("audit", "export", "record.jsonl.gz")
    assert made["records"] >= 7, "a policy set, a key, and for each action a release and a grant"
    elsewhere = decided.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("record.jsonl.gz", "kept", "keys"):
        shutil.move(decided.folder / name, elsewhere / name)
    away = House(elsewhere, decided.processes)
    assert found(away, "record.jsonl.gz", "--key", "keys", "--checkpoint", "kept") == []
    assert not (elsewhere / "var").exists()
    told = away.gate("audit", "verify", "record.jsonl.gz")
    assert told.returncode == 0
    assert "Nothing is wrong with it." in told.stdout
    assert (elsewhere / "keys").read_text().strip() in told.stdout, "the keys it brings are to be compared"


def test_a_changed_copy_of_the_database_is_found_out(decided: House):
    """INV-48, threat 26: somebody with the file and sqlite3."""
    copy = decided.folder / "copy"
    shutil.copytree(decided.folder / "var", copy)
    url = f"sqlite:///{copy / 'gate.db'}"
    assert found(decided, "--database", url, "--checkpoint", "kept") == []
    with sqlite3.connect(copy / "gate.db") as connection:
        connection.execute("DROP TRIGGER audit_keeps_update")
        connection.execute(
            "UPDATE audit SET canonical = replace(canonical, 'allow', 'al1ow') WHERE kind = 'action.allowed'"
        )
    connection.close()
    assert "edited" in found(decided, "--database", url, "--checkpoint", "kept")


NOT_TO_BE_DONE = {
    (): (2, "either a bundle or --database"),
    ("nowhere",): (3, "cannot be read"),
    ("keys",): (3, "no audit bundle"),
    ("--database", "sqlite:///nowhere.db"): (3, "There is no"),
    ("record", "--key", "nonsense"): (2, "no public key"),
    ("record", "--checkpoint", "nowhere"): (3, "cannot be read"),
    ("record", "--checkpoint", "keys"): (3, "no checkpoint of this record"),
}


def test_what_cannot_be_verified_is_said_in_a_sentence(house: House):
    assert house.gate("audit", "checkpoint").returncode == 1, "nothing was signed yet"
    (house.folder / "keys").write_text(house.gate("audit", "checkpoint", "--keys").stdout)
    assert house.json("audit", "export", "record")["records"] == 0
    for arguments, (code, says) in NOT_TO_BE_DONE.items():
        done = house.gate("audit", "verify", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_a_rotated_key_signs_beside_the_old_one_and_is_on_record(decided: House):
    """INV-48: old bundles verify, auditors with the first key go on, and the folder elsewhere has what was signed."""
    decided.json("audit", "export", "old.jsonl.gz")
    rotated = decided.json("keys", "rotate", "checkpoint")
    kept = decided.folder / "elsewhere"
    running, _ = decided.serve(
        GATE_CHECKPOINTS_FOLDER=str(kept), GATE_CHECKPOINTS_EVERY_SEC="1", GATE_LOG_LEVEL="debug"
    )
    running.expect(r"record\.published")
    assert running.stop() == 0
    assert found(decided, "old.jsonl.gz", "--key", "keys", "--checkpoint", "kept") == []
    decided.json("audit", "export", "new.jsonl.gz")
    assert found(decided, "new.jsonl.gz", "--key", "keys", "--checkpoint", str(kept)) == []
    both = decided.json("audit", "checkpoint", "--keys")
    assert both[-1].split("+")[1] == rotated["id"]
    assert decided.gate("audit", "checkpoint").stdout.count("\u2014 ") == 2
    assert found(decided, "new.jsonl.gz", "--key", both[-1]) == ["unsigned"], (
        "the new key did not sign what was before it"
    )
    with gzip.open(decided.folder / "new.jsonl.gz", "rt") as bundle:
        assert (
            sum('"key.rotated' in line.replace(chr(92), "") and rotated["id"] in line for line in bundle) == 1
        )


def test_an_auditor_reads_one_decision_out_of_the_bundle(decided: House):
    """INV-11: with the bundle and the public key alone: what, when, under which policy, all of it verified first."""
    decided.json("audit", "export", "record.jsonl.gz")
    with gzip.open(decided.folder / "record.jsonl.gz", "rt") as bundle:
        records = [json.loads(line) for line in bundle if line.startswith('{"leaf"')]
    action = next(a for r in records if (a := json.loads(r["canonical"])["action"]))
    told = decided.gate("audit", "verify", "record.jsonl.gz", "--key", "keys", "--story", action)
    assert told.returncode == 0, told.stderr
    for words in (
        "Nothing is wrong with it.",
        "action.allowed",
        "grant.issued",
        "payload_sha256",
        "--- p.yaml",
    ):
        assert words in told.stdout
    unknown = decided.gate("audit", "verify", "record.jsonl.gz", "--story", "act_nobody")
    assert unknown.returncode == 1
