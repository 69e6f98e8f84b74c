"""Successors of the gate's own keys: made beside the old ones, which keep what they signed valid."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from gate.delivery.webhook import signed_with
from gate.keyring.checkpoints import load_checkpoint_signer
from gate.keyring.events import load_event_seal, read_event_key
from gate.keyring.folder import KeyringError
from gate.keyring.rotation import KINDS, listed, rotated
from gate.keyring.signer import load_signer
from gate.keyring.webhooks import load_webhook_secrets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The keys of a gate that was started once."""
    made = tmp_path / "keys"
    for load in (load_signer, load_checkpoint_signer, load_webhook_secrets, load_event_seal):
        load(made)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_successor_is_listed_as_what_signs(folder: Path, kind: str):
    (first,) = (state for state in listed(folder) if state.kind == kind)
    assert first.use == "signs"
    made = [rotated(folder, kind), rotated(folder, kind)]
    states = [state for state in listed(folder) if state.kind == kind]
    assert [state.id for state in states] == [first.id, made[0].id, made[1].id]
    assert len({state.id for state in states}) == 3
    assert [state.use == "signs" for state in states] == [False, False, True]
    assert made[1].file.partition("-")[2].startswith("0003")
    assert (folder / made[1].file).stat().st_mode & 0o077 == 0


def test_nothing_is_rotated_before_the_first_start(tmp_path: Path):
    with pytest.raises(KeyringError, match="first start"):
        rotated(tmp_path, "grant")


def test_a_replica_that_was_not_restarted_takes_grants_of_the_new_key(folder: Path):
    """INV-19: or a rotation would make two kinds of replicas, and grants that half of them refuse."""
    old = load_signer(folder)
    before = old.sign({"jti": "grt_1"})
    rotated(folder, "grant")
    new = load_signer(folder)
    token = new.sign({"jti": "grt_2"})
    assert token.partition(".")[0] != before.partition(".")[0]
    assert old.verify(token) == {"jti": "grt_2"}
    assert new.verify(before) == {"jti": "grt_1"}
    assert old.jwks() == new.jwks()
    assert len(new.jwks()["keys"]) == 2
    assert old.sign({"jti": "grt_1"}).partition(".")[0] == before.partition(".")[0]


def test_a_receiver_may_know_the_old_secret_or_the_new_one(folder: Path):
    (old,) = load_webhook_secrets(folder)
    rotated(folder, "webhook")
    both = load_webhook_secrets(folder)
    assert both[0] == old
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signed_with([Webhook(each) for each in both], "msg_1", now, b"{}"),
    }
    for secret in both:
        Webhook(secret).verify(b"{}", headers)


def test_events_are_sealed_with_the_newest_key(folder: Path):
    first = load_event_seal(folder)
    made = rotated(folder, "events")
    seal = load_event_seal(folder)
    assert (seal.id, seal.id != first.id) == (made.id, True)
    key = read_event_key(folder / made.file)
    assert seal(b"record") == (made.id, hmac.new(key, b"record", hashlib.sha256).hexdigest())
    assert first(b"record")[1] != seal(b"record")[1]


def test_a_weak_key_for_events_is_refused(folder: Path):
    (folder / "events-0001.secret").write_text("c2hvcnQ=")
    with pytest.raises(KeyringError, match="at least 32 bytes"):
        load_event_seal(folder)
