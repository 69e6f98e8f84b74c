"""A stand-in Slack workspace to try the product on and to test against; knows nothing of the product."""

from bot.sandbox.acts import Reply
from bot.sandbox.clock import Clock, ManualClock, SystemClock
from bot.sandbox.errors import ActRefused, SandboxError
from bot.sandbox.methods import METHODS
from bot.sandbox.ratelimits import RateLimits
from bot.sandbox.server import Sandbox
from bot.sandbox.workspace import (
    SandboxApp,
    SandboxChannel,
    SandboxUser,
    SandboxUsergroup,
    Workspace,
    default_workspace,
    load_workspace,
)

__all__ = [
    "METHODS",
    "ActRefused",
    "Clock",
    "ManualClock",
    "RateLimits",
    "Reply",
    "Sandbox",
    "SandboxApp",
    "SandboxChannel",
    "SandboxError",
    "SandboxUser",
    "SandboxUsergroup",
    "SystemClock",
    "Workspace",
    "default_workspace",
    "load_workspace",
]
