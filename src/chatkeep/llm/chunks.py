"""The chunks of a provider's answer: the fields that are read. Others are ignored when a chunk is decoded.

`gc=False` keeps chunks from the garbage collector. JSON has no cycles, and without tracking decoding takes a quarter
less time.
Source: OpenAI's API reference, "The chat completion chunk object". Fields that it lacks are those of other servers.
"""

from typing import Annotated, Any, TypeAlias

import msgspec

MAX_TOKENS = 2**53
"""The largest token count that is believed: up to it, any reader of JSON is exact (RFC 8259, section 6)."""
TokenCount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
"""A number of tokens, as a provider counts them."""


class FunctionDelta(msgspec.Struct, gc=False):
    """A piece of a function call: its name, more of its arguments. Some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | list[Any] | None = None


class CallDelta(msgspec.Struct, gc=False):
    """A piece of one call in `tool_calls`. `extra_content` is opaque: Gemini wants it back."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    extra_content: Any = None


class MessageDelta(msgspec.Struct, gc=False):
    """The pieces that a chunk adds to the message. `reasoning_content` and `reasoning` are two names for one thing.

    `extra_content` (Gemini) and `reasoning_details` (OpenRouter) are opaque: the provider wants them back.
    """

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None
    extra_content: Any = None
    reasoning_details: Any = None


class Choice(msgspec.Struct, gc=False):
    """One alternative of the answer. We ask for one; some gateways spread one answer over several.

    Some servers send a whole `message` in place of pieces, and say by `error` why the answer ends here.
    """

    delta: MessageDelta | None = None
    finish_reason: str | None = None
    index: int | None = None
    message: MessageDelta | None = None
    error: Any = None


class InputDetails(msgspec.Struct, gc=False):
    """Of the tokens of a prompt: those that were cached."""

    cached_tokens: TokenCount | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """Of the tokens of an answer: those of the reasoning."""

    reasoning_tokens: TokenCount | None = None


class TokenCounts(msgspec.Struct, gc=False):
    """The usage in tokens, as the provider counts it.

    `cached_tokens` stands in Moonshot's reference, `prompt_cache_hit_tokens` in DeepSeek's.
    """

    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    total_tokens: TokenCount | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    cached_tokens: TokenCount | None = None
    prompt_cache_hit_tokens: TokenCount | None = None

    @property
    def cached(self) -> int:
        """How many tokens of the prompt were cached; 0 if the provider does not say."""
        details = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None
        return details or self.prompt_cache_hit_tokens or self.cached_tokens or 0

    @property
    def reasoning(self) -> int:
        """How many tokens of the answer are reasoning; 0 if the provider does not say."""
        return (self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens) or 0


class Chunk(msgspec.Struct, gc=False):
    """One `chat.completion.chunk`. Some servers send an `error` in its place."""

    choices: list[Choice] | None = None
    usage: TokenCounts | None = None
    error: Any = None


def text_only(chunk: Chunk) -> str | None:
    """Return the text of `chunk`, or None if it holds anything else."""
    if chunk.usage is not None or chunk.choices is None or len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if delta is None or choice.finish_reason or choice.index or not isinstance(delta.content, str):
        return None
    return delta.content if delta == MessageDelta(content=delta.content) else None
