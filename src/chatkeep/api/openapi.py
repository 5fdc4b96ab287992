"""The OpenAPI document: what FastAPI knows of routes and bodies, and the schemas of our answers and events.

Answers are msgspec values, which FastAPI does not know; their JSON schemas are msgspec's own.
"""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
    ProblemDocument,
    PromptView,
    RunAnswer,
    SearchResultPage,
    SessionPage,
    TokenPage,
    UserPage,
)
from chatkeep.chat.events import Event
from chatkeep.chat.people import DeletionReceipt, User
from chatkeep.chat.types import Message, Run, Session, Value
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
from chatkeep.sign_in.refusals import AccountDisabled, Forbidden, SignInUnavailable, Unauthenticated, UntrustedProxy

_REF = "#/components/schemas/{name}"
_ANY_REQUEST = (
    InvalidRequest, BodyTooLarge, BadHost, CrossSite, UnsupportedMediaType, DatabaseUnavailable, Internal,
    Unauthenticated, Forbidden, AccountDisabled, UntrustedProxy, SignInUnavailable,
)  # fmt: skip
"""The errors that any request may be answered with."""
_ANSWERS = [
    Session, Message, Run, SessionPage, MessagePage, RunAnswer, PromptView, AssistantPage, AssistantDetails,
    ModelPage, FactPage, SearchResultPage, Health, ProblemDocument, Me, DeletionReceipt,
    TokenPage, NewTokenView, UserPage, User, AuditPage,
]  # fmt: skip

EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "x-event-schema": {"$ref": "#/components/schemas/Event"},
        "example": 'retry: 1000\nid: 7\ndata: {"type":"text.delta","position":7,"index":0,"text":"To get"}\n\n',
    }
}

DIALECT_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
"""A stream of events in another service's form (docs/dialects.md)."""


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
    by_status: dict[int, list[str]] = {}
    for error in dict.fromkeys((*_ANY_REQUEST, *errors)):
        by_status.setdefault(error.status, []).append(error.code)
    schema = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
    return {
        status: {"description": ", ".join(codes), "content": {"application/problem+json": schema}}
        for status, codes in by_status.items()
    }


TURN_ERRORS = error_answers(
    NotFound, ModelNotAllowed, SessionBusy, IdempotencyMismatch, EventsExpired, TooManyRuns, ShuttingDown
)
"""The refusals of a request that starts a run (docs/http-api.md)."""


def openapi_document(app: FastAPI, public_path: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of `app`, made once. Its paths are below `public_path`."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        if public_path:
            schema["servers"] = [{"url": public_path}]
        union, components = msgspec.json.schema_components([Event, *_ANSWERS], ref_template=_REF)
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(components)
        schemas["Event"] = {"description": "An event of a run's stream.", **union[0]}
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which are never answered
            schemas.pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
