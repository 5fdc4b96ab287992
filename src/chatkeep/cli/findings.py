"""Findings of `chatkeep check` and `chatkeep doctor`: a line each."""

from typing import Literal, NamedTuple

from chatkeep.text import printable

State = Literal["ok", "warning", "FAILED", "mended"]
"""The outcome of a check."""


class Finding(NamedTuple):
    """One line."""

    name: str
    state: State
    text: str

    def __str__(self) -> str:
        return f"{self.state:<9}{self.name:<12}{printable(self.text)}"
