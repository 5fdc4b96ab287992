"""Gathers the texts of a document up to the bound of a prompt, and keeps what is left out. Pure."""

from chatkeep.files.jobs import MAX_TEXT_BYTES, Answer

TOO_LONG = f"the text is longer than {MAX_TEXT_BYTES:,} bytes"
"""The reason for what comes after the bound."""


class BoundedTexts:
    """Texts of at most `MAX_TEXT_BYTES` in all. `left_out` says of each thing that is not in them why."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._rest = MAX_TEXT_BYTES
        self.left_out: list[str] = []

    @property
    def is_full(self) -> bool:
        """True after a text did not fit."""
        return self._rest <= 0

    def add(self, text: str) -> bool:
        """Add a text that stays whole. Return False if it does not fit; then none that follows does."""
        size = len(text.encode(errors="replace")) + 1
        if size > self._rest:
            self._rest = 0
            return False
        self._texts.append(text)
        self._rest -= size
        return True

    def add_begin(self, text: str) -> None:
        """Add a text, or as much of its beginning as fits; what is cut off is listed."""
        if not self.add(text):
            shown = text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")
            self._texts.append(shown)
            self.left_out.append(f"all after the first {len(shown):,} characters ({TOO_LONG})")

    def answer(self) -> Answer:
        """Return the texts as an answer to a job; one without any text is a problem."""
        texts = [text.encode(errors="replace").decode() for text in self._texts]
        problem = None if any(texts) else "it has no text"
        return Answer(problem, texts=texts, left_out=self.left_out)
