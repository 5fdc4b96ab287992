"""What `chatkeep ask` shows: a turn's events as text on a terminal, or as lines of JSON."""

from typing import Any, Protocol

import msgspec

from chatkeep.chat.events import (
    Event,
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


class Printer(Protocol):
    """Shows events to whoever asked."""

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def end(self) -> None:
        """The answer is over, or a question comes."""
        ...


class Json:
    """Events as JSON, one a line, as the stream of the service has them in `data`."""

    def show(self, event: Event) -> None:
        """Print the event."""
        print(encode(event).decode(), flush=True)

    def end(self) -> None:
        """Nothing is open."""


class Terminal:
    """Text as it comes; a function by its name, its arguments and what came of it as indented JSON.

    Arguments that were rejected are shown as the model sent them.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(soft_wrap=True, highlight=False)
        self._column = 0
        self._calls: dict[int, ToolCallStarted] = {}
        self._sent: dict[int, str] = {}  # arguments that are not yet known to be valid

    def show(self, event: Event) -> None:
        """Print what the event brings."""
        match event:
            case TextDelta() | RefusalDelta():
                self._write(event.text)
            case ReasoningDelta():
                self._write(event.text, "dim italic")
            case ToolCallStarted():
                self._calls[event.index] = event
                self._sent[event.index] = ""
            case ToolCallDelta():
                self._sent[event.index] += event.arguments_text
            case ToolCallReady():
                del self._sent[event.index]
                self._title(event.index)
                self._console.print_json(msgspec.json.encode(event.arguments).decode())
            case ToolCallRunning():
                self._console.print(f"{self._calls[event.index].name} is running", style="dim", markup=False)
            case ToolCallFinished():
                self._show_end(event)
            case _:
                pass

    def end(self) -> None:
        """Finish the line."""
        if self._column:
            self._console.print()
            self._column = 0

    def _write(self, text: str, style: str = "") -> None:
        self._console.print(text, end="", style=style, markup=False)
        self._column = len(text) if not text.endswith("\n") else 0

    def _title(self, index: int) -> None:
        self.end()
        self._console.print(self._calls[index].name, style="bold", markup=False)

    def _show_end(self, event: ToolCallFinished) -> None:
        call = self._calls[event.index]
        if event.error is not None:
            self.end()
            if sent := self._sent.pop(event.index, ""):
                self._title(event.index)
                self._console.print(sent, markup=False)
            said = f"{call.name}: {event.error.code}: {event.error.message}"
            self._console.print(said, style="red", markup=False)
        elif call.kind != "reply":  # the output of a reply is its arguments
            self._console.print(f"{call.name} returned", style="dim", markup=False)
            self._console.print_json(msgspec.json.encode(event.output).decode())


def choose(asked: dict[str, Any]) -> str:
    """The user's answer to a question of `ask_user`: one of its choices, by number, or words of their own."""
    from rich.prompt import Prompt

    choices: list[str] = asked["choices"]
    for number, choice in enumerate(choices, 1):
        print(f"  {number}. {choice}")
    said = Prompt.ask(f"{asked['question']} ").strip()
    return choices[int(said) - 1] if said.isdecimal() and 1 <= int(said) <= len(choices) else said
