"""The output of `chatkeep ask`: a turn's events as text on a terminal, or as lines of JSON.

Everything that a model, a function or a provider said is made `printable`, and never read as markup.
"""

import sys
from typing import Any, Protocol

import msgspec

from chatkeep.chat.events import (
    Event,
    Handover,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallReady,
    ToolCallRunning,
    ToolCallStarted,
    encode,
)
from chatkeep.text import printable


class Printer(Protocol):
    """The output for the events of one answer."""

    def show(self, event: Event) -> None:
        """Print one event."""
        ...

    def end(self) -> None:
        """End the open line: the answer is complete, or a question follows."""
        ...


class JsonPrinter:
    """Events as JSON, one a line: the `data` of the service's stream (docs/events.md)."""

    def show(self, event: Event) -> None:
        """Print the event."""
        print(encode(event).decode(), flush=True)

    def end(self) -> None:
        """Do nothing: every line is complete."""


class TerminalPrinter:
    """Text while it arrives, and each tool call by its name, with its arguments and output as indented JSON.

    Arguments that are not valid are printed as the model sent them.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(soft_wrap=True, highlight=False)
        self._column = 0
        self._handovers: list[Handover] = []
        self._calls: dict[int, ToolCallStarted] = {}
        self._unvalidated: dict[int, str] = {}  # arguments of open calls, as sent

    def show(self, event: Event) -> None:
        """Print the text or the call that the event adds."""
        match event:
            case TextDelta() | RefusalDelta():
                self._write(event.text)
            case ReasoningDelta():
                self._write(event.text, "dim italic")
            case Handover():  # a word may be cut here
                self._handovers.append(event)
            case ToolCallStarted():
                self._calls[event.index] = event
                self._unvalidated[event.index] = ""
            case ToolCallDelta():
                self._unvalidated[event.index] += event.arguments_text
            case ToolCallReady():
                del self._unvalidated[event.index]
                self._print_name(event.index)
                self._print_json(event.arguments)
            case ToolCallRunning():
                self._print(f"{self._calls[event.index].name} is running", "dim")
            case ToolCallFinished():
                self._print_finished(event)
            case _:
                pass

    def end(self) -> None:
        """End the line, if one is open."""
        if self._column:
            self._console.print()
            self._column = 0
        for each in self._handovers:
            self._print(f"{each.to_model} went on for {each.from_model} ({each.reason})", "dim")
        self._handovers.clear()

    def _write(self, text: str, style: str = "") -> None:
        self._console.print(printable(text), end="", style=style, markup=False)
        self._column = len(text) if not text.endswith("\n") else 0

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(printable(line), style=style, markup=False)

    def _print_json(self, value: Any) -> None:
        self._console.print_json(printable(msgspec.json.encode(value).decode()))

    def _print_name(self, index: int) -> None:
        self.end()
        self._print(self._calls[index].name, "bold")

    def _print_finished(self, event: ToolCallFinished) -> None:
        call = self._calls[event.index]
        if event.error is not None:
            self.end()
            if sent := self._unvalidated.pop(event.index, ""):
                self._print_name(event.index)
                self._print(sent)
            self._print(f"{call.name}: {event.error.code}: {event.error.message}", "red")
        elif call.kind != "reply":  # the output of a reply is its arguments
            self._print(f"{call.name} returned", "dim")
            self._print_json(event.output)


def print_error(line: str) -> None:
    """Print `line` to standard error."""
    print(printable(line), file=sys.stderr)


def choose(arguments: dict[str, Any]) -> str:
    """Ask the question of a call of `ask_user`, and return a choice, if its number was typed, or else the text."""
    choices: list[str] = arguments["choices"]
    for number, choice in enumerate(choices, 1):
        print(printable(f"  {number}. {choice}"))
    reply = input(printable(f"{arguments['question']} ")).strip()
    return choices[int(reply) - 1] if reply.isdecimal() and 1 <= int(reply) <= len(choices) else reply
