"""Reads the error of a provider from any JSON. Pure.

There is no common form. Seen are `{"error": {…}}` (OpenAI), a list of such (Gemini), `{"type": "error", "error": {…}}`
(Anthropic), `{"error": "text"}` (Ollama), `{"message": …, "__type": …}` (Bedrock), `{"detail": [{"msg": …}]}`
(FastAPI), and plain text (proxies). So the shape is not asked for: the error is followed inward, and the innermost
words count, with the codes of all levels.
"""

from typing import Any, NamedTuple, cast

_INNER = ("error", "errors", "fault", "detail")
"""Keys under which the error itself may stand, as an object, a list or a text."""
_WORDS = ("message", "msg", "detail", "error_description")
_KINDS = ("type", "__type", "code", "status", "reason", "error_code")
_MAX_DEPTH = 8


class ProviderError(NamedTuple):
    """An error as a provider describes it.

    `message` is empty if it has no words. `kinds` are its types, codes and statuses, in one text. `status` is the HTTP
    status that stands among them.
    """

    message: str
    kinds: str
    status: int | None


def read_error(body: Any) -> ProviderError:
    """Return the error that `body`, decoded JSON or a text, describes."""
    message, kinds = "", list[str]()
    for _ in range(_MAX_DEPTH):
        if isinstance(body, list):
            body = next(iter(cast("list[Any]", body)), None)
        if not isinstance(body, dict):
            break
        fields = cast("dict[str, Any]", body)
        kinds += [str(fields[name]) for name in _KINDS if isinstance(fields.get(name), (str, int))]
        message = next((str(fields[name]) for name in _WORDS if _is_text(fields.get(name))), message)
        body = next((fields[name] for name in _INNER if fields.get(name)), None)
    if _is_text(body):
        message = str(body)
    statuses = (int(kind) for kind in kinds if len(kind) == 3 and kind.isascii() and kind.isdecimal())
    return ProviderError(message.strip(), " ".join(kinds), next((each for each in statuses if each >= 400), None))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
