"""From a function to an action and back: its arguments are the payload, and it runs with the payload that was approved.

Pure: who is asked, and how, is for `aio` and `sync`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from gate.client.errors import ConstraintsUnhandled, PayloadUnfit
from gate.client.permits import Permit
from gate.client.released import Released
from gate.client.wire import Claims
from gate.contract.canonical import Json, NotCanonical, canonical

_LONGEST_SUMMARY = 300
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Summary = str | Callable[[Mapping[str, Json]], str]
"""A format string over the payload, `"Refund {amount} to {order}"`, or a function of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """One call of a guarded function: what is proposed, and what stays with the caller."""

    payload: dict[str, Json]
    summary: str
    claims: Claims
    kept: Mapping[str, Any]

    def claims_for(self, audience: str) -> Claims:
        """The claims, with whom the grant is to be for where they do not say."""
        return {"audience": audience, **self.claims}


def dressed(
    call: Callable[_Arguments, _Result], function: Callable[..., Any]
) -> Callable[_Arguments, _Result]:
    """The guarded call with the name, text and signature of its function, and without the usual way back to it:
    `__wrapped__` would be a way around the guard."""
    functools.update_wrapper(call, function)
    vars(call).pop("__wrapped__")
    vars(call)["__signature__"] = inspect.signature(function)
    return call


class Guarded:
    """What a guard knows of a function. Raises TypeError for one whose arguments cannot be a payload.

    Parameters named in `keep` (a database session, `self`) are no part of the payload: they are not shown to anybody
    and not approved. The one named by `permit` gets the Permit, with the constraints of the release.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        summary: Summary,
        keep: Collection[str] = (),
        permit: str | None = None,
        claims: Claims | Callable[[Mapping[str, Json]], Claims] | None = None,
    ) -> None:
        self._signature = inspect.signature(function)
        self._name = getattr(function, "__qualname__", "the function")
        self._summary = summary
        self._keep = frozenset(keep)
        self._permit = permit
        self._claims = claims
        self._extra: str | None = None
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._extra = name
            elif parameter.kind not in _NAMED:
                raise TypeError(f"{self._name}: `{name}` has no name in a payload; make it a named parameter")
        known = set(self._signature.parameters) - {self._extra}
        if missing := (self._keep | ({permit} if permit else set())) - known:
            raise TypeError(f"{self._name} has no parameter {', '.join(sorted(missing))}")
        self._proposed = [name for name in known if name not in self._keep and name != permit]

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Asking:
        """What this call proposes, defaults included. TypeError where the arguments do not fit the function or are
        no JSON values."""
        given = {**kwargs, **({self._permit: None} if self._permit else {})}
        bound = self._signature.bind(*args, **given)
        bound.apply_defaults()
        extra = bound.arguments.get(self._extra, {}) if self._extra else {}
        payload = {**{name: bound.arguments[name] for name in sorted(self._proposed)}, **extra}
        try:
            canonical(payload)
        except NotCanonical as error:
            raise TypeError(f"{self._name}: the arguments are no payload: {error.detail}") from None
        claims = self._claims(payload) if callable(self._claims) else self._claims
        kept = {name: bound.arguments[name] for name in self._keep}
        return Asking(payload=payload, summary=self._told(payload), claims=claims or {}, kept=kept)

    def check(self, released: Released) -> None:
        """Raises before a grant is used up where the release could not be run as it was approved."""
        self._fitting(released.payload)
        if released.constraints and self._permit is None:
            names = ", ".join(sorted(released.constraints))
            raise ConstraintsUnhandled(
                f"{released.id} is released within constraints ({names}); "
                f"give {self._name} a parameter for the permit, and name it in the guard: permit=…"
            )

    def arguments(self, asking: Asking, permit: Permit) -> dict[str, Any]:
        """The keyword arguments to run with: what was redeemed, and what stayed with the caller."""
        mine = {self._permit: permit} if self._permit else {}
        return {**self._fitting(permit.payload), **asking.kept, **mine}

    def _fitting(self, payload: Mapping[str, Json]) -> dict[str, Json]:
        """The payload, if it names each parameter, so that no default stands in for what a reviewer took out, and
        nothing the function does not know."""
        missing = [name for name in self._proposed if name not in payload]
        reserved = self._keep | ({self._permit} if self._permit else set())
        unknown = [
            name for name in payload if name in reserved or (not self._extra and name not in self._proposed)
        ]
        if missing or unknown:
            raise PayloadUnfit(
                f"The approved payload does not fit {self._name}: "
                f"missing {sorted(missing) or 'nothing'}, unknown {sorted(unknown) or 'nothing'}."
            )
        return dict(payload)

    def _told(self, payload: Mapping[str, Json]) -> str:
        """The summary of this call, cut and cleaned to what the gate takes."""
        text = self._summary(payload) if callable(self._summary) else self._summary.format_map(payload)
        clean = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
        return clean if len(clean) <= _LONGEST_SUMMARY else clean[: _LONGEST_SUMMARY - 1] + "…"
