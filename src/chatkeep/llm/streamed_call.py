"""A function call while it is streamed."""

from chatkeep.llm.json_boundary import JsonBoundary


class StreamedCall:
    """A function call, as far as it was streamed."""

    def __init__(self, provider_index: int | None) -> None:
        self.provider_index = provider_index
        self.provider_id = ""
        self.call_id = ""
        self.name = ""
        self.index: int | None = None  # of its part; None until it starts
        self.fragments: list[str] = []
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
