"""Log lines: what must never be in one is taken out, however it got there."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from gate.logs import hidden, set_up_logging


@pytest.fixture
def lines():
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    set_up_logging(form="json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


SECRETS = [
    "sgk_vT9w-AbC_1234567890",
    "xoxb-123-456-abc",
    "xapp-1-A0-123-abcdef",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "eyJhbGciOiJFZDI1NTE5In0.eyJhIjoxfQ.c2ln",
    "ana.ruiz@example.com",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_careless_line_shows_no_secret(lines, secret: str):
    """INV-51: keys, tokens, signatures and addresses are replaced, in events, fields, lists and other loggers."""
    log = structlog.get_logger("careless")
    log.info(f"sent to {secret}", note=f"was {secret}", nested={"a": [secret]})
    log.info("sent", note=f"was {secret}")
    logging.getLogger("some.library").warning("using %s", secret)
    try:
        raise ValueError(f"bad {secret}")
    except ValueError:
        logging.getLogger("some.library").exception("it broke")
    written = lines()
    assert len(written) == 4
    assert secret not in json.dumps(written)
    assert "ValueError" in written[3]["exception"]


@pytest.mark.parametrize("field", ["payload", "token", "summary", "Authorization", "email", "body"])
def test_a_field_that_holds_content_is_hidden_whole(lines, field: str):
    """INV-51."""
    structlog.get_logger("careless").info("event", **{field: {"iban": "DE89"}})
    structlog.get_logger("careless").info("event", **{field: "DE89"})
    assert "DE89" not in json.dumps(lines())


def test_ordinary_fields_are_left_alone(lines):
    structlog.get_logger("x").info("deadline.fired", action="act_1", late_sec=0.01, ok=True)
    (line,) = lines()
    assert (line["event"], line["action"], line["late_sec"], line["ok"]) == (
        "deadline.fired",
        "act_1",
        0.01,
        True,
    )
    assert line["level"] == "info"


def test_a_password_in_an_address_is_hidden():
    assert hidden("postgresql://gate:hunter2@db/gate") == "postgresql://[hidden]@db/gate"


@pytest.mark.parametrize("library", ["aiosqlite", "psycopg", "sqlalchemy.engine.Engine"])
def test_a_database_driver_writes_no_parameters_down_at_any_level(library: str):
    """INV-51: the drivers log statements with what is stored in them once the level is low enough."""
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        set_up_logging(form="json", stream=stream, level="debug")
        logging.getLogger(library).debug("executing INSERT with %s", {"iban": "DE89"})
        logging.getLogger(library).info("parameters %s", {"iban": "DE89"})
    finally:
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()
    assert stream.getvalue() == ""


def test_a_log_that_cannot_be_written_stops_nothing():
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        set_up_logging(form="json", stream=stream)
        stream.close()
        structlog.get_logger("x").info("event")
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()


def test_what_json_cannot_say_is_written_all_the_same(lines):
    structlog.get_logger("x").info("event", half="\ud800", large=2**70)
    assert lines()[0]["large"] == 2**70
