"""How the process logs: one line an event, JSON or readable, with everything secret or personal taken out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

_HIDDEN = "[hidden]"
_NEVER = frozenset(
    {
        "authorization",
        "body",
        "comment",
        "cookie",
        "email",
        "evidence",
        "key",
        "password",
        "payload",
        "rationale",
        "secret",
        "signature",
        "summary",
        "text",
        "token",
    }
)
"""Fields that are never shown, whatever is in them."""

_SECRETS = re.compile(
    r"sgk_[\w-]+"  # agent keys
    r"|xox[a-z]-[\w-]+|xapp-[\w-]+|xoxe\.[\w.-]+"  # Slack tokens
    r"|whsec_[\w+/=-]+"
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWS
    r"|(?i:bearer)\s+\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # an e-mail address
)

_QUIET = (
    "aiohttp.client",
    "aiohttp.server",
    "aiosqlite",
    "alembic",
    "apscheduler",
    "asyncio",
    "psycopg",
    "slack_bolt",
    "slack_sdk",
    "sqlalchemy",
)
"""Libraries that are heard from warnings on; at a lower level some would write payloads down (INV-51)."""


def set_up_logging(*, form: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (standard error) as `json` or `console`;
    `auto` is console on a terminal. Calling it again replaces what was set up."""
    out: TextIO = sys.stderr if stream is None else stream
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(
        "aiohttp.access"
    ).disabled = True  # the HTTP side writes its own line, without addresses


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the last line of defence where a log call was careless (INV-51)."""
    return {name: _HIDDEN if name.lower() in _NEVER else hidden(value) for name, value in event.items()}


def hidden(value: Any) -> Any:
    """The value with keys, tokens, passwords and e-mail addresses in its strings replaced."""
    if isinstance(value, str):
        return _SECRETS.sub(_HIDDEN, value)
    if isinstance(value, Mapping):
        return {
            str(name): _HIDDEN if str(name).lower() in _NEVER else hidden(inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [hidden(inner) for inner in value]
    return value if isinstance(value, (int, float, bool, type(None))) else hidden(str(value))
