"""Which workspace the settings mean, and the tokens for it."""

from __future__ import annotations

from pydantic import SecretStr

from bot.app import SlackSettings
from bot.sandbox import default_workspace
from gate.config import Settings


def slack_of(settings: Settings) -> SlackSettings:
    """The workspace of the tokens; without any, the sandbox workspace where a running gate serves one."""
    if settings.slack_mode == "sandbox":
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
