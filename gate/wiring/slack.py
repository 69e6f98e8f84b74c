"""Which workspace the settings mean, and the way to it for a command that serves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import SecretStr

from bot.app import SlackSettings, build_bot
from gate.config import Settings
from gate.usecases.ports import DeliveryChannel, Deps, Rules
from gate.wiring.desk import Desk


def slack_of(settings: Settings) -> SlackSettings:
    """The workspace of the tokens; without any, the sandbox workspace where a running gate serves one."""
    if settings.slack_mode == "sandbox":
        from bot.sandbox import default_workspace  # a gate with a workspace of its own starts without

        app = default_workspace().app
        return SlackSettings(
            bot_token=app.bot_token, app_token=app.app_token, api_url=f"{settings.sandbox_bind.url}/api/"
        )
    return SlackSettings(
        bot_token=revealed(settings.slack_bot_token) or "",
        app_token=revealed(settings.slack_app_token),
        signing_secret=revealed(settings.slack_signing_secret),
        api_url=settings.slack_api_url,
    )


def revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@asynccontextmanager
async def posting(
    desk: Desk, settings: Settings, rules: Rules
) -> AsyncIterator[tuple[Deps, DeliveryChannel]]:
    """Use-cases under these rules, and the way to Slack, in a process that serves nothing."""
    deps = replace(desk.deps, rules=_TheseRules(rules))
    bot = build_bot(deps, slack_of(settings))
    async with bot.posting() as channel:
        yield deps, channel


@dataclass(frozen=True, slots=True)
class _TheseRules:
    """Rules read once, for a verb that ends before they could change."""

    current: Rules
