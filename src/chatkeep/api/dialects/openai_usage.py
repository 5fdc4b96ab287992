"""The tokens of a run in the two forms of OpenAI's API."""

from typing import Any

from chatkeep.chat.types import Usage


def completion_usage(usage: Usage) -> dict[str, Any]:
    """Return `usage` of Chat Completions (`CompletionUsage` of OpenAI's SDKs)."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def response_usage(usage: Usage) -> dict[str, Any]:
    """Return `usage` of Responses (`ResponseUsage`). Tokens that were written to a cache are not counted here: 0."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
