"""Takes the beginning of an answer out of its continuation, where a model that was asked to go on repeats it. Pure.

    begun      "To get to the"
    continued  "To get to the other side."   →  " other side."
    continued  " other side."                →  " other side."
    continued  "To be sure"                  →  "To be sure"

Only the whole beginning is taken out. A shorter overlap may be the model's intention: "no, " goes on with "no, never".
"""


class RepeatTrimmer:
    """Trims one text. `feed` it each piece, then `finish` it. `is_plain`: every further piece stays as it is."""

    __slots__ = ("_begun", "_matched", "is_plain")

    def __init__(self, begun: str) -> None:
        """`begun` is what the continuation may repeat; if it is empty, nothing is trimmed."""
        self._begun = begun
        self._matched = 0  # characters of `begun` that came again, and are held back
        self.is_plain = not begun

    def feed(self, piece: str) -> str:
        """Return the text that `piece` completes."""
        if self.is_plain:
            return piece
        if self._begun.startswith(piece, self._matched) and self._matched + len(piece) < len(self._begun):
            self._matched += len(piece)
            return ""
        self.is_plain = True
        rest = self._begun[self._matched :]
        if piece.startswith(rest):
            return piece[len(rest) :]
        return self._begun[: self._matched] + piece

    def finish(self) -> str:
        """Return what was held back: it was no repetition of all that had begun."""
        if self.is_plain:
            return ""
        self.is_plain = True
        return self._begun[: self._matched]
