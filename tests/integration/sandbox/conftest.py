"""Knows how a sandbox and a Bolt app for it are made for a test; leaves connecting them to running.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import ManualClock, RateLimits, Sandbox
from tests.integration.sandbox.running import client_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The default workspace on the machine's clock, without rate limits."""
    async with Sandbox(rate_limits=RateLimits(enabled=False), seed=7) as running:
        yield running


@pytest.fixture
async def timed(clock: ManualClock) -> AsyncIterator[Sandbox]:
    """The default workspace on a clock that the test moves, with rate limits."""
    async with Sandbox(clock=clock, seed=7) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> AsyncWebClient:
    return client_of(sandbox)


@pytest.fixture
def app(client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client, signing_secret="sandbox-signing-secret")
