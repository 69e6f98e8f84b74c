"""Which callback URLs are taken, and which network addresses are reached (threat 25)."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.callbacks import address_problem, callback_problem, callback_target

ALLOWED = (
    "hooks.example.com",
    "*.partner.example",
    "hooks.port.example:8443",
    "localhost",
    "127.0.0.1",
    "[::1]:9000",
)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/signoff?tenant=1",
        "https://HOOKS.example.com./x",
        "https://hooks.example.com:444/",
        "https://a.partner.example/",
        "https://a.b.partner.example/",
        "https://hooks.port.example:8443/",
        "http://localhost:3000/",
        "http://127.0.0.1:3000/",
        "http://[::1]:9000/",
        "https://localhost/",
    ],
)
def test_hosts_on_the_list_are_taken(url: str):
    assert callback_problem(url, ALLOWED) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://other.example.com/", "other.example.com"),
        ("https://partner.example/", "not allowed"),
        ("https://evilpartner.example/", "not allowed"),
        ("https://hooks.example.com.attacker.example/", "not allowed"),
        ("https://hooks.port.example/", "not allowed"),
        ("http://hooks.example.com/", "https"),
        ("http://127.0.0.2/", "not allowed"),
        ("http://[::1]:9001/", "not allowed"),
        ("https://hooks.example.com@attacker.example/", "user name"),
        ("https://user:pw@hooks.example.com/", "user name"),
        ("https://hooks.example.com/#x", "fragment"),
        ("https://hooks.example.com\\@attacker.example/", "plain ASCII"),
        ("https://hooks.example.com /", "plain ASCII"),
        ("https://hooks.example.com\r\nHost: x/", "plain ASCII"),
        ("https://hοoks.example.com/", "plain ASCII"),
        ("https://[::1/", "not a web address"),
        ("https://hooks.example.com:99999/", "not a web address"),
        ("https://hooks.example.com:0/", "https address"),
        ("https:///x", "https address"),
        ("ftp://hooks.example.com/", "https address"),
        ("javascript:alert(1)", "https address"),
        ("hooks.example.com", "https address"),
        ("", "https address"),
        ("https://hooks.example.com/" + "a" * 2048, "characters long"),
        ("http://2130706433/", "not allowed"),
        ("http://0x7f.1/", "not allowed"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(url: str, says: str):
    problem = callback_problem(url, ALLOWED)
    assert problem is not None
    assert says in problem


def test_without_a_list_nothing_is_taken():
    assert callback_problem("https://hooks.example.com/", ()) is not None


def test_a_wildcard_never_covers_an_address():
    assert callback_problem("https://10.0.0.5/", ("*.0.0.5",)) is not None


@given(st.text())
def test_junk_is_refused_and_never_raises(url: str):
    assert callback_problem(url, ALLOWED) is not None
    callback_target(url)


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "0.0.0.0",  # noqa: S104 - judged, not bound
    "::",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "fd00:ec2::254",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:53aa:64c::",
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_never_leads_inside(address: str):
    assert address_problem(address, host="hooks.example.com", allowed=("hooks.example.com",)) is not None


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]
)
def test_public_addresses_are_reached(address: str):
    assert address_problem(address, host="hooks.example.com", allowed=("hooks.example.com",)) is None


def test_loopback_is_reached_only_where_the_host_says_so_and_is_listed():
    assert address_problem("127.0.0.1", host="localhost", allowed=("localhost:9000",)) is None
    assert address_problem("::1", host="localhost", allowed=("localhost",)) is None
    assert address_problem("127.0.0.1", host="localhost", allowed=("hooks.example.com",)) is not None
    assert address_problem("10.0.0.1", host="localhost", allowed=("localhost",)) is not None


def test_an_inside_address_is_reached_only_where_it_is_listed_itself_or_its_network_is():
    assert address_problem("10.0.0.5", host="10.0.0.5", allowed=("10.0.0.5",)) is None
    assert address_problem("10.0.0.6", host="10.0.0.5", allowed=("10.0.0.5",)) is not None
    network = (ipaddress.ip_network("10.0.0.0/24"),)
    assert (
        address_problem(
            "10.0.0.7", host="hooks.example.com", allowed=("hooks.example.com",), networks=network
        )
        is None
    )
    assert address_problem(
        "10.0.1.7", host="hooks.example.com", allowed=("hooks.example.com",), networks=network
    )
