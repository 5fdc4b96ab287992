"""Request bodies, checked by Pydantic; those that start a run are in `runs/request.py`."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Self, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chatkeep.chat.limits import MAX_LIMIT
from chatkeep.chat.people import Scope, UserRole
from chatkeep.chat.types import CallError
from chatkeep.errors import CallNotWaiting
from chatkeep.runs.request import Id, ModelName, RequestModel
from chatkeep.settings.models_file import ModelParams
from chatkeep.text import clean_json
from chatkeep.tools.execution import ToolResult
from chatkeep.tools.names import NAME_REGEX

Title: TypeAlias = Annotated[str, Field(max_length=200), BeforeValidator(clean_json)]
AssistantName: TypeAlias = Annotated[str, Field(pattern=NAME_REGEX)]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
    BeforeValidator(clean_json),
]


class Utf8Request(Request):
    """A request whose body is JSON in UTF-8 (RFC 8259 §8.1), and in no other encoding that Python would guess."""

    async def json(self) -> Any:
        """Return the body's value."""
        return json.loads((await self.body()).decode())


class JsonRoute(APIRoute):
    """A route that reads `Utf8Request`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that FastAPI calls."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(Utf8Request(request.scope, request.receive))

        return handle


MAX_INSTRUCTION_CHARS = 8_000


def _instructions(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    return text


Instructions: TypeAlias = Annotated[
    str, Field(max_length=MAX_INSTRUCTION_CHARS), BeforeValidator(clean_json), AfterValidator(_instructions)
]


class SessionOptions(RequestModel):
    """How answers of a session are made. They are the fields that a new session and a change have in common."""

    title: Title | None = None
    assistant: AssistantName | None = None
    model: ModelName | None = None
    metadata: Metadata | None = None
    params: ModelParams | None = None
    instructions: Instructions | None = None


class NewSession(SessionOptions):
    """A session to be made; every field may be left out."""

    id: Id | None = None
    temporary: bool = False


class SessionChange(SessionOptions):
    """The fields to change; one that is left out stays. `params` are replaced as a whole."""

    head_id: Id | None = None


class ToolOutput(RequestModel):
    """The result of a call: `output`, any JSON, or `error`, a text for the model."""

    call_id: Annotated[str, Field(min_length=1, max_length=128)]
    output: Annotated[Any, BeforeValidator(clean_json)] = None
    error: Annotated[str, Field(min_length=1, max_length=16_384), BeforeValidator(clean_json)] | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if ("output" in self.model_fields_set) == ("error" in self.model_fields_set):
            raise ValueError("either output or error")
        if "error" in self.model_fields_set and self.error is None:
            raise ValueError("error: a text")
        return self


class ToolOutputs(RequestModel):
    """Answers to calls that wait."""

    outputs: Annotated[list[ToolOutput], Field(min_length=1, max_length=1000)]

    def to_results(self) -> dict[str, ToolResult]:
        """Return the results by call id.

        Raises:
            CallNotWaiting: a call is answered twice.
        """
        results: dict[str, ToolResult] = {}
        for each in self.outputs:
            if each.call_id in results:
                raise CallNotWaiting(f"the call {each.call_id!r} is answered twice")
            error = None if each.error is None else CallError("tool_error", each.error)
            results[each.call_id] = ToolResult(each.output, error)
        return results


class NewTokenRequest(RequestModel):
    """A token to be made: its name, what it may do, and after how many days it is void; never, without them."""

    name: Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(clean_json)]
    scope: Scope = "chat"
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


LimitNumber: TypeAlias = Annotated[int, Field(ge=0, le=MAX_LIMIT)]


class LimitsChange(RequestModel):
    """Limits of a user; null: the setting's. A limit that is left out stays. The cost is in 10⁻⁹ of the currency."""

    open_runs: LimitNumber | None = None
    messages_hour: LimitNumber | None = None
    tokens_day: LimitNumber | None = None
    cost_day: LimitNumber | None = None


class UserChange(RequestModel):
    """The fields that an admin changes of a user; a field that is left out stays."""

    role: UserRole | None = None
    disabled: bool | None = None
    limits: LimitsChange | None = None
