"""A turn without storage: its input, and its execution to the end."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from chatkeep import toolbox
from chatkeep.agent.ephemeral import EventCollector
from chatkeep.agent.turn import Outcome, Turn
from chatkeep.agent.turn_input import TurnInput
from chatkeep.chat.event_log import fold
from chatkeep.chat.events import Event
from chatkeep.chat.types import Message, Part
from chatkeep.errors import TurnFailed
from chatkeep.llm import Model
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool, declared_tools
from tests.values import message, started

assert toolbox.jokes  # importing it declares the functions


def user(text: str) -> Message:
    """Return a user message."""
    return message("user", text)


def answer(*parts: Part) -> Message:
    """Return an assistant message."""
    return message(parts=parts)


def folded(events: Sequence[Event], initial: Message | None = None) -> tuple[Part, ...]:
    """Return the parts of the message `initial` (by default empty) after `events`."""
    first = started()
    return fold([replace(first, message=initial or first.message), *events]).parts


class PlayedTurn(NamedTuple):
    """A turn that has ended; `failure` is its error, or None."""

    turn: Turn
    events: list[Event]
    parts: tuple[Part, ...]
    outcome: Outcome | None
    failure: TurnFailed | None

    @property
    def ending(self) -> tuple[str, str | None] | None:
        """Its status and finish reason."""
        return (self.outcome.status, self.outcome.finish_reason) if self.outcome else None


def turn_input(
    text: str, history: Sequence[Message] = (), tools: Mapping[str, Tool] | None = None, **more: Any
) -> TurnInput:
    """Return the input of a turn that answers `text`, sent after `history`."""
    start = TurnInput(
        model="m",
        prompt="You are a test.",
        params={},
        tools=declared_tools() if tools is None else tools,
        tool_context=ToolContext("me", "s", "r"),
        tool_timeout=5,
        history=[*history, user(text)],
        message=answer(),
        context_tokens=100_000,
        max_answer_bytes=8_388_608,
        bytes_per_token=None,
    )
    return start._replace(**more)


async def play(model: Model, start: TurnInput) -> PlayedTurn:
    """Execute the turn of `start` with `model`, up to its end or failure."""
    turn = Turn(model, start)
    collector = EventCollector(start.message)
    try:
        outcome = await turn.run(collector.emit, collector.load_message)
    except TurnFailed as failure:
        return PlayedTurn(turn, collector.events, folded(collector.events, start.message), None, failure)
    return PlayedTurn(turn, collector.events, folded(collector.events, start.message), outcome, None)
