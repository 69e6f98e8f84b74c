"""Which environment variables a test may see, so that a developer's shell never changes a result."""

import os
from collections.abc import Mapping

_PREFIXES = ("SLACK_", "GATE_", "PG", "OTEL_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"})
_KEPT_PREFIXES = ("GATE_TEST_",)


def is_foreign(name: str) -> bool:
    """Whether a variable could steer the code under test: Slack, gate, libpq, tracing and proxies."""
    if name.startswith(_KEPT_PREFIXES):
        return False
    return name.startswith(_PREFIXES) or name.lower() in _PROXIES


def scrubbed(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of the environment (this process's by default) without the foreign variables."""
    source = os.environ if environment is None else environment
    return {name: value for name, value in source.items() if not is_foreign(name)}


def scrub_this_process() -> None:
    """Remove the foreign variables from this process for the rest of the run."""
    for name in [name for name in os.environ if is_foreign(name)]:
        del os.environ[name]
