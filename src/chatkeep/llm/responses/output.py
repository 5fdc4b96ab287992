"""Reads the items of a response: their texts, and function calls while they are streamed. Pure.

Any field may hold any JSON: what has another shape is read as missing.
"""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, cast

from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta
from chatkeep.llm.streamed_call import MAX_CALLS

Json: TypeAlias = dict[str, Any]
TextField: TypeAlias = Literal["content", "refusal", "reasoning"]
"""The field of `MessageDelta` that a text goes to."""

MAX_ID_CHARS = 512
"""The length of the longest id that is read, in characters."""
_PARTS: dict[str, tuple[TextField, str]] = {
    "output_text": ("content", "text"),
    "text": ("content", "text"),
    "refusal": ("refusal", "refusal"),
    "summary_text": ("reasoning", "text"),
    "reasoning_text": ("reasoning", "text"),
}
"""Types of the parts of an item: where their text goes, and the key under which it stands."""


def text_chunk(field: TextField, text: str) -> Chunk:
    """Return a chunk with a piece of text."""
    match field:
        case "content":
            return Chunk([Choice(MessageDelta(content=text))])
        case "refusal":
            return Chunk([Choice(MessageDelta(refusal=text))])
        case "reasoning":
            return Chunk([Choice(MessageDelta(reasoning=text))])


def item_texts(item: Json) -> Iterator[tuple[TextField, str]]:
    """Yield the texts of a message, or of reasoning: its summary, else what it sums up."""
    for key in ("summary", "content"):
        texts = list(_part_texts(item.get(key)))
        yield from texts
        if texts:
            return


def _part_texts(parts: Any) -> Iterator[tuple[TextField, str]]:
    for part in as_objects(parts):
        field, key = _PARTS.get(as_text(part.get("type")), (None, ""))
        if field is not None and (text := as_text(part.get(key))):
            yield field, text


class _Call:
    """A function call: what was streamed of it."""

    def __init__(self, number: int, output_index: int | None, item_id: str) -> None:
        self.number = number  # among the answer's calls
        self.output_index = output_index
        self.item_id = item_id
        self.call_id = ""
        self.has_name = False
        self.has_arguments = False
        self.is_done = False


class OutputCalls:
    """The function calls of an answer.

    Whatever names a call may be odd: some servers give each event another item id, or another `call_id`, some give all
    items one index. A call must not be taken for two, or it is run twice. So a whole item belongs to a call with its
    `call_id`, else with its item id, else to the newest at its index that is not done. Only an item that was added, or
    of which nothing came, is a new call.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        """Return True if there are any."""
        return bool(self._calls)

    def begin(self, output_index: int | None, item: Json) -> list[Chunk]:
        """Return the chunks of an item of type `function_call` that was added."""
        call = self._find_by_id("call_id", as_id(item.get("call_id")))
        return self._tell(call or self._add(output_index, as_id(item.get("id"))), item)

    def add_arguments(
        self, output_index: int | None, item_id: str, text: str, *, is_whole: bool = False
    ) -> list[Chunk]:
        """Return the chunks of a piece of a call's arguments; of whole ones only if no piece came before."""
        call = self._find_by_id("item_id", item_id) or self._find_open(output_index) or self._add(output_index, item_id)
        return [] if not text or (is_whole and call.has_arguments) else _argument_chunks(call, text)

    def complete(self, output_index: int | None, item: Json) -> list[Chunk]:
        """Return the chunks of what was not streamed of an item of type `function_call` that is done."""
        known = self._find_known(item) or self._find_open(output_index)
        call = known or self._add(output_index, as_id(item.get("id")))
        call.is_done = True
        return self._fill(call, item)

    def complete_known(self, item: Json) -> list[Chunk]:
        """Return the same of an item that repeats one of the calls; nothing if it is not known which."""
        call = self._find_known(item)
        return self._fill(call, item) if call is not None else []

    def _find_known(self, item: Json) -> _Call | None:
        return self._find_by_id("call_id", as_id(item.get("call_id"))) or self._find_by_id(
            "item_id", as_id(item.get("id"))
        )

    def _find_by_id(self, name: Literal["call_id", "item_id"], value: str) -> _Call | None:
        return next((call for call in reversed(self._calls) if value and getattr(call, name) == value), None)

    def _find_open(self, output_index: int | None) -> _Call | None:
        """Return the newest call at `output_index` (None: at any) that is not done."""
        calls = [call for call in self._calls if not call.is_done]
        return next((call for call in reversed(calls) if output_index in (None, call.output_index)), None)

    def _add(self, output_index: int | None, item_id: str) -> _Call:
        """Return a new call. Of more than `MAX_CALLS`, one more is kept: it stands for all that follow."""
        if len(self._calls) > MAX_CALLS:
            return self._calls[-1]
        self._calls.append(_Call(len(self._calls), output_index, item_id))
        return self._calls[-1]

    def _fill(self, call: _Call, item: Json) -> list[Chunk]:
        arguments = item.get("arguments")
        if call.has_arguments or not arguments or not isinstance(arguments, (str, dict, list)):
            return self._tell(call, item)
        return self._tell(call, item) + _argument_chunks(call, cast("str | Json | list[Any]", arguments))

    def _tell(self, call: _Call, item: Json) -> list[Chunk]:
        """Return the chunk of the id and name of `call`, as far as they are new."""
        call_id = "" if call.call_id else as_id(item.get("call_id"))
        name = "" if call.has_name else as_text(item.get("name"))
        call.call_id, call.has_name = call.call_id or call_id, call.has_name or bool(name)
        if not call_id and not name:
            return []
        return [_call_chunk(CallDelta(call.number, call_id or None, FunctionDelta(name or None)))]


def as_text(value: Any) -> str:
    """Return a text, or an empty one for any other value."""
    return value if isinstance(value, str) else ""


def as_id(value: Any) -> str:
    """Return an id, or an empty text for any other value. A longer one is no id: it would only be held in memory."""
    return value if isinstance(value, str) and len(value) <= MAX_ID_CHARS else ""


def as_index(value: Any) -> int | None:
    """Return an index, None for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_object(value: Any) -> Json:
    """Return an object, an empty one for any other value."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[Json]:
    """Return the objects in a list, none for any other value."""
    return [each for each in cast("list[Any]", value) if isinstance(each, dict)] if isinstance(value, list) else []


def _argument_chunks(call: _Call, arguments: str | Json | list[Any]) -> list[Chunk]:
    call.has_arguments = True
    return [_call_chunk(CallDelta(call.number, None, FunctionDelta(None, arguments)))]


def _call_chunk(piece: CallDelta) -> Chunk:
    return Chunk([Choice(MessageDelta(tool_calls=[piece]))])
