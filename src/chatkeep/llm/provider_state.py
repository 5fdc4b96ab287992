"""Gathers what a provider wants back with the parts of a step (`ProviderState`). Pure.

Gemini refuses a call whose thought signature is missing, DeepSeek one without the reasoning before it, both with 400,
for the rest of the session (Gemini API, "Thought signatures"; DeepSeek API, "Thinking mode", tool calls; OpenRouter,
"Preserving reasoning").
"""

from typing import Any, Literal, TypeAlias, cast

import msgspec

from chatkeep.text import clean_json

MAX_STATE_BYTES = 65_536
"""The most that is kept of one step, in bytes of JSON. More is left out: it may be anything."""

ReasoningField: TypeAlias = Literal["reasoning_content", "reasoning"]
_JOINED = ("text", "summary")
"""Keys of a reasoning detail whose texts are streamed in pieces."""


class StateCollector:
    """The states of one step, by the index of their part."""

    __slots__ = ("_details", "_details_size", "_reasoning_field", "_reasoning_index", "_states")

    def __init__(self) -> None:
        self._states: dict[int, dict[str, Any]] = {}
        self._details: list[dict[str, Any]] = []
        self._details_size = 0
        self._reasoning_field: ReasoningField | None = None
        self._reasoning_index: int | None = None

    def add(self, index: int, fields: dict[str, Any]) -> None:
        """Add the opaque `fields` that came with a piece of the part at `index`. Later ones replace earlier ones."""
        self._states.setdefault(index, {}).update(fields)

    def add_reasoning(self, field: ReasoningField, index: int) -> None:
        """Note the name under which the reasoning of the part at `index` came."""
        self._reasoning_field, self._reasoning_index = field, index

    def add_details(self, details: Any) -> None:
        """Add a piece of `reasoning_details`: items, of which some continue the last one."""
        for detail in cast("list[Any]", details) if isinstance(details, list) else ():
            if not isinstance(detail, dict) or not self._has_room(detail):
                continue
            item, last = cast("dict[str, Any]", detail), self._details[-1] if self._details else {}
            key = next(
                (key for key in _JOINED if isinstance(item.get(key), str) and isinstance(last.get(key), str)), ""
            )
            if key and all(last.get(name) == item.get(name) for name in ("type", "index")):
                text = last[key] + item[key]
                last.update({**item, key: text})
            else:
                self._details.append(dict(item))

    def _has_room(self, detail: Any) -> bool:
        """Count `detail`; return False, and let go of all, once there is too much: a part of them is worth nothing."""
        self._details_size += len(str(detail))
        if self._details_size > MAX_STATE_BYTES:
            self._details.clear()
        return self._details_size <= MAX_STATE_BYTES

    def finish(self, next_index: int, *, has_calls: bool) -> list[tuple[int, dict[str, Any]]]:
        """Return the states with the index of their part; `next_index` is that of a part which is not there yet.

        Reasoning is wanted back only with calls (`has_calls`): providers let go of it once the answer is there.
        """
        reasoning: dict[str, Any] = {"reasoning_details": self._details} if self._details else {}
        if self._reasoning_field is not None:
            reasoning[self._reasoning_field] = None
        if has_calls and reasoning:
            self.add(next_index if self._reasoning_index is None else self._reasoning_index, reasoning)
        kept: list[tuple[int, dict[str, Any]]] = []
        size = 0
        for index, fields in sorted(self._states.items()):
            state = _make_storable(fields)
            size += MAX_STATE_BYTES + 1 if state is None else len(msgspec.json.encode(state))
            if state is not None and size <= MAX_STATE_BYTES:
                kept.append((index, state))
        return kept


def _make_storable(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return `fields` as they can be stored and read again; None if they cannot."""
    try:
        state: dict[str, Any] = clean_json(fields)
        return state if msgspec.json.decode(msgspec.json.encode(state)) == state else None
    except (ValueError, OverflowError, RecursionError):
        return None
