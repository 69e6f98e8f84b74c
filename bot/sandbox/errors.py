"""Knows how a Web API refusal is carried from where it is noticed to the door that answers it."""

from __future__ import annotations

from typing import Any


class SandboxError(Exception):
    """Base of everything this package raises on purpose."""


class ApiError(SandboxError):
    """A refusal with one of Slack's error codes; `extra` is merged into the answer."""

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra


class ActRefused(SandboxError):
    """A person tried something that Slack's own client would not let them do."""


def with_messages(code: str, messages: list[str]) -> ApiError:
    """A refusal that says what is wrong and where, the way Block Kit errors do."""
    return ApiError(
        code, errors=messages, response_metadata={"messages": [f"[ERROR] {message}" for message in messages]}
    )
