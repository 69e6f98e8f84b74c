"""The HTTP contract without any HTTP: builds requests, reads answers, says when to try again; nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypedDict, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from gate.client.errors import GateRefused, UnreadableAnswer
from gate.contract.action import ActionDocument
from gate.contract.canonical import Json, NotCanonical, canonical, parse
from gate.contract.execution import RedeemOut
from gate.contract.fields import OutcomeResult, Risk
from gate.contract.problem import PROBLEM_TYPE, Problem

LONGEST_WAIT = 60
"""Seconds; the gate holds an answer no longer than this."""

_RETRIED = frozenset({429, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_DETAIL = 4_000
_Model = TypeVar("_Model", bound=BaseModel)


class Claims(TypedDict, total=False):
    """What an agent may say about an action besides topic, payload and summary. It can only raise scrutiny."""

    tool: str
    rationale: str
    environment: str
    labels: Mapping[str, str]
    risk: Risk
    risk_tags: list[str]
    confidence: float
    anomaly_score: float
    amount_usd: float
    affected_users: int
    retry_count: int
    evidence: list[dict[str, Any]]
    context: Mapping[str, Any]
    payload_schema: Mapping[str, Any]
    callback_url: str
    audience: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request; the key is added when it is sent. `held` is how many seconds the gate may keep the answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None
    held: int = 0

    def __repr__(self) -> str:
        """Without body, which may hold a grant or a payload."""
        return f"Request({self.method} {self.path})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer; header names are in lower case. `unclear`: an earlier try of the same request may have reached
    the gate, and its answer was lost."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    unclear: bool = False

    def __repr__(self) -> str:
        """Without body, which may hold a grant."""
        return f"Answer({self.status})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to go on trying, in seconds: `total` over all tries, waits between them doubling from `first` to
    `longest`; `connect` and `answer` bound a single try (a held answer may take its wait longer)."""

    total: float = 30.0
    first: float = 0.1
    longest: float = 5.0
    connect: float = 5.0
    answer: float = 10.0


