"""The small parts: reading payloads, classing errors, keeping pace, telling addresses and people apart."""

from __future__ import annotations

from typing import Any

import pytest

from bot.identity import profile_of
from bot.payloads import Click, Command, HomeOpened, Submission, Unreadable, read
from bot.slack.errors import SlackFailure, Trouble, trouble_of
from bot.slack.pacing import LONGEST_AWAY_SEC, MOST_BUCKETS, Pacer
from bot.slack.web import SlackWeb, api_base, proxy_for

CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1", "team_id": "T1"},
    "team": {"id": "T1"},
    "api_app_id": "A1",
    "container": {"type": "message", "message_ts": "1.2", "channel_id": "C1"},
    "channel": {"id": "C1"},
    "trigger_id": "t",
    "response_url": "https://example.com/r",
    "actions": [{"action_id": "approve", "value": "act_1:1", "type": "button"}],
}
FORM: dict[str, Any] = {
    "type": "view_submission",
    "user": {"id": "U1", "team_id": "T1"},
    "team": {"id": "T1"},
    "trigger_id": "t",
    "view": {"id": "V1", "hash": "h", "type": "modal", "callback_id": "edit", "private_metadata": "junk"},
}


def test_a_click_is_read() -> None:
    click = read(CLICK)
    assert isinstance(click, Click)
    assert (click.button, click.value, click.place.channel, click.place.message_ts) == (
        "approve",
        "act_1:1",
        "C1",
        "1.2",
    )
    assert (click.sender.user, click.sender.workspace, click.sender.app) == ("U1", "T1", "A1")


def test_a_form_with_a_state_that_is_not_ours_has_none() -> None:
    form = read(FORM)
    assert isinstance(form, Submission)
    assert form.view.state is None


