"""What clients send, checked by Pydantic. Unknown fields are refused; free text is made storable on its way in."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, Self, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chatkeep import ids
from chatkeep.text import clean_json

CONTENT_BYTES = 262_144
"""The longest message, in bytes of UTF-8."""


def _uuid(text: str) -> str:
    if (known := ids.parse(text)) is None:
        raise ValueError("not a UUID")
    return known


def _message_text(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    if len(text.encode()) > CONTENT_BYTES:
        raise ValueError(f"longer than {CONTENT_BYTES} bytes of UTF-8")
    return text


Id: TypeAlias = Annotated[str, AfterValidator(_uuid), Field(json_schema_extra={"format": "uuid"})]
Title: TypeAlias = Annotated[str, Field(max_length=200), BeforeValidator(clean_json)]
ModelName: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(clean_json)]
AssistantName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Content: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=CONTENT_BYTES), BeforeValidator(clean_json), AfterValidator(_message_text)
]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
    BeforeValidator(clean_json),
]


class RequestModel(BaseModel):
    """Base of all that is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClientTool(RequestModel):
    """A function that the client runs. One that is declared in the service may be named alone."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[str, Field(min_length=1, max_length=4096), BeforeValidator(clean_json)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(clean_json)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.description is None) != (self.parameters is None):
            raise ValueError("description and parameters: both, or neither for a function that is known here")
        if self.parameters is not None and self.parameters.get("type", "object") != "object":
            raise ValueError("parameters: a JSON Schema of an object")
        return self


def _distinct(tools: list[ClientTool]) -> list[ClientTool]:
    if len({tool.name for tool in tools}) < len(tools):
        raise ValueError("two functions of one name")
    return tools


OnBusy: TypeAlias = Annotated[
    Literal["reject", "interrupt"],
    Field(description="When an answer is being made: refuse with 409, or cancel that one and go on."),
]


class Utf8Request(Request):
    """A request whose body is JSON in UTF-8, and no other encoding that Python's parser would guess."""

    async def json(self) -> Any:
        """The body's value."""
        return json.loads((await self.body()).decode())


class JsonRoute(APIRoute):
    """A route that reads `Utf8Request`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI calls."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(Utf8Request(request.scope, request.receive))

        return handle


class NewSession(RequestModel):
    """A session to be made; every field may be left out."""

    id: Id | None = None
    title: Title | None = None
    assistant: AssistantName | None = None
    model: ModelName | None = None
    metadata: Metadata | None = None


class SessionChange(RequestModel):
    """What is to change; a field that is left out stays."""

    title: Title | None = None
    assistant: AssistantName | None = None
    model: ModelName | None = None
    metadata: Metadata | None = None
    head_id: Id | None = None


class NewMessage(RequestModel):
    """What the user says. `parent_id` left out: after the head; null: as a new first message."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content": "please explain the joke: why did the chicken cross the road?"}]}
    )

    content: Content
    parent_id: Id | None = None
    on_busy: OnBusy = "reject"
    tools: Annotated[list[ClientTool], Field(max_length=32), AfterValidator(_distinct)] = []
    model: ModelName | None = None

    def request(self) -> dict[str, Any]:
        """The validated request, route included, as it is remembered and compared for idempotency."""
        fields = self.model_dump(mode="json", exclude=None if "parent_id" in self.model_fields_set else {"parent_id"})
        return {"route": "messages", **fields}


class NewRun(RequestModel):
    """A user message to be answered once more."""

    message_id: Id
    model: ModelName | None = None
    on_busy: OnBusy = "reject"

    def request(self) -> dict[str, Any]:
        """See `NewMessage.request`."""
        return {"route": "runs", **self.model_dump(mode="json")}


class ToolOutput(RequestModel):
    """What came of a call: `output`, any JSON, or `error`, a text for the model."""

    call_id: Annotated[str, Field(min_length=1, max_length=128)]
    output: Annotated[Any, BeforeValidator(clean_json)] = None
    error: Annotated[str, Field(min_length=1, max_length=16_384), BeforeValidator(clean_json)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if ("output" in self.model_fields_set) == ("error" in self.model_fields_set):
            raise ValueError("either output or error")
        if "error" in self.model_fields_set and self.error is None:
            raise ValueError("error: a text")
        return self


class ToolOutputs(RequestModel):
    """Answers to calls that wait."""

    outputs: Annotated[list[ToolOutput], Field(min_length=1, max_length=1000)]
