"""`chatkeep ask`: one turn in the terminal, with the model and the functions of the service. Nothing is stored.

On a terminal it offers the client function `ask_user` and asks the question itself. If input or output is not a
terminal, it does not offer it.
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
from chatkeep.cli.output import JsonPrinter, Printer, TerminalPrinter, choose
from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, connect_model
from chatkeep.runs.startup import find_assistants, load_tools
from chatkeep.settings import Settings
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.declaration import Tool
from chatkeep.tools.execution import ToolResult, finished_event


async def ask(settings: Settings, text: str, assistant: str | None, model: str | None, *, as_json: bool) -> int:
    """Ask the model, print the answer while it arrives, and return the exit status: 0, or 1 if the turn failed.

    Raises:
        CannotStart: there is no such assistant, or a setting is not valid.
    """
    declared_tools = load_tools(settings)
    selected = ephemeral.get_assistant(find_assistants(settings, declared_tools), assistant or settings.assistant)
    connected_model = connect_model(settings)
    printer = JsonPrinter() if as_json else TerminalPrinter()
    can_ask = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        async with mcp.offer_tools(_needed_servers(settings, selected), declared_tools) as tools:
            turn_input = _turn_input(settings, text, selected, tools, model, can_ask=can_ask)
            outcome = await _run_turn(connected_model, turn_input, printer)
    except TurnFailed as failure:
        printer.end()
        print(f"chatkeep: {failure.code}: {failure}", file=sys.stderr)
        return 1
    finally:
        await connected_model.close()
    printer.end()
    if outcome.status == "incomplete":
        print(f"chatkeep: the answer is incomplete ({outcome.finish_reason})", file=sys.stderr)
    return 0


def _needed_servers(settings: Settings, assistant: Assistant) -> list[McpServer]:
    """Return the MCP servers whose functions the assistant names. The turn does not wait for any other server."""
    prefixes = {name.partition("_")[0] for name in assistant.functions}
    return [server for server in settings.mcp_servers if server.name in prefixes]


def _turn_input(
    settings: Settings, text: str, assistant: Assistant, tools: Mapping[str, Tool], model: str | None, *, can_ask: bool
) -> TurnInput:
    client_tools = [ClientTool(name="ask_user")] if can_ask else []
    spec = build_spec(tools, assistant, datetime.now(UTC), settings.time_zone, client_tools=client_tools)
    user_message = ephemeral.new_message("user", None, (TextPart(text),))
    return ephemeral.ephemeral_input(settings, model or assistant.model or settings.model, spec, [user_message])


async def _run_turn(model: Model, turn_input: TurnInput, printer: Printer) -> Outcome:
    """Run the turn and return how it ended. Each time it waits for the client, ask the user and continue."""
    answer = _PrintedAnswer(printer, turn_input.message)
    while True:
        turn = Turn(model, turn_input)
        outcome = await turn.run(answer.emit, answer.load_message)
        if not outcome.waiting:
            return outcome
        await answer.emit([*_ask_user(answer.message, outcome.waiting, printer), RunResumed()])
        turn_input = turn_input._replace(message=answer.message, prior_usage=turn.usage, input_bytes=turn.input_bytes)


class _PrintedAnswer:
    """The answer so far: its message, and its events as they were printed."""

    def __init__(self, printer: Printer, message: Message) -> None:
        self.message = message
        self._printer = printer
        self._position = 0

    async def emit(self, events: Sequence[Event]) -> None:
        for event in event_log.assign_positions(event_log.merge(events), self._position):
            self._printer.show(event)
            self.message, self._position = event_log.apply(self.message, event), event.position

    async def load_message(self) -> Message:
        return self.message


def _ask_user(message: Message, waiting: Sequence[str], printer: Printer) -> list[Event]:
    """Ask each question of the calls with the ids `waiting`, and return the events that end these calls."""
    printer.end()
    return [
        finished_event(index, ToolResult({"choice": choose(part.arguments or {})}))
        for index, part in enumerate(message.parts)
        if isinstance(part, ToolCallPart) and part.call_id in waiting
    ]
