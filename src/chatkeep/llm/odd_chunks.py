"""Makes chunks readable whose auxiliary fields have another shape than OpenAI's. Pure.

A token count, an id or a finish reason must not decide over the answer beside it. What can be read is read; what
cannot is left out. Only chunks that strict decoding refuses come here, so the usual chunk pays nothing.
"""

from typing import Any, cast

from chatkeep.llm.chunks import MAX_TOKENS

Json = dict[str, Any]
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "prompt_cache_hit_tokens")
_DETAILS = {"prompt_tokens_details": "cached_tokens", "completion_tokens_details": "reasoning_tokens"}


def make_readable(chunk: Any) -> Any:
    """Return a decoded chunk with the shapes of `chunks.Chunk`, as far as they can be told. It is changed in place.

    A field that carries the answer itself stays, whatever its shape: then the chunk is not understood.
    """
    if not isinstance(chunk, dict):
        return chunk
    fields = cast("Json", chunk)
    if "usage" in fields:
        fields["usage"] = _read_usage(fields["usage"])
    fields["choices"] = _as_list(fields.get("choices"))
    for choice in _objects(fields["choices"]):
        choice["index"] = _read_integer(choice.get("index"))
        choice["finish_reason"] = _read_text(choice.get("finish_reason"))
        for name in ("delta", "message"):
            if isinstance(choice.get(name), dict):
                _read_delta(choice[name])
    return fields


def _read_delta(delta: Json) -> None:
    delta["content"] = _as_list(delta.get("content"))
    for name in ("refusal", "reasoning_content"):
        delta[name] = delta.get(name) if isinstance(delta.get(name), str) else None
    delta["tool_calls"] = _as_list(delta.get("tool_calls"))
    for call in _objects(delta["tool_calls"]):
        call["id"] = _read_text(call.get("id"))
        call["index"] = _read_integer(call.get("index"))
        _read_function(call.get("function"))
    _read_function(delta.get("function_call"))


def _read_function(function: Any) -> None:
    if isinstance(function, dict):
        fields = cast("Json", function)
        fields["name"] = _read_text(fields.get("name"))


def _read_usage(usage: Any) -> Json | None:
    if not isinstance(usage, dict):
        return None
    fields = cast("Json", usage)
    read: Json = {name: count for name in _COUNTS if (count := read_count(fields.get(name))) is not None}
    for name, part in _DETAILS.items():
        if isinstance(details := fields.get(name), dict):
            read[name] = {part: read_count(cast("Json", details).get(part))}
    return read


def read_count(value: Any) -> int | None:
    """Return a number of tokens, also one that came as a text; None if it is none that is believed."""
    count = _read_integer(value)
    return count if count is not None and 0 <= count <= MAX_TOKENS else None


def _read_integer(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_TOKENS)):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_text(value: Any) -> str | None:
    """Return a text, or a number as one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _as_list(value: Any) -> Any:
    """Return one object as a list of it."""
    return [value] if isinstance(value, dict) else value


def _objects(value: Any) -> list[Json]:
    return [each for each in cast("list[Any]", value) if isinstance(each, dict)] if isinstance(value, list) else []
