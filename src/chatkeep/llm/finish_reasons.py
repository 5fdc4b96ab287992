"""Finish reasons: the few that say an answer is whole. Pure."""

_DONE = frozenset({
    "stop", "tool_calls", "function_call",  # OpenAI
    "end_turn", "stop_sequence", "tool_use",  # Anthropic
    "eos", "eos_token",  # Mistral, Together, Text Generation Inference
    "complete", "completed", "tool_call",  # Cohere, Responses API
})  # fmt: skip


def is_done(reason: str | None) -> bool:
    """Return True if the finish reason `reason` says that the model had said all, in one provider's words or another's.

    The list is closed: providers have ever new words for an answer that was cut (`MAX_TOKENS`, `SAFETY`, `error`,
    `model_length`), and an unknown one must not pass for a whole answer. None is a stream without a reason.
    """
    return reason is not None and reason.lower().replace("-", "_").removeprefix("finish_reason_") in _DONE
