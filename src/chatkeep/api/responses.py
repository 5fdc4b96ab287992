"""Answers: JSON of our values, problem documents, and the three forms of an answer to a turn."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from chatkeep.api.dialects import openai_errors
from chatkeep.api.request_log import HEADER as REQUEST_ID_HEADER
from chatkeep.api.response_headers import HEADERS
from chatkeep.api.sse import ends_run, run_frame
from chatkeep.api.stream_server import EventStream
from chatkeep.api.views import RunAnswer
from chatkeep.chat.types import Run, Value
from chatkeep.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Refused,
    StatementFailed,
    UnsupportedMediaType,
)
from chatkeep.runs.follow import follow, wait_until_at_rest
from chatkeep.runs.runtime import Runtime
from chatkeep.store.history import get_answer
from chatkeep.watch import context

_log = logging.getLogger("chatkeep")

MAX_LISTED_ERRORS = 20
"""How many errors of a request its answer lists."""
MAX_NAME_CHARS = 100
"""How much of a wrong field's name the answer repeats."""

ResponseForm: TypeAlias = Literal["stream", "json", "async"]

_BY_STATUS: dict[int, type[Refused]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


HeaderLines: TypeAlias = Annotated[Sequence[str] | None, WithJsonSchema({"type": "string"})]
"""A header that may come in several lines; generated clients send one."""


async def requested_form(
    accept: Annotated[HeaderLines, Header(description="`application/json`: the answer when it is complete.")] = None,
    prefer: Annotated[HeaderLines, Header(description="`respond-async`: 202 at once (RFC 7240).")] = None,
) -> ResponseForm:
    """Return the form in which the client wants its answer (docs/http-api.md, "Send a message")."""
    if "respond-async" in _header_items(prefer or ()):
        return "async"
    types = _header_items(accept or ())
    return "json" if "application/json" in types and "text/event-stream" not in types else "stream"


def _header_items(lines: Sequence[str]) -> set[str]:
    """Return the items of a list header, without parameters; it may come in several lines (RFC 9110 §5.3)."""
    return {item.partition(";")[0].strip().lower() for line in lines for item in line.split(",")}


RequestedForm: TypeAlias = Annotated[ResponseForm, Depends(requested_form)]


def json_response(
    value: Value | Sequence[dict[str, Any]], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return `value` as a JSON answer."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def object_response(value: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an object in another service's form as a JSON answer."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


class ProblemResponse(Response):
    """An error: a problem document (RFC 9457), or in the form that the clients of its path know."""

    def __init__(self, document: dict[str, Any], headers: Mapping[str, str]) -> None:
        body = msgspec.json.encode(document)
        super().__init__(body, document["status"], dict(headers), "application/problem+json")
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the error (ASGI)."""
        if scope["type"] == "http" and scope["path"].startswith(openai_errors.PATHS):
            self.body = msgspec.json.encode(openai_errors.to_openai_error(self._document))
            self.headers["content-type"] = "application/json"
            self.headers["content-length"] = str(len(self.body))
            if self.status_code == 409:  # else OpenAI's SDKs send the request again by themselves
                self.headers["x-should-retry"] = "false"
        await super().__call__(scope, receive, send)


def problem_response(error: Refused) -> Response:
    """Return `error` as an answer."""
    document = error.document()
    if request_id := context.request_id.get():
        document["request_id"] = request_id
    return ProblemResponse(document, error.response_headers())


async def run_response(runtime: Runtime, owner: str, run: Run, form: ResponseForm, after: int = 0) -> Response:
    """Return the answer to a request that started or resumed `run`.

    Its stream after position `after`; or run and messages, when it is at rest (`json`) or at once (`async`).
    """
    headers = {"location": f"/api/runs/{run.id}", "content-location": f"/api/runs/{run.id}/events"}
    if form == "stream":
        return EventStream(follow(runtime, run, after), run_frame, headers, is_last=ends_run)
    is_at_rest = form == "json" and await wait_until_at_rest(runtime, run)
    answer = await runtime.db.snapshot(lambda tx: get_answer(tx, owner, run.id))
    return json_response(RunAnswer(*answer), 200 if is_at_rest else 202, headers)


async def handle_refused(_: Request, error: Exception) -> Response:
    """Answer our own refusals."""
    assert isinstance(error, Refused)
    return problem_response(error)


async def handle_invalid(_: Request, error: Exception) -> Response:
    """Answer FastAPI's validation errors, with a list of the first wrong fields."""
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, Any]] = [
        {"loc": [_cut(part) for part in each["loc"]], "msg": each["msg"], "type": each["type"]}
        for each in error.errors()[:MAX_LISTED_ERRORS]
    ]
    where = ".".join(map(str, errors[0]["loc"])) if errors else "request"
    detail = f"{where}: {errors[0]['msg']}" if errors else "the request is not valid"
    return problem_response(InvalidRequest(detail, errors=errors))


def _cut(part: str | int) -> str | int:
    """Return a part of a path in the body. The name of a field is the client's, and may be long."""
    return part[:MAX_NAME_CHARS] if isinstance(part, str) else part


async def handle_http(_: Request, error: Exception) -> Response:
    """Answer Starlette's own errors: no such route or method, a body that is too large or cannot be parsed."""
    assert isinstance(error, HTTPException)
    refused = _BY_STATUS.get(error.status_code, InvalidRequest)(str(error.detail))
    answer = problem_response(refused)
    answer.headers.update(error.headers or {})
    if "GET" in answer.headers.get("allow", ""):
        answer.headers["allow"] += ", HEAD"  # `stream_server.py` answers it
    return answer


async def handle_storage(_: Request, error: Exception) -> Response:
    """Answer that the database cannot be used: its disk is full, say, or another process holds its lock."""
    if isinstance(error, StatementFailed):
        _log.error("a statement failed", exc_info=error)
        return problem_response(Internal("the service failed; its log says why"))
    _log.error("the database refused: %s", error)
    return problem_response(DatabaseUnavailable("the database cannot be used for now; repeat the request later"))


async def handle_unexpected(_: Request, error: Exception) -> Response:
    """Answer a fault of ours; the server logs it with its traceback afterwards."""
    del error
    answer = problem_response(Internal("the service failed; its log says why"))
    answer.headers.update(dict(HEADERS))  # Starlette answers this outside of all middleware
    answer.headers[REQUEST_ID_HEADER] = context.request_id.get() or ""
    return answer
