"""A grant is believed offline only where a gate's own key signed exactly what a gate writes (threats 11, 12, 13)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gate.client import grants
from gate.client.errors import GrantInvalid
from gate.client.grants import Keys, read_keys, seal, signing_key, verify
from gate.client.keys import KeyCache
from gate.keyring.signer import GrantSigner


def encoded(value: bytes | dict[str, Any]) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


PAYLOAD = {"amount": 1400, "order": "881"}
NOW = 1_000_000.0
CLAIMS: dict[str, Any] = {
    "iss": "signoff",
    "aud": "executors",
    "jti": "grt_1",
    "iat": 1_000_000,
    "nbf": 1_000_000,
    "exp": 1_000_900,
    "act": "act_1",
    "ver": 2,
    "payload_sha256": seal(PAYLOAD).sha256,
    "policy_digest": "sha256:0",
    "rule": "free",
    "constraints": {"max_runtime_sec": 60},
}
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KNOWN = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": encoded(SECRET.private_bytes_raw()),
    "x": encoded(SECRET.public_key().public_bytes_raw()),
}
"""A fixed key, so that every worker collects the same tests."""
PRIVATE = OKPKey.import_key(KNOWN)
SIGNER = GrantSigner([PRIVATE])
KID = PRIVATE.thumbprint()
KEYS = read_keys(SIGNER.jwks())


def signed(
    header: bytes | dict[str, Any], claims: bytes | dict[str, Any] = CLAIMS, key: OKPKey = PRIVATE
) -> str:
    """A token with any header and body, signed over them."""
    body = f"{encoded(header)}.{encoded(claims)}"
    private = key.get_op_key("sign")
    assert isinstance(private, Ed25519PrivateKey)
    return f"{body}.{encoded(private.sign(body.encode()))}"


def judged(
    token: str, *, keys: Keys = KEYS, payload: dict[str, Any] = PAYLOAD, now: float = NOW, **options: Any
):
    return verify(token, seal(payload), keys, **{"audience": "executors", "now": now, **options})


def wrong(token: str, **options: Any) -> str:
    with pytest.raises(GrantInvalid) as caught:
        judged(token, **options)
    assert token[:12] not in str(caught.value)
    return caught.value.code


def test_what_a_gate_signed_is_understood():
    found = judged(SIGNER.sign(CLAIMS))
    assert (found.action, found.version, found.id) == ("act_1", 2, "grt_1")
    assert found.constraints == {"max_runtime_sec": 60}


HEADER = {"alg": "Ed25519", "typ": "signoff-grant+jwt", "kid": KID}


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"alg": "none"},
        HEADER | {"alg": "EdDSA"},
        HEADER | {"alg": "HS256"},
        HEADER | {"alg": "ed25519"},
        HEADER | {"typ": "JWT"},
        HEADER | {"typ": "application/signoff-grant+jwt"},
        HEADER | {"crit": ["exp"]},
        HEADER | {"crit": []},
        HEADER | {"b64": False, "crit": ["b64"]},
        HEADER | {"jwk": PRIVATE.as_dict(private=False)},
        HEADER | {"jku": "https://evil.example/jwks.json"},
        HEADER | {"x5u": "https://evil.example/"},
        HEADER | {"kid": 7},
        {"alg": "Ed25519", "typ": "signoff-grant+jwt"},
        {"alg": "Ed25519", "kid": KID},
        {},
    ],
    ids=lambda header: json.dumps(header)[:70],
)
def test_a_header_that_a_gate_does_not_write_is_refused_though_its_signature_fits(header: dict[str, Any]):
    """Threat 13."""
    assert wrong(signed(header)) == "header"


def test_a_key_named_twice_is_no_header():
    twice = json.dumps(HEADER)[:-1] + f', "kid": "{KID}"}}'
    assert wrong(signed(twice.encode())) == "malformed"


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c.d", "..", "ä.b.c", "a b.c.d", "{}.e30.e30", "e30=.e30.e30"]
)
def test_what_is_no_token_is_none(token: str):
    with pytest.raises(GrantInvalid) as caught:
        judged(token)
    assert caught.value.code == "malformed"


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{1,20}\.[A-Za-z0-9_-]{1,20}\.[A-Za-z0-9_-]{1,20}"))
def test_nothing_at_all_makes_it_fail_in_another_way(token: str):
    with pytest.raises(GrantInvalid):
        judged(token)


def test_a_stranger_s_key_signs_nothing_even_under_the_name_of_the_gate_s():
    stranger = OKPKey.generate_key("Ed25519")
    assert wrong(signed(HEADER, key=stranger)) == "signature"
    assert wrong(signed(HEADER | {"kid": stranger.thumbprint()}, key=stranger)) == "unknown_key"


@given(st.integers(0, 400), st.integers(0, 5))
def test_no_changed_character_is_overlooked(place: int, bit: int):
    token = SIGNER.sign(CLAIMS)
    place %= len(token)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if token[place] == "." or place == len(token) - 1:
        return  # the last character has spare bits, which stand for nothing
    changed = alphabet[alphabet.index(token[place]) ^ (1 << bit)]
    wrong_code = wrong(token[:place] + changed + token[place + 1 :])
    assert wrong_code in {"malformed", "header", "unknown_key", "signature"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "another"}, "issuer"),
        ({"aud": "payments"}, "audience"),
        ({"aud": ["executors"]}, "claims"),
        ({"payload_sha256": "0" * 64}, "payload"),
        ({"payload_sha256": seal(PAYLOAD).sha256.upper()}, "claims"),
        ({"exp": 1_000_000}, "expired"),
        ({"exp": 999_000}, "expired"),
        ({"exp": "1000900"}, "claims"),
        ({"exp": 1_000_900.5}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": None}, "claims"),
        ({"nbf": 1_000_010}, "not_yet"),
        ({"iat": 1_000_010}, "not_yet"),
        ({"ver": 0}, "claims"),
        ({"ver": "2"}, "claims"),
        ({"act": ""}, "claims"),
    ],
    ids=str,
)
def test_claims_that_are_not_for_this_moment_place_and_payload(change: dict[str, Any], code: str):
    """INV-20, INV-21."""
    assert wrong(SIGNER.sign(CLAIMS | change)) == code


@pytest.mark.parametrize("missing", sorted(CLAIMS.keys() - {"constraints"}))
def test_every_claim_has_to_be_there(missing: str):
    assert wrong(SIGNER.sign({k: v for k, v in CLAIMS.items() if k != missing})) == "claims"


@pytest.mark.parametrize("body", [b"[]", b'{"iss": "a", "iss": "b"}', b"\xff", b"{", b"7"])
def test_a_signed_body_that_is_no_set_of_claims(body: bytes):
    assert wrong(signed(HEADER, body)) == "claims"


@pytest.mark.parametrize(
    ("now", "code"), [(NOW - 5.1, "not_yet"), (NOW - 5, None), (NOW + 904.9, None), (NOW + 905, "expired")]
)
def test_clocks_may_differ_by_the_leeway(now: float, code: str | None):
    token = SIGNER.sign(CLAIMS)
    if code is None:
        assert judged(token, now=now).version == 2
    else:
        assert wrong(token, now=now) == code


def test_another_payload_is_another_digest():
    """INV-21, threat 11."""
    token = SIGNER.sign(CLAIMS)
    assert wrong(token, payload=PAYLOAD | {"amount": 1401}) == "payload"
    assert wrong(token, payload={"amount": "1400", "order": "881"}) == "payload"
    assert judged(token, payload={"order": "881", "amount": 1400.0}).version == 2


def test_only_ed25519_keys_under_their_own_thumbprint_are_taken():
    public = SIGNER.jwks()["keys"][0]
    others: list[Any] = [
        public | {"kid": "gate-1"},
        public | {"alg": "EdDSA"},
        public | {"use": "enc"},
        public | {"crv": "X25519"},
        public | {"x": public["x"][:-4]},
        PRIVATE.as_dict(private=True) | {"kid": KID, "alg": "Ed25519"},
        *(
            {**key.as_dict(private=False), "kid": key.thumbprint(), "alg": "Ed25519", "use": "sig"}
            for key in (RSAKey.generate_key(2048), ECKey.generate_key("P-256"))
        ),
        {**OctKey.generate_key(256).as_dict(private=True), "kid": "o"},
        "no key",
        None,
    ]
    assert read_keys({"keys": others}) == {}
    assert set(read_keys({"keys": [*others, public]})) == {KID}
    for document in (None, [], {}, {"keys": None}, {"keys": {}}):
        assert read_keys(document) == {}


def test_with_pins_a_published_key_is_not_enough():
    assert set(read_keys(SIGNER.jwks(), pinned=frozenset({KID}))) == {KID}
    assert read_keys(SIGNER.jwks(), pinned=frozenset({"another"})) == {}


def test_the_key_is_named_before_anything_is_believed():
    assert signing_key(SIGNER.sign(CLAIMS)) == KID


def test_keys_are_used_for_a_bounded_time_and_fetched_again_for_a_new_one():
    cache = KeyCache(max_age=300)
    assert cache.wanting(KID, 0)
    cache.take(KEYS, 0)
    assert not cache.wanting(KID, 299.9)
    assert cache.current(299.9) == KEYS
    assert cache.wanting(KID, 300)
    assert cache.current(300) == {}, "keys that could not be fetched again are not used on"
    assert not cache.wanting("new", 9.9), "made-up key names do not become a flood"
    assert cache.wanting("new", 10)
    for age in (0, -1, 100_000):
        with pytest.raises(ValueError, match="day"):
            KeyCache(max_age=age)


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1),
        max_size=4,
    )
)
def test_what_is_opened_has_the_digest_of_what_was_sealed(payload: dict[str, Any]):
    """INV-21, however large a number is."""
    sealed = seal(payload)
    assert seal(sealed.open()) == sealed
    assert sealed.open() == payload


def test_the_names_are_those_the_gate_signs_with():
    assert (grants.ALGORITHM, grants.TYPE) == ("Ed25519", "signoff-grant+jwt")
