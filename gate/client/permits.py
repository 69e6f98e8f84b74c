"""The moment of execution: what may be run, under which constraints, and what its end says about the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gate.client.errors import ActionFailed
from gate.client.grants import Grant, Sealed
from gate.contract.canonical import Json
from gate.contract.fields import OutcomeResult


@dataclass(frozen=True, slots=True)
class Ended:
    """What is reported of an execution."""

    result: OutcomeResult
    detail: str | None = None


class Permit:
    """A redeemed grant: run `payload`, now, within `constraints`. It is not given out twice."""

    def __init__(self, grant: Grant, sealed: Sealed, constraints: Mapping[str, Json]) -> None:
        self.grant = grant
        self.constraints = dict(constraints)
        self.payload_sha256 = sealed.sha256
        self._sealed = sealed
        self._detail: str | None = None
        self._failed = False

    def __repr__(self) -> str:
        return f"Permit({self.action}, version {self.grant.version})"

    @property
    def action(self) -> str:
        """The action's id."""
        return self.grant.action

    @property
    def payload(self) -> dict[str, Json]:
        """What was redeemed, decoded from the very bytes whose digest was redeemed; a fresh copy each time."""
        return self._sealed.open()

    def note(self, detail: str) -> None:
        """A word for the outcome, such as the id that a payment got. It goes on record: no secrets."""
        self._detail = detail

    def fail(self, detail: str) -> None:
        """Nothing was done, and why."""
        self._failed = True
        self._detail = detail

    def ended(self, error: BaseException | None) -> Ended:
        """What leaving the permit with this exception, or none, says about the outcome.

        Only ActionFailed says that nothing was done. Of any other exception nobody can tell how far it came, so it
        is `unknown` (INV-22), and its text stays here: it may quote what is secret.
        """
        if error is None:
            return Ended("failed" if self._failed else "succeeded", self._detail)
        if isinstance(error, ActionFailed):
            return Ended("failed", str(error) or self._detail)
        return Ended("unknown", f"Ended by {type(error).__name__}.")
