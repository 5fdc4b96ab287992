"""Builds the request of the Responses API from a prompt, whose messages have the form of Chat Completions. Pure.

    system         instructions
    user           {"role": "user", "content": "…"}, or a list of `input_text`, `input_image`, `input_audio`,
                   `input_file`
    assistant      {"type": "reasoning", …}          what the model thought before its calls, as it came
                   {"role": "assistant", "content": "…"}
                   {"type": "function_call", …}
    tool           {"type": "function_call_output", …}

1. Nothing is stored at the provider (`store: false`), so no item has an `id`: OpenAI looks the id of an item up, and
   refuses one that it has not stored ("Item with id 'rs_…' not found").
2. Reasoning goes back as `encrypted_content`, which is asked for with `include`, or as its text, where it is open.
3. `strict` is always said: without it, OpenAI makes a function's schema strict, and all its fields required.
Sources: OpenAI's API reference, "Create a response"; its guides "Conversation state" and "Function calling".
"""

from collections.abc import Collection, Iterable
from typing import Any

from chatkeep.llm import Prompt
from chatkeep.llm.responses.output import Json, as_objects
from chatkeep.settings.models_file import NOT_IN_RESPONSES

_OTHER_PARAMS = ("reasoning_effort", *NOT_IN_RESPONSES)
"""Parameters that this API has in another form, or not at all."""
REASONING_KEYS = ("type", "summary", "encrypted_content", "content")
"""The keys of a reasoning item that go back."""


def responses_request(prompt: Prompt, refused: Collection[str] = ()) -> Json:
    """Return the body of the request for the answer to `prompt`, without the fields in `refused`."""
    request: Json = {
        "model": prompt.model,
        "input": [item for message in prompt.messages for item in _input_items(message)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if instructions := _instructions(prompt.messages):
        request["instructions"] = instructions
    if prompt.tools:
        request["tools"] = [_flat_tool(tool, has_strict="strict" not in refused) for tool in prompt.tools]
    request |= {name: value for name, value in prompt.params.items() if value is not None and name not in _OTHER_PARAMS}
    if not prompt.tools:
        request.pop("parallel_tool_calls", None)  # refused without functions
    if isinstance(choice := request.get("tool_choice"), dict):
        request["tool_choice"] = {"type": "function", **choice}
    if effort := prompt.params.get("reasoning_effort"):
        request["reasoning"] = {"effort": effort}
    return {name: value for name, value in request.items() if name not in refused}


def reasoning_item(item: Json) -> Json | None:
    """Return an item of type `reasoning` as it goes back; None if there is nothing in it that a model could read."""
    if not item.get("encrypted_content") and not item.get("content"):
        return None
    kept = {key: item[key] for key in REASONING_KEYS if item.get(key)}
    return {**kept, "summary": item["summary"] if isinstance(item.get("summary"), list) else []}


def _instructions(messages: Iterable[Json]) -> str:
    return "\n\n".join(message["content"] for message in messages if message["role"] == "system")


def _input_items(message: Json) -> list[Json]:
    """Return `message`, in the form of Chat Completions, as items of an input."""
    match message["role"]:
        case "system":
            return []
        case "tool":
            return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}]
        case role:
            items = _reasoning_items(message.get("reasoning_details"))
            if message["content"]:
                items.append({"role": role, "content": _content(message["content"])})
            return items + [_call_item(call) for call in message.get("tool_calls", ())]


def _content(content: Any) -> Any:
    """Return a content as this API has it: a text as it is, a list with its own names of parts."""
    return [_content_part(part) for part in as_objects(content)] if isinstance(content, list) else content


def _content_part(part: Json) -> Json:
    if part["type"] == "image_url":
        return {"type": "input_image", "image_url": part["image_url"]["url"]}
    if part["type"] == "input_audio":
        return part
    if part["type"] == "file":
        return {"type": "input_file", **part["file"]}
    return {"type": "input_text", "text": part["text"]}


def _reasoning_items(details: Any) -> list[Json]:
    """Return the reasoning that the provider's `ResponsesParser` kept."""
    found = [reasoning_item(item) for item in as_objects(details) if item.get("type") == "reasoning"]
    return [item for item in found if item is not None]


def _call_item(call: Json) -> Json:
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
    }


def _flat_tool(tool: Json, *, has_strict: bool) -> Json:
    """Return the definition of a function in this API's form. `has_strict`: the provider takes the key."""
    flat: Json = {"type": "function", "strict": False, **tool["function"]}
    return flat if has_strict else {key: value for key, value in flat.items() if key != "strict"}
