"""How the process logs: one line an event, JSON or readable, with everything secret or personal taken out."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TextIO

import orjson
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


_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("signoff_log_about", default=MappingProxyType({}))


def about(**fields: str) -> None:
    """From here on every line of this task, and of those it starts, has these fields, and none that were set before."""
    _ABOUT.set(fields)


def name_what_it_is_about(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor that adds what was said by `about`; a field of the line itself stays."""
    for name, value in _ABOUT.get().items():
        event.setdefault(name, value)
    return event


def set_up_logging(*, form: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (standard error) as `json` or `console`;
    `auto` is console on a terminal. Calling it again replaces what was set up, for loggers bound from then on."""
    out: TextIO = sys.stderr if stream is None else stream
    console = form == "console" or (form == "auto" and out.isatty())
    shared: list[Any] = [
        name_what_it_is_about,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    lines = _Lines(out)
    # Our own lines take the short way: each request writes one, and the standard way costs a tenth of the request.
    structlog.configure(
        processors=[*shared, last],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
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


class _Lines:
    """Writes lines whole, also from several threads. A log that cannot be written stops nothing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def info(self, line: str) -> None:
        try:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()
        except (OSError, ValueError):  # the other end of a pipe is gone, or the stream is closed
            return

    debug = warning = error = critical = info


def _json(event: Mapping[str, Any], **other: Any) -> str:
    """One line of JSON with sorted names."""
    try:
        return orjson.dumps(event, option=orjson.OPT_SORT_KEYS, **other).decode()
    except TypeError:  # half a surrogate pair, or an integer of more than 64 bits
        return json.dumps(event, sort_keys=True, **other)


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the last line of defence where a log call was careless (INV-51)."""
    values = event.values()
    # Nearly every line holds single values only: then one look at all of its texts is enough.
    texts = [value for value in values if type(value) is str]
    single = _SINGLE.issuperset(map(type, values)) and not any(map(_never, event))
    if single and not _suspicious("\n".join(texts)):
        return event
    return {name: _HIDDEN if _never(name) else hidden(value) for name, value in event.items()}


_SINGLE = frozenset({str, int, float, bool, type(None)})


@lru_cache(maxsize=256)
def _never(name: str) -> bool:
    return name.lower() in _NEVER


def _suspicious(text: str) -> bool:
    """Whether there is something to look for: `_SECRETS` finds nothing in any other text. Written out, because the
    texts of every line are asked."""
    return (
        "@" in text
        or "sgk_" in text
        or "xox" in text
        or "xapp-" in text
        or "whsec_" in text
        or "eyJ" in text
        or "bearer" in text.lower()
    )


def hidden(value: Any) -> Any:
    """The value with keys, tokens, passwords and e-mail addresses in its strings replaced."""
    if isinstance(value, str):
        return _SECRETS.sub(_HIDDEN, value) if _suspicious(value) else value
    if isinstance(value, Mapping):
        return {str(name): _HIDDEN if _never(str(name)) else hidden(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [hidden(inner) for inner in value]
    return value if isinstance(value, (int, float, bool, type(None))) else hidden(str(value))