def test_a_command_and_an_opened_home_are_read() -> None:
    command = read({"command": "/gate", "text": " queue  now ", "user_id": "U1", "team_id": "T1"})
    assert isinstance(command, Command)
    assert command.words == ("queue", "now")
    event = {"type": "app_home_opened", "user": "U1", "tab": "home"}
    home = read({"type": "event_callback", "team_id": "T1", "event": event})
    assert isinstance(home, HomeOpened)
    assert home.sender.user == "U1"
    assert read({"type": "event_callback", "event": event | {"tab": "messages"}}) is None
    assert read({"type": "event_callback", "event": {"type": "message"}}) is None
    assert read({"type": "shortcut"}) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CLICK | {"actions": []}, id="no-action"),
        pytest.param(CLICK | {"actions": "approve"}, id="actions-no-list"),
        pytest.param(CLICK | {"user": None}, id="no-user"),
        pytest.param(CLICK | {"container": 7}, id="no-container"),
        pytest.param(CLICK | {"actions": [{"value": "x"}]}, id="no-action-id"),
        pytest.param(FORM | {"view": {"id": 3}}, id="no-view-id"),
        pytest.param(FORM | {"trigger_id": None}, id="no-trigger"),
        pytest.param({"command": "/gate"}, id="command-of-nobody"),
        pytest.param({"type": "event_callback"}, id="no-event"),
    ],
)
def test_what_no_surface_of_ours_sends_is_unreadable(body: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(body)


@pytest.mark.parametrize(
    ("code", "status", "trouble"),
    [
        ("ratelimited", 429, Trouble.RATE_LIMITED),
        ("anything", 429, Trouble.RATE_LIMITED),
        ("internal_error", 200, Trouble.UNCERTAIN),
        ("fatal_error", 200, Trouble.UNCERTAIN),
        ("http_502", 502, Trouble.UNCERTAIN),
        ("http_503", 503, Trouble.OUTAGE),
        ("service_unavailable", 200, Trouble.OUTAGE),
        ("invalid_auth", 200, Trouble.SETUP),
        ("missing_scope", 200, Trouble.SETUP),
        ("channel_not_found", 200, Trouble.PLACE),
        ("is_archived", 200, Trouble.PLACE),
        ("message_not_found", 200, Trouble.GONE),
        ("users_not_found", 200, Trouble.PERSON),
        ("expired_trigger_id", 200, Trouble.LATE),
        ("invalid_blocks", 200, Trouble.PERMANENT),
        ("something_new", 200, Trouble.PERMANENT),
    ],
)
def test_error_codes_have_their_class(code: str, status: int, trouble: Trouble) -> None:
    assert trouble_of(code, status=status) is trouble


def test_a_failure_says_what_to_do() -> None:
    failure = SlackFailure("chat.postMessage", Trouble.SETUP, "missing_scope")
    assert "manifest.json" in failure.sentence
    assert "cannot be reached" in SlackFailure("auth.test", Trouble.OUTAGE, "unreachable").sentence


class Hand:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_channel_takes_a_small_burst_and_then_one_a_second() -> None:
    hand = Hand()
    pacer = Pacer(hand)
    waits = [pacer.reserve("chat.postMessage", "C1", most_wait=60)[1] for _ in range(6)]
    assert waits == pytest.approx([0, 0, 0, 1, 2, 3])
    assert pacer.reserve("chat.postMessage", "C2", most_wait=0) == (True, 0.0)
    hand.at += 60
    assert pacer.reserve("chat.postMessage", "C1", most_wait=0) == (True, 0.0)


def test_a_turn_too_far_off_is_not_taken() -> None:
    hand = Hand()
    pacer = Pacer(hand)
    for _ in range(6):
        pacer.reserve("chat.postMessage", "C1", most_wait=3)
    taken, wait = pacer.reserve("chat.postMessage", "C1", most_wait=3)
    assert (taken, wait) == (False, pytest.approx(4))
    assert pacer.reserve("chat.postMessage", "C1", most_wait=3) == (False, pytest.approx(4))


def test_a_429_closes_its_method_only() -> None:
    hand = Hand()
    pacer = Pacer(hand)
    pacer.close("chat.postMessage", 30)
    assert pacer.reserve("chat.postMessage", "C1", most_wait=4) == (False, pytest.approx(30))
    assert pacer.reserve("chat.update", "C1", most_wait=4) == (True, 0.0)
    assert pacer.closed_for("views.open") == 0
    hand.at += 29
    assert pacer.reserve("chat.postMessage", "C1", most_wait=4) == (True, pytest.approx(1))


def test_those_whose_turn_is_far_off_do_not_all_come_back_together() -> None:
    hand = Hand()
    pacer = Pacer(hand)
    for _ in range(5):
        pacer.reserve("chat.postMessage", "C1", most_wait=60)
    assert pacer.wait("chat.postMessage", "C1") == pytest.approx(3)
    told = [pacer.away("chat.postMessage", "C1") for _ in range(30)]
    assert told == pytest.approx([*range(3, 20), *[LONGEST_AWAY_SEC] * 13])
    assert pacer.away("chat.postMessage", "C2") == 0
    hand.at += 3
    assert pacer.reserve("chat.postMessage", "C1", most_wait=0) == (True, 0.0)  # no turn was taken


def test_there_is_a_turn_for_what_is_urgent() -> None:
    web = SlackWeb(token="xoxb-1", base_url="http://127.0.0.1:1/api/", pacer=Pacer(Hand()))
    for _ in range(5):
        web.pacer.reserve("chat.postMessage", "C1", most_wait=60)
    waits = []
    for _ in range(2):
        with pytest.raises(SlackFailure) as turned_away:
            web.soon("chat.postMessage", "C1", urgent=False)
        assert turned_away.value.trouble is Trouble.RATE_LIMITED
        waits.append(turned_away.value.retry_after)
    assert waits == pytest.approx([3, 4])
    web.soon("chat.postMessage", "C1", urgent=True)


def test_buckets_are_bounded() -> None:
    pacer = Pacer(Hand())
    for number in range(MOST_BUCKETS + 50):
        pacer.reserve("chat.postMessage", f"C{number}", most_wait=0)
    assert len(pacer._buckets) == MOST_BUCKETS


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (None, "https://slack.com/api/"),
        ("", "https://slack.com/api/"),
        ("https://slack.com/api", "https://slack.com/api/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/api/"),
        ("http://127.0.0.1:9000/api/", "http://127.0.0.1:9000/api/"),
        ("https://gateway.example/slack/v1", "https://gateway.example/slack/v1/"),
    ],
)
def test_addresses_are_brought_into_one_form(given: str | None, base: str) -> None:
    assert api_base(given) == base


@pytest.mark.parametrize("given", ["slack.com/api", "ftp://slack.com/", "https://"])
def test_what_is_no_web_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="SLACK_API_URL"):
        api_base(given)


def test_proxies_are_for_the_outside_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "inside.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert proxy_for("https://slack.com/api/") == "http://proxy.example:3128"
    assert proxy_for("http://127.0.0.1:80/api/") is None
    assert proxy_for("http://[::1]:80/api/") is None
    assert proxy_for("http://localhost:80/api/") is None
    assert proxy_for("https://inside.example/api/") is None


def test_a_user_slack_says_nothing_about_is_of_no_workspace() -> None:
    profile = profile_of({}, "U9")
    assert (profile.user_id, profile.team_id, profile.email) == ("U9", "", None)
    assert profile_of({"is_ultra_restricted": True}, "U9").is_guest
