"""Bodies of dialects: large, of the client's making, and mostly not looked at.

They are decoded by msgspec into structs that name only the fields in use, and values of any form stay JSON (`Raw`).
A history of 32 MiB is skipped in 10 ms (files) to 70 ms (texts). One of very many messages is refused undecoded.
The few values in use are bounded (`decode_small`), and pass the checks of our own API (`runs/request.py`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from chatkeep.errors import InvalidRequest

T = TypeVar("T", bound=msgspec.Struct)
M = TypeVar("M", bound=BaseModel)

MAX_INLINE_BYTES = 65_536
"""The largest body that is decoded without a thread."""

MAX_MESSAGES = 50_000
"""The most messages that a history from a client may have."""
MAX_VALUE_BYTES = 1_048_576
"""The longest value of a field that may have any form, in bytes of JSON."""
MAX_CONTENT_PARTS = 1_000
"""The most parts of a content that is longer than `MAX_VALUE_BYTES`: then it has files in it."""


async def read_body(request: Request, kind: type[T]) -> T:
    """Return the body of `request`, JSON in UTF-8, as a `kind`.

    Raises:
        InvalidRequest: it is not JSON, has not the fields of a `kind`, or has more than `MAX_MESSAGES` messages.
    """
    body = await request.body()
    if body.count(b'"role"') > MAX_MESSAGES:  # within a text the quotes would be escaped
        raise InvalidRequest(f"body: more than {MAX_MESSAGES} messages")
    if len(body) > MAX_INLINE_BYTES:
        return await asyncio.to_thread(decode, body, kind)
    return decode(body, kind)


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return JSON as a `kind`; see `read_body`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"body: {error}") from error


def decode_small(name: str, raw: msgspec.Raw, kind: Any = Any) -> Any:
    """Return the value of a field that has any form, or that of `kind`, a type that msgspec decodes.

    Building a large one would hold up other requests.

    Raises:
        InvalidRequest: it has more than `MAX_VALUE_BYTES`, or is no `kind`.
    """
    if len(bytes(raw)) > MAX_VALUE_BYTES:
        raise InvalidRequest(f"{name}: longer than {MAX_VALUE_BYTES} bytes")
    return _decode_value(name, raw, kind)


def decode_content(name: str, raw: msgspec.Raw, kind: Any) -> Any:
    """Return the content of a message as a `kind`: as long as a body may be, because files stand in it.

    A large one takes some milliseconds, so it is decoded in a thread.

    Raises:
        InvalidRequest: it has more than `MAX_CONTENT_PARTS` parts and `MAX_VALUE_BYTES`, or is no `kind`.
    """
    content = bytes(raw)
    if len(content) <= MAX_VALUE_BYTES or content.count(b'"type"') > MAX_CONTENT_PARTS:
        return decode_small(name, raw, kind)
    return _decode_value(name, content, kind)


def _decode_value(name: str, raw: bytes | msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {error}") from error


def validated(model: type[M], fields: Mapping[str, Any]) -> M:
    """Return a request of our own API with these fields.

    Raises:
        RequestValidationError: they are not valid. It is answered like that of our own API.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
