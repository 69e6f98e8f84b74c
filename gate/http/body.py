"""Reading a request's body: size, type and time first, then the model; strict JSON between them is the contract's."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gate.contract.canonical import Json
from gate.contract.problem import FieldError
from gate.http.problem import ProblemRaised, invalid

_Model = TypeVar("_Model", bound=BaseModel)
_CHUNK = 65_536


async def read_body(request: web.Request, *, limit: int, patience: float) -> bytes:
    """The body, which says that it is JSON. Ends the request with 408, 413 or 415.

    What is counted is what arrives: a Content-Length may be missing, and it may lie.
    """
    _check_type(request)
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.content.is_eof():  # mostly all of it came with the head
        whole = request.content.read_nowait()
        if len(whole) > limit:
            raise _too_large(limit)
        return whole
    received = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for chunk in request.content.iter_chunked(_CHUNK):
                received += chunk
                if len(received) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise ProblemRaised("body_timeout", headers={"Connection": "close"}) from None
    return bytes(received)


def read_model(model: type[_Model], value: Json) -> _Model:
    """The value as the model has it, or 422 with every field that does not fit."""
    if not isinstance(value, dict):
        raise ProblemRaised(
            "invalid_field",
            errors=(FieldError(pointer="", code="object_required", detail="The body must be a JSON object"),),
        )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from None


def _check_type(request: web.Request) -> None:
    # An absent Content-Type reads as application/octet-stream here, which is refused like any other.
    charset = request.charset
    if (
        request.content_type != "application/json"
        or (charset is not None and charset.lower() not in ("utf-8", "utf8"))
        or request.headers.get("Content-Encoding", "identity").lower() != "identity"
    ):
        raise ProblemRaised("unsupported_media_type", headers={"Accept": "application/json"})


def _too_large(limit: int) -> ProblemRaised:
    return ProblemRaised(
        "body_too_large", f"The body is over {limit} bytes.", headers={"Connection": "close"}
    )
