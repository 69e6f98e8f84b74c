"""What every test gets: a clean environment, steady Hypothesis settings, and the harness's fixtures."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.environment import scrub_this_process

TESTS = Path(__file__).parent

pytest_plugins = [
    "tests.harness.processes",
    "tests.harness.postgres",
    "tests.harness.databases",
    "tests.harness.browser",
]

settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # the same examples on every run; `make soak` explores
    suppress_health_check=[HealthCheck.too_slow],  # shared runners stall
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


LONG_FIRST = ("acceptance", "integration/cli", "integration", "contract", "unit")
"""Folders whose files take long go first, so that no worker is left alone with one of them at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        place = item.path.relative_to(TESTS).as_posix()
        return next((n for n, folder in enumerate(LONG_FIRST) if place.startswith(folder)), len(LONG_FIRST))

    items.sort(key=rank)


def pytest_configure(config: pytest.Config) -> None:
    scrub_this_process()
