"""The body of `POST /v1/responses`: which fields it has, and what each means here.

A field that is not listed is refused, and so is a value that asks for what is not there. Those in `_IGNORED` change
nothing in what is answered, and their clients send them as a matter of course.
"""

from typing import Any, Literal

import msgspec

from chatkeep.api.dialects.bodies import decode_small, validated
from chatkeep.api.dialects.responses_items import FORMAT_PREFIX
from chatkeep.api.requests import SessionOptions
from chatkeep.errors import InvalidRequest
from chatkeep.tools.names import MAX_NAME_CHARS

_NULL = msgspec.Raw(b"null")
_CALL_ME = "Give your answer by calling this function, with nothing beside the call."
"""The description of the function that stands for `text.format`, before the client's own."""


class FunctionTool(msgspec.Struct):
    """A tool: only functions are known."""

    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class TextFormat(msgspec.Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class TextOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How the answer is written."""

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class ReasoningOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How much the model thinks. The summary is what the provider sends."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class ConversationRef(msgspec.Struct, forbid_unknown_fields=True):
    """A conversation by its id."""

    id: str


class ResponseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for a response."""

    input: msgspec.Raw = _NULL
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationRef | None = None
    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    metadata: msgspec.Raw = _NULL
    tools: msgspec.Raw = _NULL
    tool_choice: msgspec.Raw = _NULL
    text: msgspec.Raw = _NULL
    reasoning: ReasoningOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: Literal[0] | None = None
    max_tool_calls: None = None
    prompt: None = None
    include: list[str] | None = None
    stream_options: msgspec.Raw = _NULL
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for penalties, which cannot be done here; none of them may be said as 0.0, too."""
        for name in ("presence_penalty", "frequency_penalty"):
            if getattr(self, name):
                raise ValueError(f"{name}: it cannot be done here")

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation, if the response belongs to one."""
        return self.conversation.id if isinstance(self.conversation, ConversationRef) else self.conversation


def find_tools(body: ResponseBody) -> list[FunctionTool]:
    """Return the client's functions.

    Raises:
        InvalidRequest: one is a tool of another kind.
    """
    tools: list[FunctionTool] = decode_small("tools", body.tools, list[FunctionTool] | None) or []
    for at, each in enumerate(tools):
        if each.type != "function":
            raise InvalidRequest(f"tools[{at}].type: {each.type!r} is not known here; functions are")
    return tools


def find_format(body: ResponseBody) -> TextFormat | None:
    """Return the form that the answer has to have; None for text."""
    text: TextOptions | None = decode_small("text", body.text, TextOptions | None)
    form = text.format if text else None
    if form is not None and form.type == "json_schema" and (not form.name or form.schema is None):
        raise InvalidRequest("text.format: a json_schema has a name and a schema")
    return None if form is None or form.type == "text" else form


def answer_options(body: ResponseBody) -> dict[str, Any]:
    """Return the fields of our own API that say how to answer: functions, the choice among them, parameters.

    Raises:
        InvalidRequest: a field asks for what is not there.
    """
    tools, form = find_tools(body), find_format(body)
    choice = _tool_choice(body)
    offered = [_to_client_tool(each) for each in tools]
    if form is not None:
        reply = _to_reply(form)
        offered.append(reply)
        if choice in (None, "auto", "none"):
            choice = "required" if tools and choice != "none" else {"name": reply["name"]}
    effort = body.reasoning.effort if body.reasoning else None
    params = {
        "temperature": body.temperature,
        "top_p": body.top_p,
        "max_output_tokens": body.max_output_tokens,
        "reasoning_effort": effort,
        "parallel_tool_calls": body.parallel_tool_calls,
    }
    given = {name: value for name, value in params.items() if value is not None}
    return {"tools": offered, **({"tool_choice": choice} if choice else {}), **({"params": given} if given else {})}


def noted_fields(body: ResponseBody) -> dict[str, Any]:
    """Return the fields of the request that its response repeats, without those that have their usual values.

    Raises:
        InvalidRequest, RequestValidationError: one is not valid.
    """
    form, reasoning = find_format(body), body.reasoning
    fields: dict[str, Any] = {
        "model": body.model,
        "instructions": body.instructions,
        "tools": [msgspec.to_builtins(each) for each in find_tools(body)] or None,
        "tool_choice": decode_small("tool_choice", body.tool_choice),
        "text": {"format": _format_fields(form)} if form else None,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "max_output_tokens": body.max_output_tokens,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary} if reasoning else None,
        "truncation": body.truncation,
        "parallel_tool_calls": body.parallel_tool_calls,
        "store": False if body.store is False else None,
        "background": True if body.background else None,
        "metadata": metadata_of(body.metadata) or None,
        "safety_identifier": body.safety_identifier,
        "prompt_cache_key": body.prompt_cache_key,
    }
    return {name: value for name, value in fields.items() if value is not None}


def metadata_of(raw: msgspec.Raw) -> dict[str, str] | None:
    """Return `metadata`, checked as that of our sessions. A value that is no text is refused.

    Raises:
        RequestValidationError: it is not valid.
    """
    return validated(SessionOptions, {"metadata": decode_small("metadata", raw)}).metadata


def _format_fields(form: TextFormat) -> dict[str, Any]:
    if form.type == "json_object":
        return {"type": form.type}
    return {
        "type": form.type,
        "name": form.name,
        "description": form.description,
        "schema": form.schema,
        "strict": bool(form.strict),
    }


def _tool_choice(body: ResponseBody) -> str | dict[str, Any] | None:
    choice: Any = decode_small("tool_choice", body.tool_choice)
    match choice:
        case None | "auto" | "none" | "required":
            return choice
        case {"type": "function", "name": str(name)}:
            return {"name": name}
        case _:
            raise InvalidRequest("tool_choice: auto, none, required, or a function by its name")


def _to_client_tool(tool: FunctionTool) -> dict[str, Any]:
    parameters: dict[str, Any] = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    return {"name": tool.name, "description": tool.description or tool.name, "parameters": parameters}


def _to_reply(form: TextFormat) -> dict[str, Any]:
    name = f"{FORMAT_PREFIX}{form.name or form.type}"[:MAX_NAME_CHARS]
    description = f"{_CALL_ME} {form.description or ''}".strip()
    return {"name": name, "description": description, "parameters": form.schema or {"type": "object"}, "kind": "reply"}
