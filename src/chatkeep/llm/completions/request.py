"""Builds the request of the Chat Completions API. Pure.

The longest answer is sent as `max_completion_tokens` (OpenAI's reference; `max_tokens` is deprecated there, and refused
for its reasoning models). A server that refuses it, or for which it is omitted, gets `max_tokens`.

Source: OpenAI's API reference, "Create chat completion".
"""

from collections.abc import Collection
from typing import Any

from chatkeep.llm import Prompt

_FIELDS = {"max_output_tokens": "max_completion_tokens"}
"""The names of parameters where those of the API differ."""


def completions_request(prompt: Prompt, refused: Collection[str] = ()) -> dict[str, Any]:
    """Return the body of the request for the answer to `prompt`, without the fields in `refused`."""
    request: dict[str, Any] = {
        "model": prompt.model,
        "messages": prompt.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.tools:
        request["tools"] = [_without_strict(tool) for tool in prompt.tools] if "strict" in refused else prompt.tools
    request |= {_FIELDS.get(name, name): value for name, value in prompt.params.items() if value is not None}
    if not prompt.tools:
        request.pop("parallel_tool_calls", None)  # refused without functions
    if isinstance(choice := request.get("tool_choice"), dict):
        request["tool_choice"] = {"type": "function", "function": choice}
    if "max_completion_tokens" in refused and "max_completion_tokens" in request:
        request["max_tokens"] = request["max_completion_tokens"]
    return {name: value for name, value in request.items() if name not in refused}


def _without_strict(tool: dict[str, Any]) -> dict[str, Any]:
    return {**tool, "function": {key: value for key, value in tool["function"].items() if key != "strict"}}
