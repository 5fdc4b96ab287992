"""Requests of Chat Completions, in the terms of our own API.

Unknown fields are refused, as OpenAI does: a field that is silently left out would change the answer.
Source: OpenAI's API reference, "Create chat completion".
"""

from typing import Annotated, Any, Literal

import msgspec

from chatkeep.api.dialects.attachments import FileParts, settle_messages, to_content
from chatkeep.api.dialects.bodies import decode_small, validated
from chatkeep.api.dialects.completions_messages import ClientMessage, History
from chatkeep.errors import InvalidRequest
from chatkeep.runs.request import ClientTurn

_NULL = msgspec.Raw(b"null")
_PARAMS = ("temperature", "top_p", "stop", "seed", "reasoning_effort", "parallel_tool_calls")
_UNREADABLE = (
    "audio", "logit_bias", "prediction", "web_search_options", "functions", "function_call", "moderation",
)  # fmt: skip
"""Fields that mean something to OpenAI, and nothing here."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "top_logprobs": (0,), "frequency_penalty": (0,), "presence_penalty": (0,),
    "verbosity": ("medium",), "modalities": (["text"],),
}  # fmt: skip
"""Fields that are refused unless they have one of these values, which say nothing."""
JSON_NAME = "json_answer"
"""The function that stands for an answer in JSON without a schema."""


class StreamOptions(msgspec.Struct):
    """Options of a stream."""

    include_usage: bool | None = None


class ToolFunction(msgspec.Struct):
    """A function of the client. `strict` is not read: arguments always fit the schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class CompletionTool(msgspec.Struct):
    """A tool of the client."""

    type: str
    function: ToolFunction | None = None


class JsonSchema(msgspec.Struct):
    """The form of an answer."""

    name: str
    schema: dict[str, Any] | None = None
    description: str | None = None


class ResponseFormat(msgspec.Struct):
    """The form that the client wants the answer to have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChosenFunction(msgspec.Struct):
    """A function by its name."""

    name: str


class ToolChoice(msgspec.Struct):
    """The function that the model has to call."""

    type: Literal["function"]
    function: ChosenFunction


class CompletionBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/chat/completions`. What stands after `store` counts for nothing, or is refused."""

    model: str
    messages: Annotated[list[ClientMessage], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: msgspec.Raw = _NULL
    tool_choice: msgspec.Raw = _NULL
    parallel_tool_calls: bool | None = None
    response_format: msgspec.Raw = _NULL
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: msgspec.Raw = _NULL
    logit_bias: msgspec.Raw = _NULL
    prediction: msgspec.Raw = _NULL
    web_search_options: msgspec.Raw = _NULL
    functions: msgspec.Raw = _NULL
    function_call: msgspec.Raw = _NULL
    moderation: msgspec.Raw = _NULL

    @property
    def has_usage(self) -> bool:
        """True if the stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage is True


def to_turn(
    body: CompletionBody, history: History, files: FileParts, model: str | None
) -> tuple[ClientTurn, str | None]:
    """Return the turn that the request asks for, by `model`; and the function that stands for its `response_format`.

    Raises:
        InvalidRequest, RequestValidationError: something cannot be done, or is not valid.
    """
    _refuse_unreadable(body)
    reply = _reply(body)
    tools: list[CompletionTool] = decode_small("tools", body.tools, list[CompletionTool] | None) or []
    offered = [_to_tool(place, each) for place, each in enumerate(tools)]
    fields: dict[str, Any] = {
        "content": to_content(history.messages[-1].parts, files),
        "earlier": settle_messages(history.messages[:-1], files),
        "begun": history.begun,
        "instructions": history.instructions,
        "takes_calls": True,
        "tools": [*offered, *([reply] if reply else [])],
        "params": _params(body),
    }
    if model is not None:
        fields["model"] = model
    if choice := _tool_choice(body, reply["name"] if reply else None, has_tools=bool(offered)):
        fields["tool_choice"] = choice
    return validated(ClientTurn, fields), reply["name"] if reply else None


def _refuse_unreadable(body: CompletionBody) -> None:
    for name, values in _NEUTRAL.items():
        value = getattr(body, name)
        if value is not None and value not in values:
            raise InvalidRequest(f"{name}: {value!r} cannot be done here")
    for name in _UNREADABLE:
        if bytes(getattr(body, name)) not in (b"null", b"{}", b"[]"):
            raise InvalidRequest(f"{name}: there is no such thing here")


def _params(body: CompletionBody) -> dict[str, Any]:
    limit = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    params = {"max_output_tokens": limit, **{name: getattr(body, name) for name in _PARAMS}}
    return {name: value for name, value in params.items() if value is not None}


def _to_tool(place: int, tool: CompletionTool) -> dict[str, Any]:
    """Return a client's function as our own API takes it; one without a description is described by its name."""
    function = tool.function
    if tool.type != "function" or function is None:
        raise InvalidRequest(f"tools.{place}: tools of the type {tool.type[:40]!r} cannot be used; functions alone can")
    parameters = function.parameters or {"type": "object", "properties": {}}
    return {"name": function.name, "description": function.description or function.name, "parameters": parameters}


def _reply(body: CompletionBody) -> dict[str, Any] | None:
    """Return the `response_format` as a function whose arguments are the answer; None if it is text."""
    form: ResponseFormat | None = decode_small("response_format", body.response_format, ResponseFormat | None)
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return _reply_tool(JSON_NAME, None, {"type": "object"})
    if form.json_schema is None or form.json_schema.schema is None:
        raise InvalidRequest("response_format.json_schema: its name and schema are missing")
    return _reply_tool(form.json_schema.name, form.json_schema.description, form.json_schema.schema)


def _reply_tool(name: str, description: str | None, schema: dict[str, Any]) -> dict[str, Any]:
    text = description or "Gives the answer in the form that is wanted."
    return {"name": name, "description": text, "parameters": schema, "kind": "reply"}


def _tool_choice(body: CompletionBody, reply: str | None, *, has_tools: bool) -> str | dict[str, str] | None:
    """Return the choice of a function. With a form for the answer, the model calls that one or a tool."""
    choice: str | ToolChoice | None = decode_small("tool_choice", body.tool_choice, str | ToolChoice | None)
    if isinstance(choice, ToolChoice):
        return {"name": choice.function.name}
    if reply is not None:
        return {"name": reply} if choice == "none" or not has_tools else "required"
    return choice
