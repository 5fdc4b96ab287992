"""A provider's chunks, as much of them as is read. Fields that are not known are ignored.

`gc=False`: what a provider sends holds no cycles, and decoding is a quarter cheaper without tracking it.
Source: OpenAI's API reference, "The chat completion chunk object"; other names are those that servers use.
"""

from typing import Any

import msgspec


class FunctionDelta(msgspec.Struct, gc=False):
    """A piece of a call: its name, more of its arguments; some servers send those as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | list[Any] | None = None


class CallDelta(msgspec.Struct, gc=False):
    """A piece of one of `tool_calls`."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class MessageDelta(msgspec.Struct, gc=False):
    """What one chunk adds to the message. `reasoning_content` and `reasoning` are two names for one thing."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the alternatives; we ask for one and read one."""

    delta: MessageDelta | None = None
    finish_reason: str | None = None


class TokenCounts(msgspec.Struct, gc=False):
    """The provider's own count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, gc=False):
    """One `chat.completion.chunk`, as much of it as we read. `error` is what some servers send in its place."""

    choices: list[Choice] | None = None
    usage: TokenCounts | None = None
    error: Any = None
