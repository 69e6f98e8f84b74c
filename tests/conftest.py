"""What every test gets: a clean environment, steady Hypothesis settings, and the harness's fixtures."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.environment import scrub_this_process

pytest_plugins = ["tests.harness.processes", "tests.harness.postgres", "tests.harness.browser"]

settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # the same examples on every run; `make soak` explores
    suppress_health_check=[HealthCheck.too_slow],  # shared runners stall
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    scrub_this_process()
