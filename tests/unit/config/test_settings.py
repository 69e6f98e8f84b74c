"""The settings: names, defaults, and errors that help without showing a value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.addresses import Address
from gate.config import Settings, SettingsError, env_name, known_names, load_settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, so that nobody's .env counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[str, ...]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert all("\n" not in problem for problem in raised.value.problems)
    return raised.value.problems


def test_nothing_has_to_be_set():
    settings = load_settings()
    assert settings.database_url == "sqlite:///var/gate.db"
    assert settings.bind == ("127.0.0.1", 8080)
    assert settings.slack_mode == "sandbox"
    assert settings.on_sqlite


def test_the_reference_page_lists_every_setting_with_its_default():
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", text, re.MULTILINE))
    assert set(rows) == set(known_names())
    for field, info in Settings.model_fields.items():
        default, told = info.default, rows[env_name(field)].strip()
        if default in (None, ()):
            assert told == ("the address of `GATE_BIND`" if field == "public_url" else "none"), field
        else:
            shown = f"{default.host}:{default.port}" if isinstance(default, Address) else str(default)
            assert told == f"`{shown}`", field


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / ".env").write_text("GATE_BIND=127.0.0.1:1\nGATE_LOG_LEVEL=DEBUG\nOTHER_PROGRAM=1\n")
    monkeypatch.setenv("GATE_BIND", "127.0.0.1:2")
    settings = load_settings()
    assert settings.bind.port == 2
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("GATE_DATABSE_URL", "GATE_DATABASE_URL"),
        ("GATE_DB_URL", "GATE_DATABASE_URL"),
        ("GATE_BINDS", "GATE_BIND"),
        ("GATE_CALLBACK_HOST", "GATE_CALLBACK_HOSTS"),
        ("GATE_CALLBACK_HOST_FILE", "GATE_CALLBACK_HOSTS"),
        ("gate_bnd", "GATE_BIND"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, wrong: str, right: str
):
    (problem,) = problems(monkeypatch, **{wrong: "x"})
    assert problem == f"{wrong} is not a setting of the gate; the nearest one is {right}"


def test_an_unknown_name_in_the_file_is_an_error_too(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / ".env").write_text("GATE_POLICY=x\n")
    (problem,) = problems(monkeypatch)
    assert "GATE_POLICIES" in problem


def test_the_test_suites_own_names_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATE_TEST_ANYTHING", "x")
    assert load_settings().bind.port == 8080


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch):
    for name in ("SLACK_BOT_TOKEN", "GATE_BIND", "SMTP_URL", "GATE_UNKNOWN"):
        monkeypatch.setenv(name, "")
    assert load_settings().slack_mode == "sandbox"


def test_a_secret_can_be_read_from_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "token").write_text("xoxb-from-file\n")
    monkeypatch.setenv("SLACK_BOT_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
    settings = load_settings()
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-from-file"
    assert settings.slack_mode == "socket"


def test_a_plain_setting_can_be_read_from_a_file_too(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "url").write_text("postgresql://gate:hunter2@db/gate\n")
    monkeypatch.setenv("GATE_DATABASE_URL_FILE", str(folder / "url"))
    settings = load_settings()
    assert settings.database_url == "postgresql://gate:hunter2@db/gate"
    assert not settings.on_sqlite


def test_a_value_and_a_file_of_it_are_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "token").write_text("xoxb-1")
    found = problems(monkeypatch, SLACK_BOT_TOKEN="xoxb-2", SLACK_BOT_TOKEN_FILE=str(folder / "token"))
    assert found == ("SLACK_BOT_TOKEN and SLACK_BOT_TOKEN_FILE are both set; keep one",)


def test_a_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch):
    found = problems(monkeypatch, SLACK_BOT_TOKEN_FILE="/nowhere/token")
    assert found == ("SLACK_BOT_TOKEN_FILE names a file that cannot be read",)


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}, "socket"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}, "http"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "s"}, "http"),
        (
            {"SLACK_BOT_TOKEN": "any-token", "SLACK_APP_TOKEN": "other", "SLACK_API_URL": "http://x:1"},
            "socket",
        ),
    ],
)
def test_the_secrets_choose_how_slack_is_reached(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], mode: str
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().slack_mode == mode


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "neither SLACK_APP_TOKEN"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_SIGNING_SECRET": "s"}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_API_URL": "http://127.0.0.1:1/api"}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xapp-1"}, "may be swapped"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xoxb-1"}, "may be swapped"),
    ],
)
def test_half_a_slack_set_up_is_an_error(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
):
    assert any(says in problem for problem in problems(monkeypatch, **environment))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GATE_BIND", "localhost", "HOST:PORT"),
        ("GATE_BIND", "127.0.0.1:99999", "0 to 65535"),
        ("GATE_BIND", "::1:80", "HOST:PORT"),
        ("GATE_DATABASE_URL", "mysql://gate:hunter2@db/gate", "sqlite:///PATH"),
        ("GATE_PUBLIC_URL", "gate.example.com", "web address"),
        ("GATE_CALLBACK_NETWORKS", "10.0.0.1/8", "host bits"),
        ("GATE_PENDING_PER_AGENT", "none", "integer"),
        ("GATE_PENDING_PER_AGENT", "0", "greater than"),
        ("GATE_RETENTION_MONTHS", "0", "greater than"),
        ("GATE_RETENTION_MONTHS", "1201", "less than"),
        ("GATE_RETENTION_MONTHS", "seven", "integer"),
        ("GATE_RETENTION_MONTHS", "84.5", "integer"),
        ("GATE_LOG_LEVEL", "loud", "debug"),
        ("SLACK_API_URL", "slack", "web address"),
        ("SMTP_URL", "mail.example.com", "smtp://USER"),
        ("PAGERDUTY_ROUTING_KEY", "a key", "letters and digits"),
        ("PAGERDUTY_EVENTS_URL", "http://events.example.com/v2/enqueue", "in the clear"),
        ("PAGERDUTY_API_URL", "http://api.example.com", "in the clear"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
):
    (problem,) = problems(monkeypatch, **{name: value})
    assert problem.startswith(f"{name}: ")
    assert says in problem


def test_no_secret_shows_in_the_settings_or_their_errors(monkeypatch: pytest.MonkeyPatch):
    """INV-51."""
    secrets = {
        "SLACK_BOT_TOKEN": "xoxb-very-secret",
        "SLACK_APP_TOKEN": "xapp-very-secret",
        "GATE_DATABASE_URL": "postgresql://gate:very-secret@db/gate",
        "SMTP_URL": "smtp://gate:very-secret@mail.example.com?from=gate@example.com",
        "PAGERDUTY_ROUTING_KEY": "verysecret",
        "PAGERDUTY_API_TOKEN": "verysecret-read",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    shown = repr(load_settings()) + str(load_settings()) + repr(load_settings().mail_server)
    assert "very-secret" not in shown
    assert "verysecret" not in shown
    found = problems(
        monkeypatch,
        GATE_DATABASE_URL="oracle://very-secret",
        SLACK_BOT_TOKEN="xapp-very-secret",
        SMTP_URL="smtp://gate:very-secret@mail.example.com",
    )
    assert len(found) == 3
    assert "very-secret" not in "".join(found)


def test_several_problems_are_told_together(monkeypatch: pytest.MonkeyPatch):
    assert len(problems(monkeypatch, GATE_A="1", GATE_B="1", GATE_C="1")) == 3


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("[::1]:9", "http://[::1]:9"),
        ("localhost:0", "http://localhost:0"),
    ],
)
def test_an_address_knows_how_it_is_reached_from_here(text: str, url: str):
    assert Address.parse(text).url == url


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GATE_CHECKPOINTS_WEBHOOK", "http://hooks.example.com/x", "in the clear"),
        ("GATE_CHECKPOINTS_AUTHORITY", "http://stamps.example.com", "set both"),
        ("GATE_CHECKPOINTS_EVERY_SEC", "0", "GATE_CHECKPOINTS_EVERY_SEC"),
    ],
)
def test_a_place_for_checkpoints_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, says: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        load_settings()
