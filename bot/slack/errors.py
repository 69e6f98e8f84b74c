"""Knows what each Slack error code asks of the caller, in one table; leaves the doing to whoever called."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """What a failed call to Slack means for whoever made it; every member says what to do about it."""

    TRANSIENT = "transient"
    """Slack stumbled over this one call and says that nothing happened: try it again, counting the attempt."""
    RATE_LIMITED = "rate_limited"
    """Too many calls of this one method: wait as long as Slack says; other methods go on."""
    OUTAGE = "outage"
    """Slack was not reached at all: everything waits, nothing is given up."""
    UNCERTAIN = "uncertain"
    """The call left, and no answer came back: it may have happened. Look before doing it again."""
    SETUP = "setup"
    """Tokens or scopes are wrong: an operator has to act, and everything waits for that."""
    PLACE = "place"
    """This channel cannot be used: another one may do."""
    GONE = "gone"
    """The message or thread is not there any more."""
    PERSON = "person"
    """This person cannot be reached this way."""
    LATE = "late"
    """The trigger or the view has passed: the person has to click again."""
    PERMANENT = "permanent"
    """Slack will never take this call as it stands."""


_TABLE: dict[Trouble, frozenset[str]] = {
    Trouble.TRANSIENT: frozenset(
        {
            "request_timeout",
            "team_added_to_org",
            "external_channel_migrating",
        }
    ),
    Trouble.OUTAGE: frozenset({"service_unavailable", "accesslimited"}),
    # Slack documents of both that some part of the operation may have succeeded.
    Trouble.UNCERTAIN: frozenset({"internal_error", "fatal_error"}),
    Trouble.RATE_LIMITED: frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"}),
    Trouble.SETUP: frozenset(
        {
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "no_permission",
            "missing_scope",
            "not_allowed_token_type",
            "org_login_required",
            "ekm_access_denied",
            "team_access_not_granted",
            "access_denied",
            "two_factor_setup_required",
            "enterprise_is_restricted",
            "app_missing_action_url",
            "unknown_method",
            "deprecated_endpoint",
            "method_deprecated",
        }
    ),
    Trouble.PLACE: frozenset(
        {
            "channel_not_found",
            "not_in_channel",
            "is_archived",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_locked",
            "restricted_action_thread_only_channel",
            "restricted_action_non_threadable_channel",
            "method_not_supported_for_channel_type",
            "posting_to_general_channel_denied",
            "team_not_found",
            "is_inactive",
        }
    ),
    Trouble.GONE: frozenset(
        {
            "message_not_found",
            "cant_update_message",
            "thread_not_found",
            "cannot_reply_to_message",
        }
    ),
    Trouble.PERSON: frozenset(
        {
            "user_not_found",
            "users_not_found",
            "user_not_visible",
            "user_disabled",
            "user_not_in_channel",
            "cannot_dm_bot",
            "messages_tab_disabled",
            "not_enabled",
        }
    ),
    Trouble.LATE: frozenset(
        {
            "expired_trigger_id",
            "trigger_expired",
            "trigger_exchanged",
            "invalid_trigger_id",
            "exchanged_trigger_id",
            "invalid_trigger",
            "push_limit_reached",
            "not_found",
            "hash_conflict",
        }
    ),
}

_CLASS_OF = {code: trouble for trouble, codes in _TABLE.items() for code in codes}

_SENTENCES = {
    "not_authed": "The Slack token is missing; set SLACK_BOT_TOKEN.",
    "invalid_auth": "Slack does not know this token; copy it again from the app's settings.",
    "account_inactive": "The app was removed from the workspace; install it again.",
    "token_revoked": "The Slack token was revoked; install the app again and set the new token.",
    "token_expired": "The Slack token has expired; install the app again and set the new token.",
    "missing_scope": "The Slack app lacks a permission; compare its scopes with manifest.json and install it again.",
    "not_allowed_token_type": "This is another kind of Slack token than the one needed here: "
    "SLACK_BOT_TOKEN starts with xoxb-, SLACK_APP_TOKEN with xapp-.",
    "channel_not_found": "There is no such channel, or it is private and the bot is not in it.",
    "not_in_channel": "The bot is not in that channel; invite it there.",
    "is_archived": "That channel is archived.",
    "no_such_subteam": "There is no such user group in this workspace; look at slack_usergroup in people.yaml.",
}


def trouble_of(code: str, *, status: int = 200) -> Trouble:
    """The class of an error code; with no known code the HTTP status decides.

    503 says that nothing was done; any other 5xx (a gateway that gave up waiting, say) does not say so.
    """
    if status == 429:
        return Trouble.RATE_LIMITED
    known = _CLASS_OF.get(code)
    if known is not None:
        return known
    if status == 503:
        return Trouble.OUTAGE
    if status >= 500:
        return Trouble.UNCERTAIN
    return Trouble.PERMANENT


class SlackFailure(Exception):
    """A call to Slack that did not succeed, classed.

    `code` is Slack's error code or one of ours (`unreachable`, `no_answer`, `timed_out`, `http_…`); `retry_after` is in
    seconds where Slack named a time. The text never carries arguments of the call.
    """

    def __init__(
        self, method: str, trouble: Trouble, code: str, *, retry_after: float | None = None, detail: str = ""
    ) -> None:
        super().__init__(f"{method}: {code}" + (f" ({detail})" if detail else ""))
        self.method = method
        self.trouble = trouble
        self.code = code
        self.retry_after = retry_after
        self.detail = detail

    @property
    def sentence(self) -> str:
        """What an operator can do about it, or at least what happened."""
        known = _SENTENCES.get(self.code)
        if known is None and self.trouble in (Trouble.OUTAGE, Trouble.UNCERTAIN):
            known = "Slack cannot be reached."
        return f"{known or 'Slack refused the call.'} ({self})"
