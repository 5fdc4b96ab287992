"""What the service answers, for OpenAPI: our values' own JSON schemas, the stream's events included."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from chatkeep.chat.events import Event
from chatkeep.chat.types import Fact, Found, Kind, Message, Run, Session, Value
from chatkeep.errors import BadHost, BodyTooLarge, Internal, InvalidRequest, Refused, UnsupportedMediaType

_REF = "#/components/schemas/{name}"


class FieldProblem(Value, frozen=True):
    """Where a request is wrong, and how."""

    loc: list[str | int]
    msg: str
    type: str


class ProblemDocument(Value, frozen=True, omit_defaults=True):
    """An error, RFC 9457; `code` is what a program should look at."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None
    run_id: str | None = None
    message_id: str | None = None


class SessionPage(Value, frozen=True):
    """Sessions; `next` is the `before` of the next page."""

    data: list[Session]
    next: str | None


class MessagePage(Value, frozen=True):
    """Messages, oldest first. `position` is where `GET /api/sessions/{id}/events` goes on."""

    data: list[Message]
    next: str | None
    position: str


class RunAnswer(Value, frozen=True):
    """A run with the message it answers and its own."""

    run: Run
    user_message: Message
    message: Message


class ToolView(Value, frozen=True):
    """A function of an assistant."""

    name: str
    description: str
    parameters: dict[str, Any]
    kind: Kind


class AssistantView(Value, frozen=True):
    """An assistant."""

    name: str
    description: str
    model: str | None
    tools: list[ToolView]


class AssistantDetails(AssistantView, frozen=True):
    """An assistant, with what a user might say first."""

    starters: list[str]


class PromptView(Value, frozen=True):
    """What a model was told: the system prompt as rendered, and the functions as they were offered to it."""

    assistant: str
    hash: str
    prompt: str
    functions: list[dict[str, Any]]


class AssistantPage(Value, frozen=True):
    """All assistants."""

    data: list[AssistantView]
    next: str | None


class FactPage(Value, frozen=True):
    """Facts, newest first; `next` is the `before` of the next page."""

    data: list[Fact]
    next: str | None


class FoundPage(Value, frozen=True):
    """Messages that were found."""

    data: list[Found]
    next: str | None


class Health(Value, frozen=True):
    """`ok`, or what is wrong."""

    status: str
    checks: dict[str, str]


class SessionUpdated(Value, frozen=True, tag="session.updated"):
    """Between the runs of a session: it was changed."""

    session: Session


class SessionDeleted(Value, frozen=True, tag="session.deleted"):
    """The session is gone; the stream closes."""

    session_id: str


_ANY = (InvalidRequest, BodyTooLarge, BadHost, UnsupportedMediaType, Internal)
"""What any request may meet."""
_ANSWERS = [
    Session, Message, Run, SessionPage, MessagePage, RunAnswer, PromptView, AssistantPage, AssistantDetails,
    FactPage, FoundPage, Health,
    ProblemDocument,
]  # fmt: skip

EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "x-event-schema": {"$ref": "#/components/schemas/Event"},
        "example": 'retry: 1000\nid: 7\ndata: {"type":"text.delta","position":7,"index":0,"text":"To get"}\n\n',
    }
}


def answer(value: type[Value], **more: Any) -> dict[str, Any]:
    """An OpenAPI response whose JSON is a `value`; `more` are further media types' entries."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(name=value.__name__)}}}
    return {"description": (value.__doc__ or "").strip(), "content": content | more.get("content", {})}


def refusals(*errors: type[Refused]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for these errors; those that any request may meet are added."""
    by_status: dict[int, list[str]] = {}
    for error in dict.fromkeys((*_ANY, *errors)):
        by_status.setdefault(error.status, []).append(error.code)
    schema = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
    return {
        status: {"description": ", ".join(codes), "content": {"application/problem+json": schema}}
        for status, codes in by_status.items()
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: what FastAPI knows, and the schemas of what we answer."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        union, components = msgspec.json.schema_components([Event, *_ANSWERS], ref_template=_REF)
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(components)
        schemas["Event"] = {"description": "An event of a run's stream.", **union[0]}
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which we never answer
            schemas.pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