def base_url(text: str, *, plain_http: bool = False) -> str:
    """The address of a gate without a trailing slash. ValueError where a key sent there could be read on the way,
    unless `plain_http` says that this is meant."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("The gate's address is http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("The gate's address carries no user name or password")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not plain_http:
        raise ValueError("Keys are sent over https; say plain_http=True where the network is safe without it")
    return text.rstrip("/")


def propose(
    *,
    topic: str,
    payload: Mapping[str, Json],
    summary: str,
    claims: Claims,
    idempotency_key: str,
    wait: int,
) -> Request:
    """Propose an action. Raises NotCanonical for a payload that JSON cannot hold one way only."""
    body: dict[str, Any] = {"topic": topic, "payload": dict(payload), "summary": summary, **claims}
    return _sending(
        "/v1/actions", body, headers={"Idempotency-Key": idempotency_key, **_prefer(wait)}, held=wait
    )


def show(action_id: str, *, wait: int | None = None) -> Request:
    """Read an action, or wait for its decision."""
    held = wait or 0
    headers = _prefer(wait) if wait is not None else {}
    return Request(method="GET", path=_action(action_id), headers=headers, held=held)


def cancel(action_id: str, *, reason: str | None) -> Request:
    """Take a pending action back."""
    return _sending(f"{_action(action_id)}/cancel", {} if reason is None else {"reason": reason})


def redeem(token: str, *, payload_sha256: str) -> Request:
    """Redeem a grant for what has this digest."""
    return _sending("/v1/grants/redeem", {"token": token, "payload_sha256": payload_sha256})


def outcome(
    action_id: str,
    result: OutcomeResult,
    *,
    detail: str | None = None,
    defect: bool = False,
    incident: bool = False,
) -> Request:
    """Report what came of an execution; a detail is cut and cleaned to what the gate takes."""
    body = {"result": result, "detail": readable(detail), "defect": defect, "incident": incident}
    return _sending(f"{_action(action_id)}/outcome", body)


def keys() -> Request:
    """The public keys."""
    return Request(method="GET", path="/.well-known/jwks.json", headers={})


def read_action(answer: Answer) -> ActionDocument:
    """The action document, its grant included; raises GateRefused or UnreadableAnswer."""
    return _read(answer, ActionDocument)


def read_redeemed(answer: Answer) -> RedeemOut:
    """The one time a grant works; raises GateRefused or UnreadableAnswer."""
    return _read(answer, RedeemOut)


def read_json(answer: Answer) -> Json:
    """Any JSON document of a 200; raises GateRefused or UnreadableAnswer."""
    if answer.status not in (200, 202):
        refuse(answer)
    try:
        return parse(answer.body)
    except NotCanonical:
        raise UnreadableAnswer(f"The answer ({answer.status}) is not JSON.") from None


def refuse(answer: Answer) -> NoReturn:
    """Raises what an answer other than success says."""
    try:
        document = Problem.model_validate(parse(answer.body)) if _is_problem(answer) else None
    except (NotCanonical, ValidationError):
        document = None
    if document is None:
        raise GateRefused(
            status=answer.status, code=f"http_{answer.status}", detail="No error document came with it."
        )
    raise GateRefused(
        status=answer.status,
        code=document.code,
        detail=document.detail,
        request_id=document.request_id,
        errors=document.errors,
    )


def joined(answer: Answer) -> bool:
    """Whether a proposal was not made an action of its own, because an equal one of this agent is pending."""
    return "signoff-joined" in answer.headers


def awaits_grant(answer: Answer) -> bool:
    """Whether the action is released and its grant will come, once the gate has signed a checkpoint over it."""
    return "signoff-grant" in answer.headers


def worth_retrying(answer: Answer) -> bool:
    """Whether the same request may get another answer a little later: 429, 502, 503, 504; never another 4xx."""
    return answer.status in _RETRIED


def maybe_acted(answer: Answer) -> bool:
    """Whether a refused try may have had its effect all the same: a proxy in between gave up, or a commit did."""
    return answer.status in (502, 503, 504)


def pause(attempt: int, answer: Answer | None, patience: Patience, chance: float) -> float:
    """Seconds before try `attempt + 1` (the first is 1): what the gate asks for, else back-off with full jitter;
    `chance` is 0 to 1."""
    asked = retry_after(answer)
    if asked is not None:
        return asked
    ceiling = min(patience.longest, patience.first * 2 ** min(attempt - 1, 30))
    return ceiling * (0.5 + chance / 2)


def retry_after(answer: Answer | None) -> float | None:
    """The seconds of `Retry-After`; a date, which this gate never sends, counts as none."""
    text = "" if answer is None else answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def next_wait(left: float) -> int:
    """How long to ask the gate to hold an answer when `left` seconds remain."""
    return max(0, min(LONGEST_WAIT, int(left)))


def pause_before_renewal(answer: Answer, *, asked: int, took: float) -> float:
    """Seconds before a pending action is asked about again: none after a wait that was held, and otherwise what the
    gate says, so that a gate without room for another wait, or about to stop, is not run down."""
    if asked > 0 and "preference-applied" in answer.headers and took >= asked / 2:
        return 0.0
    return min(retry_after(answer) or 1.0, 5.0)


def readable(text: str | None) -> str | None:
    """A text as the gate takes it: no control characters, not blank, not too long."""
    if text is None:
        return None
    clean = "".join(mark if mark in "\t\n" or mark.isprintable() else " " for mark in text).strip()
    return clean[:_LONGEST_DETAIL] or None


def _action(action_id: str) -> str:
    return f"/v1/actions/{quote(action_id, safe='')}"


def _prefer(wait: int) -> dict[str, str]:
    return {"Prefer": f"wait={wait}"}


def _sending(
    path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, held: int = 0
) -> Request:
    plain = _plain(body)
    canonical(plain)  # refuses what could be read in two ways
    # Sent as Python writes it: RFC 8785 writes a double such as 1e16 as an integer, which is refused at the door.
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    sent = {"Content-Type": "application/json", **(headers or {})}
    return Request(method="POST", path=path, headers=sent, body=text.encode(), held=held)


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings of any kind as JSON objects; what is no JSON value is left for `canonical` to refuse."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in body.items()
        if value is not None
    }


def _is_problem(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip() == PROBLEM_TYPE


def _read(answer: Answer, model: type[_Model]) -> _Model:
    document = read_json(answer)
    try:
        return model.model_validate(document)
    except ValidationError:
        # The validation error repeats what was received, which may hold a grant.
        raise UnreadableAnswer(f"The answer ({answer.status}) is no {model.__name__}.") from None
