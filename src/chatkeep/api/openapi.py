"""The OpenAPI document: what FastAPI knows of routes and bodies, and the schemas of our answers and events.

Answers are msgspec values, which FastAPI does not know; their JSON schemas are msgspec's own.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from chatkeep.api.views import (
    AssistantDetails,
    AssistantPage,
    AuditPage,
    FactPage,
    Health,
    Me,
    MessagePage,
    ModelPage,
    NewTokenView,
    OpenAIError,
    ProblemDocument,
    PromptView,
    RunAnswer,
    SearchResultPage,
    SessionDeleted,
    SessionPage,
    SessionsChanged,
    SessionUpdated,
    TokenPage,
    UsagePage,
    UserPage,
    UserView,
)
from chatkeep.archives.report import ImportReport
from chatkeep.chat.events import Event
from chatkeep.chat.people import DeletionReceipt
from chatkeep.chat.types import File, Message, Run, Session, Value
from chatkeep.errors import (
    BadHost,
    BodyTooLarge,
    CrossSite,
    DatabaseUnavailable,
    EventsExpired,
    IdempotencyMismatch,
    Internal,
    InvalidRequest,
    ModelNotAllowed,
    NotFound,
    Refused,
    SessionBusy,
    ShuttingDown,
    TooManyRuns,
    UnsupportedMediaType,
)
from chatkeep.runs.quota import QuotaExceeded
from chatkeep.sign_in.refusals import AccountDisabled, Forbidden, SignInUnavailable, Unauthenticated, UntrustedProxy

_ANY_REQUEST = (
    InvalidRequest, BodyTooLarge, BadHost, CrossSite, UnsupportedMediaType, DatabaseUnavailable, Internal,
    Unauthenticated, Forbidden, AccountDisabled, UntrustedProxy, SignInUnavailable,
)  # fmt: skip
"""The errors that any request may be answered with."""
_ANSWERS = [
    Session, Message, Run, SessionPage, MessagePage, RunAnswer, PromptView, AssistantPage, AssistantDetails,
    ModelPage, FactPage, SearchResultPage, Health, ProblemDocument, Me, DeletionReceipt,
    SessionsChanged, TokenPage, NewTokenView, UserPage, UserView, AuditPage, UsagePage, OpenAIError, File,
    ImportReport,
]  # fmt: skip

_REF = "#/components/schemas/{name}"
_EXAMPLE = 'retry: 1000\nid: {id}\ndata: {{"type":"text.delta","position":7,"index":0,"text":"To get"{more}}}\n\n'


def _stream_of(name: str, example: str) -> dict[str, Any]:
    """Return the OpenAPI content of a stream. Its schema is that of each event's `data`, as generators read it."""
    return {"text/event-stream": {"schema": {"$ref": _REF.format(name=name)}, "example": example}}


EVENT_STREAM = _stream_of("Event", _EXAMPLE.format(id="7", more=""))
SESSION_STREAM = _stream_of("SessionEvent", _EXAMPLE.format(id="3.7", more=',"run_id":"01993a5e-…"'))
SESSIONS_FEED = _stream_of("SessionsChanged", 'retry: 1000\ndata: {"type":"sessions.changed"}\n\n')
_SessionEvent: TypeAlias = Event | SessionUpdated | SessionDeleted
_SESSION_EVENT = "An event of a session's stream: of one of its runs, or a change of the session itself."
_RUN_ID = {"type": "string", "description": "The event's run; only on the stream of a session"}

DIALECT_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
"""A stream of events in another service's form (docs/dialects.md)."""


OBJECT: dict[str, Any] = {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}
"""An object in another service's form."""


def json_answer(value: type[Value], **more: Any) -> dict[str, Any]:
    """Return an OpenAPI response whose JSON is a `value`; `more` are entries of further media types."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(name=value.__name__)}}}
    return {"description": (value.__doc__ or "").strip(), "content": content | more.get("content", {})}


def json_body(description: str, *required: str) -> dict[str, Any]:
    """Return the OpenAPI form of a body that FastAPI does not read: an object with the fields `required`."""
    schema: dict[str, Any] = {"type": "object", "required": list(required), "additionalProperties": True}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


def error_answers(*errors: type[Refused]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for `errors` and for those of any request, by status."""
    return _error_answers(
        errors, {"application/problem+json": {"schema": {"$ref": _REF.format(name="ProblemDocument")}}}
    )


def openai_error_answers(*errors: type[Refused]) -> dict[int | str, dict[str, Any]]:
    """Return the same for a route below `/v1`, where they have OpenAI's form."""
    return _error_answers(errors, {"application/json": {"schema": {"$ref": _REF.format(name="OpenAIError")}}})


def _error_answers(errors: Sequence[type[Refused]], content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[str]] = {}
    for error in dict.fromkeys((*_ANY_REQUEST, *errors)):
        by_status.setdefault(error.status, []).append(error.code)
    return {status: {"description": ", ".join(codes), "content": content} for status, codes in by_status.items()}


_TURN_ERRORS = (
    NotFound, ModelNotAllowed, SessionBusy, IdempotencyMismatch, EventsExpired, TooManyRuns, QuotaExceeded,
    ShuttingDown,
)  # fmt: skip
TURN_ERRORS = error_answers(*_TURN_ERRORS)
"""The refusals of a request that starts a run (docs/http-api.md)."""
OPENAI_TURN_ERRORS = openai_error_answers(*_TURN_ERRORS)
"""The same below `/v1`."""


def operation_id(route: APIRoute) -> str:
    """Return the name of a route's operation, by which generated clients call it.

    It is the function's own, and after the name of the dialect for those of a dialect: `ai_sdk_stop`. Two routes must
    not have the same (OpenAPI 3.1, "Operation Object").
    """
    tag = str(route.tags[0]) if route.tags else ""
    is_ours = tag.islower()
    return route.name if is_ours else f"{re.sub('[^a-z]+', '_', tag.lower())}_{route.name}"


def openapi_document(app: FastAPI, public_path: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of `app`, made once. Its paths are below `public_path`."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        if public_path:
            schema["servers"] = [{"url": public_path}]
        union, components = msgspec.json.schema_components([Event, _SessionEvent, *_ANSWERS], ref_template=_REF)
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(components)
        schemas["Event"] = {"description": "An event of a run's stream.", **union[0]}
        schemas["SessionEvent"] = {"description": _SESSION_EVENT, **union[1]}
        for reference in union[0]["discriminator"]["mapping"].values():
            schemas[reference.rpartition("/")[2]]["properties"]["run_id"] = _RUN_ID
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}, {}]  # nothing, where the service asks for no sign-in
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which are never answered
            schemas.pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
