"""A function call while it is streamed."""

from typing import Any

from chatkeep.llm.chunks import FunctionDelta
from chatkeep.llm.json_boundary import JsonBoundary

MAX_CALLS = 64
"""How many calls of an answer are read (docs/functions.md, "How a step continues")."""


class StreamedCall:
    """A function call, as far as it was streamed."""

    def __init__(self, provider_index: int | None) -> None:
        self.provider_index = provider_index
        self.provider_id = ""
        self.call_id = ""
        self.name = ""
        self.index: int | None = None  # of its part; None until it starts
        self.fragments: list[str] = []
        self.size = 0  # of the fragments, in characters
        self.extra_content: Any = None  # what the provider wants back with the call
        self._boundary = JsonBoundary()
        self._scanned = 0  # fragments that the boundary was fed

    @property
    def arguments_text(self) -> str:
        """The arguments so far, as the model sent them."""
        return "".join(self.fragments)

    def has_complete_arguments(self) -> bool:
        """Return True if the arguments so far are a whole JSON value.

        Some providers repeat the name in each piece, so this is asked for each. All text is looked at once.
        """
        while self._scanned < len(self.fragments):
            self._boundary.feed(self.fragments[self._scanned])
            self._scanned += 1
        return self._boundary.is_value(self.fragments)


def find_call(calls: list[StreamedCall], index: int | None, provider_id: str, function: FunctionDelta) -> StreamedCall:
    """Return the call that a piece belongs to: one of `calls`, or a new one, which is added to them.

    Of more than `MAX_CALLS` calls, one more is kept: it stands for all that follow.

    A piece belongs to a call by its provider's id, else by its index, else it continues the last call. A name begins
    a new call, unless it only repeats the name of a call whose arguments are not complete yet: some servers give all
    calls the same index or id, others repeat the name in every piece.
    """
    name = function.name or ""
    same_id = [call for call in calls if provider_id and call.provider_id == provider_id]
    same_index = [call for call in calls if index is not None and call.provider_index == index]
    if same_id and same_index:
        known = next((call for call in same_index if call in same_id), same_index[-1])
    elif same_id:
        known = None if index is not None and name else same_id[-1]
    elif same_index:
        known = same_index[-1]
    else:
        known = calls[-1] if index is None and calls and not provider_id else None
    if known is None or (name and _begins_call(known, provider_id, function)):
        if len(calls) > MAX_CALLS:
            return calls[-1]
        known = StreamedCall(index)
        calls.append(known)
    return known


def _begins_call(known: StreamedCall, provider_id: str, function: FunctionDelta) -> bool:
    """Return True if a piece with a name begins a new call, and does not belong to `known`."""
    if not known.name:
        return False
    if provider_id and known.provider_id and provider_id != known.provider_id:
        return True
    if provider_id and function.name == known.name and not function.arguments:
        return False  # some servers end a call by repeating its id and name, without arguments
    return function.name != known.name or (bool(known.fragments) and known.has_complete_arguments())
