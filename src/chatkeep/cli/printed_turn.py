"""A turn whose events are printed as they come, and whose questions are asked on the terminal."""

from collections.abc import Sequence

from chatkeep.agent.turn import Outcome, Turn
from chatkeep.agent.turn_input import TurnInput
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, RunResumed
from chatkeep.chat.types import Message, ToolCallPart
from chatkeep.cli.output import Printer, choose
from chatkeep.llm import Model
from chatkeep.tools.execution import ToolResult, finished_event


async def run_printed_turn(model: Model, turn_input: TurnInput, printer: Printer) -> Outcome:
    """Run the turn and return how it ended. Each time it waits for the client, ask the user and continue."""
    answer = _PrintedAnswer(printer, turn_input.message)
    while True:
        turn = Turn(model, turn_input)
        outcome = await turn.run(answer.emit, answer.load_message)
        if not outcome.waiting:
            return outcome
        await answer.emit([*_ask_user(answer.message, outcome.waiting, printer), RunResumed()])
        turn_input = turn_input._replace(
            message=answer.message, prior_usage=turn.usage, prior_calls=turn.call_count, input_bytes=turn.input_bytes
        )


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
