"""Grant signatures: what this gate signed is read back, and nothing else ever is (threat 13)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey, RSAKey

from gate.keyring.folder import KeyringError
from gate.keyring.signer import GrantSigner, load_signer
from gate.keyring.webhooks import load_webhook_secrets

CLAIMS = {"iss": "signoff", "aud": "executors", "jti": "grt_1", "act": "act_1", "ver": 1, "exp": 1}


def encoded(value: bytes | dict[str, Any]) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyring") / "keys"


@pytest.fixture(scope="module")
def signer(folder: Path) -> GrantSigner:
    return load_signer(folder)


@pytest.fixture(scope="module")
def private(folder: Path, signer: GrantSigner) -> OKPKey:
    """The gate's own key, for tokens whose signature is right and whose header is not."""
    return OKPKey.import_key(json.loads((folder / "grant-0001.jwk").read_bytes()))


def forged(private: OKPKey, header: dict[str, Any], claims: dict[str, Any] = CLAIMS) -> str:
    """A token with any header, signed with the gate's key over that very header."""
    body = f"{encoded(header)}.{encoded(claims)}"
    key = private.get_op_key("sign")
    assert isinstance(key, Ed25519PrivateKey)
    return f"{body}.{encoded(key.sign(body.encode()))}"


def test_a_token_is_read_back_after_a_restart(folder: Path, signer: GrantSigner):
    assert load_signer(folder).verify(signer.sign(CLAIMS)) == CLAIMS


def test_what_was_signed_lately_is_known_by_all_of_it(folder: Path, signer: GrantSigner):
    """Threat 13: with any other character it is not what was signed, whether it is remembered or not."""
    token = signer.sign(CLAIMS)
    assert signer.verify(token) == CLAIMS
    found = signer.verify(token)
    assert isinstance(found, dict)
    found["aud"] = "others"
    assert signer.verify(token) == CLAIMS
    for at in range(len(token) - 1):  # the last one's lowest bits say nothing
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert signer.verify(other) is None
    for number in range(2_000):
        signer.sign(CLAIMS | {"ver": number})
    assert len(signer._own) <= 1_024
    assert token not in signer._own
    assert signer.verify(token) == CLAIMS


def test_the_header_names_the_algorithm_the_type_and_the_thumbprint(signer: GrantSigner, private: OKPKey):
    header = decoded(signer.sign(CLAIMS).partition(".")[0])
    assert header == {"alg": "Ed25519", "typ": "signoff-grant+jwt", "kid": private.thumbprint()}


def test_anybody_can_verify_with_the_published_key(signer: GrantSigner):
    (published,) = signer.jwks()["keys"]
    assert set(published) == {"kty", "crv", "x", "kid", "use", "alg"}
    token = signer.sign(CLAIMS)
    key = OKPKey.import_key(published)
    assert json.loads(jws.deserialize_compact(token, key, algorithms=["Ed25519"]).payload) == CLAIMS
    raw = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(published["x"] + "="))
    body, _, signature = token.rpartition(".")
    raw.verify(base64.urlsafe_b64decode(signature + "=="), body.encode())


GOOD = {"alg": "Ed25519", "typ": "signoff-grant+jwt"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"alg": "none"}, id="alg none"),
        pytest.param({"alg": "EdDSA"}, id="the ambiguous older name"),
        pytest.param({"alg": "HS256"}, id="a symmetric algorithm"),
        pytest.param({"alg": "ed25519"}, id="another case"),
        pytest.param({"typ": "JWT"}, id="another type"),
        pytest.param({"typ": None}, id="no type"),
        pytest.param({"kid": "unknown"}, id="an unknown key id"),
        pytest.param({"kid": None}, id="no key id"),
        pytest.param({"crit": ["exp"], "exp": 1}, id="crit"),
        pytest.param({"crit": ["b64"], "b64": False}, id="unencoded payload"),
        pytest.param({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}, id="an embedded key"),
        pytest.param({"jku": "https://attacker.example/jwks.json"}, id="a key to fetch"),
        pytest.param({"cty": "x"}, id="one member more"),
    ],
)
def test_another_header_is_refused_even_with_a_right_signature(
    signer: GrantSigner, private: OKPKey, change: dict[str, Any]
):
    """Threat 13."""
    header = {**GOOD, "kid": private.thumbprint()} | change
    token = forged(private, {name: value for name, value in header.items() if value is not None})
    assert signer.verify(token) is None


def test_the_same_header_is_accepted_by_the_forging_helper(signer: GrantSigner, private: OKPKey):
    """So that the refusals above are the header's doing."""
    assert signer.verify(forged(private, {**GOOD, "kid": private.thumbprint()})) == CLAIMS


