"""`chatkeep ask`: one turn in the terminal. The same turn, model and functions as the service's; kept nowhere.

On a terminal it offers `ask_user` and puts the question itself; elsewhere there is nobody to ask.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from chatkeep import mcp
from chatkeep.agent import ephemeral
from chatkeep.agent.assistants import Assistant
from chatkeep.agent.turn import Outcome, Turn, TurnInput
from chatkeep.agent.turn_spec import ClientTool, build_spec
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, RunResumed
from chatkeep.chat.types import Message, TextPart, ToolCallPart
from chatkeep.cli.output import Json, Printer, Terminal, choose
from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, connect_model
from chatkeep.runs.startup import find_assistants, load_tools
from chatkeep.settings import Settings
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool
from chatkeep.tools.execution import ToolResult, finished_event


async def ask(settings: Settings, text: str, assistant: str | None, model: str | None, *, as_json: bool) -> int:
    """Ask, and show the answer as it comes; the exit status: 1 when the turn failed.

    Raises:
        CannotStart: there is no such assistant, or a setting is wrong.
    """
    declared = load_tools(settings)
    asked = ephemeral.get_assistant(find_assistants(settings, declared), assistant or settings.assistant)
    answering = connect_model(settings)
    printer = Json() if as_json else Terminal()
    can_ask = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        async with mcp.offer_tools(_needed(settings, asked), declared) as functions:
            given = _given(settings, text, asked, functions, model, can_ask=can_ask)
            outcome = await _answer(answering, given, printer)
    except TurnFailed as failure:
        printer.end()
        print(f"chatkeep: {failure.code}: {failure}", file=sys.stderr)
        return 1
    finally:
        await answering.close()
    printer.end()
    if outcome.status == "incomplete":
        print(f"chatkeep: the answer is incomplete ({outcome.finish_reason})", file=sys.stderr)
    return 0


async def _answer(model: Model, given: TurnInput, printer: Printer) -> Outcome:
    """Let the turn happen, and go on each time that it waits for an answer from the terminal; how it ended."""
    shown = _Shown(printer, given.message)
    while True:
        turn = Turn(model, given)
        outcome = await turn.run(shown.take, shown.said)
        if not outcome.waiting:
            return outcome
        await shown.take([*_answers(shown.message, outcome.waiting, printer), RunResumed()])
        given = given._replace(message=shown.message, counted=turn.usage, input_bytes=turn.input_bytes)


class _Shown:
    """What the terminal has been shown of an answer."""

    def __init__(self, printer: Printer, message: Message) -> None:
        self.message = message
        self._printer = printer
        self._position = 0

    async def take(self, events: Sequence[Event]) -> None:
        for event in event_log.assign_positions(event_log.merge(events), self._position):
            self._printer.show(event)
            self.message, self._position = event_log.apply(self.message, event), event.position

    async def said(self) -> Message:
        return self.message


def _answers(said: Message, waiting: Sequence[str], printer: Printer) -> list[Event]:
    printer.end()
    return [
        finished_event(index, ToolResult({"choice": choose(part.arguments or {})}))
        for index, part in enumerate(said.parts)
        if isinstance(part, ToolCallPart) and part.call_id in waiting
    ]


def _needed(settings: Settings, assistant: Assistant) -> list[McpServer]:
    """The MCP servers whose functions the assistant names: no other is waited for."""
    named = {name.partition("_")[0] for name in assistant.functions}
    return [server for server in settings.mcp_servers if server.name in named]


def _given(
    settings: Settings, text: str, assistant: Assistant, tools: Mapping[str, Tool], model: str | None, *, can_ask: bool
) -> TurnInput:
    offered = [ClientTool("ask_user")] if can_ask else []
    spec = build_spec(tools, assistant, datetime.now(UTC), settings.time_zone, offered=offered)
    asked = ephemeral.new_message("user", None, (TextPart(text),))
    return ephemeral.ephemeral_input(settings, model or assistant.model or settings.model, spec, [asked])
