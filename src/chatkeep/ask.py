"""`chatkeep ask`: one turn in the terminal. The same turn, model and functions as the service's; kept nowhere."""

import sys
from contextlib import aclosing
from typing import Protocol

import msgspec

from chatkeep import assistants, clock, ids, log
from chatkeep.config import Settings
from chatkeep.errors import CannotStart, TurnFailed
from chatkeep.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallFinished, ToolCallStarted, encode
from chatkeep.llm import connect
from chatkeep.runs.lifetime import load_tools
from chatkeep.turn import Given, Turn
from chatkeep.types import Message, Part, Role, TextPart


class Printer(Protocol):
    """Shows events to whoever asked."""

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def end(self) -> None:
        """The answer is over."""
        ...


async def ask(settings: Settings, text: str, assistant: str | None, model: str | None, *, as_json: bool) -> int:
    """Ask, and show the answer as it comes; the exit status: 1 when the turn failed.

    Raises:
        CannotStart: there is no such assistant, or a setting is wrong.
    """
    answering = connect(settings)
    turn = Turn(answering, _given(settings, text, assistant, model))
    printer = Json() if as_json else Terminal()
    position = 0
    try:
        async with aclosing(turn.events()) as happening:
            async for events in happening:
                for event in log.place(log.merge(events), position):
                    printer.show(event)
                    position = event.position
    except TurnFailed as failure:
        printer.end()
        print(f"chatkeep: {failure.code}: {failure}", file=sys.stderr)
        return 1
    finally:
        await answering.close()
    printer.end()
    return 0


class Json:
    """Events as JSON, one a line, as the stream of the service has them in `data`."""

    def show(self, event: Event) -> None:
        """Print the event."""
        print(encode(event).decode(), flush=True)

    def end(self) -> None:
        """Nothing is open."""


class Terminal:
    """Text as it comes; a function by its name and its arguments as indented JSON, in colour on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(soft_wrap=True, highlight=False)
        self._column = 0
        self._name = ""

    def show(self, event: Event) -> None:
        """Print what the event brings."""
        match event:
            case TextDelta() | RefusalDelta():
                self._write(event.text)
            case ReasoningDelta():
                self._write(event.text, "dim italic")
            case ToolCallStarted():
                self.end()
                self._name = event.name
            case ToolCallFinished():
                self._show_call(event)
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

    def _show_call(self, event: ToolCallFinished) -> None:
        self._console.print(self._name, style="bold")
        if event.error is not None:
            self._console.print(f"  {event.error.code}: {event.error.message}", style="red", markup=False)
        else:
            self._console.print_json(msgspec.json.encode(event.output).decode())


def _given(settings: Settings, text: str, name: str | None, model: str | None) -> Given:
    tools = load_tools(settings)
    known = assistants.load(settings.assistants_dir, tools)
    name = name or settings.assistant
    if name not in known:
        raise CannotStart(f"there is no assistant {name!r}; known: {', '.join(sorted(known))}")
    assistant = known[name]
    user = _message("user", None, (TextPart(text),))
    return Given(
        model=model or assistant.model or settings.model,
        prompt=assistant.prompt,
        temperature=assistant.temperature,
        tools={function: tools[function] for function in assistant.functions},
        history=[user],
        message=_message("assistant", user.id, ()),
        context_tokens=settings.context_tokens,
        bytes_per_token=None,
    )


def _message(role: Role, parent_id: str | None, parts: tuple[Part, ...]) -> Message:
    return Message(
        id=ids.new(),
        session_id="",
        parent_id=parent_id,
        seq=1,
        role=role,
        parts=parts,
        run_id=None,
        status="in_progress",
        created_at=clock.now(),
    )