def test_a_stranger_who_names_our_key_is_refused(signer: GrantSigner, private: OKPKey):
    stranger = OKPKey.generate_key("Ed25519")
    assert signer.verify(forged(stranger, {**GOOD, "kid": private.thumbprint()})) is None


def test_our_public_key_as_an_hmac_secret_is_refused(signer: GrantSigner, private: OKPKey):
    """The classic confusion of a public key with a shared secret."""
    body = f"{encoded({'alg': 'HS256', 'typ': GOOD['typ'], 'kid': private.thumbprint()})}.{encoded(CLAIMS)}"
    for secret in (private.as_pem(private=False), signer.jwks()["keys"][0]["x"].encode()):
        signature = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        assert signer.verify(f"{body}.{encoded(signature)}") is None


def test_any_changed_character_is_refused(signer: GrantSigner):
    token = signer.sign(CLAIMS)
    for place in range(len(token)):
        for other in ("A", "B", "_", ".", "="):
            if token[place] != other:
                assert signer.verify(token[:place] + other + token[place + 1 :]) is None, place


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"[]", id="a list"),
        pytest.param(b"1", id="a number"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"a":' * 20_000, id="very deep"),
    ],
)
def test_signed_claims_that_are_no_object_are_refused(signer: GrantSigner, private: OKPKey, payload: bytes):
    token = jws.serialize_compact(
        {**GOOD, "kid": private.thumbprint()}, payload, private, algorithms=["Ed25519"]
    )
    assert signer.verify(token) is None


@given(st.one_of(st.text(), st.from_regex(r"[\w.=-]{0,80}\.[\w.=-]{0,80}\.[\w.=-]{0,80}")))
def test_junk_is_refused_and_never_raises(junk: str):
    assert _ANY.verify(junk) is None


_ANY = GrantSigner([OKPKey.generate_key("Ed25519")])


def test_the_last_key_signs_and_every_key_verifies(tmp_path: Path):
    folder = tmp_path / "keys"
    old = load_signer(folder)
    token = old.sign(CLAIMS)
    second = folder / "grant-0002.jwk"
    second.touch(mode=0o600)
    second.write_text(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)))
    both = load_signer(folder)
    assert both.verify(token) == CLAIMS
    assert both.sign(CLAIMS).partition(".")[0] != token.partition(".")[0]
    assert len(both.jwks()["keys"]) == 2
    assert old.verify(both.sign(CLAIMS)) == CLAIMS, "it looks for keys that came since"


def test_the_first_start_makes_private_files_in_a_private_folder(tmp_path: Path):
    folder = tmp_path / "var" / "keys"
    load_signer(folder)
    load_webhook_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"grant-0001.jwk", "webhook.secret"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int):
    """Threat 29: refused at start, with what to do about it."""
    folder = tmp_path / "keys"
    load_signer(folder)
    file = folder / "grant-0001.jwk"
    file.chmod(mode)
    with pytest.raises(KeyringError, match=f"chmod 600 {file}"):
        load_signer(folder)


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path, mode: int):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    folder.chmod(mode)
    with pytest.raises(KeyringError, match=f"chmod 700 {folder}"):
        load_signer(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no key"),
        pytest.param(b"not json", id="no JSON"),
        pytest.param(json.dumps(RSAKey.generate_key(2048).as_dict(private=True)).encode(), id="RSA"),
        pytest.param(json.dumps(OKPKey.generate_key("Ed448").as_dict(private=True)).encode(), id="Ed448"),
        pytest.param(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False)).encode(), id="public"),
    ],
)
def test_a_damaged_key_file_stops_the_start_and_shows_nothing_of_it(tmp_path: Path, content: bytes):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    file = folder / "grant-0001.jwk"
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(KeyringError, match="restore it from a backup") as refused:
        load_signer(folder)
    assert not content or content.decode() not in str(refused.value)
    assert file.read_bytes() == content


def test_a_weak_webhook_secret_is_refused(tmp_path: Path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    file = folder / "webhook.secret"
    file.touch(mode=0o600)
    file.write_text("whsec_" + base64.b64encode(b"short").decode())
    with pytest.raises(KeyringError, match="at least 24 bytes"):
        load_webhook_secrets(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_constraint_that_is_no_number_is_not_signed_away(signer: GrantSigner, value: float):
    """INV-11: as null it would be no constraint at all."""
    with pytest.raises(ValueError, match="JSON"):
        signer.sign(CLAIMS | {"constraints": {"max_amount": value}})
    kept = CLAIMS | {"constraints": {"note": "null", "limit": None}}
    assert signer.verify(signer.sign(kept)) == kept
