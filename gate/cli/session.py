"""Runs one command-line verb with settings and store; what goes wrong becomes a sentence and an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gate.cli.output import Exit, fail
from gate.config import Settings, SettingsError, load_settings
from gate.keyring.folder import KeyringError
from gate.policy.documents import PolicyError
from gate.store import StoreError
from gate.usecases.ports import StoreUnavailable
from gate.wiring.desk import Desk, open_desk
from gate.wiring.listening import StartError

T = TypeVar("T")


@contextmanager
def explained(*, as_json: bool = False) -> Iterator[None]:
    """Turns what an operator can repair into a sentence and exit code 3."""
    try:
        yield
    except SettingsError as error:
        fail("; ".join(error.problems), code=Exit.CANNOT, as_json=as_json, kind="settings")
    except KeyringError as error:
        fail(str(error), code=Exit.CANNOT, as_json=as_json, kind="keys")
    except PolicyError as error:
        problem = f"the policy set cannot be used:\n{error}{_whereabouts()}"
        fail(problem, code=Exit.CANNOT, as_json=as_json, kind="policy")
    except (StoreError, StoreUnavailable) as error:
        fail(str(error), code=Exit.CANNOT, as_json=as_json, kind="database")
    except StartError as error:
        fail(str(error), code=Exit.CANNOT, as_json=as_json, kind="start")


def _whereabouts() -> str:
    """Where the policies were looked for, for whoever started in another folder than that of the deployment."""
    with contextlib.suppress(SettingsError):
        chosen = load_settings()
        for setting, path in (("GATE_POLICIES", chosen.policies), ("GATE_PEOPLE", chosen.people)):
            if not path.exists():
                return f"\nThere is no {path.absolute()}: start in the folder that has it, or set {setting}."
    return ""


def settings(*, as_json: bool = False) -> Settings:
    """The settings of this process, or exit code 3."""
    with explained(as_json=as_json):
        return load_settings()


def at_desk(verb: Callable[[Desk], Awaitable[T]], *, as_json: bool = False) -> T:
    """Run a verb with the store open beside a gate that may be running."""

    async def run() -> T:
        async with open_desk(load_settings()) as desk:
            return await verb(desk)

    with explained(as_json=as_json):
        return asyncio.run(run())


def operator() -> str:
    """Who runs this command, for the record: the account's name on this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
