"""A turn without a service: what `ask` and `eval` start from. Nothing is stored."""

from collections.abc import Sequence
from functools import reduce

from chatkeep import clock, ids
from chatkeep.agent.assistants import Assistant, AssistantLibrary
from chatkeep.agent.turn import TurnInput
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat import event_log
from chatkeep.chat.events import Event
from chatkeep.chat.types import Message, Part, Role
from chatkeep.errors import CannotStart
from chatkeep.settings import Settings
from chatkeep.tools.context import ToolContext


def get_assistant(library: AssistantLibrary, name: str) -> Assistant:
    """The assistant with that name.

    Raises:
        CannotStart: there is none; the message lists those that there are.
    """
    if name not in library:
        known = ", ".join(each.name for each in library.all())
        raise CannotStart(f"there is no assistant {name!r}; known: {known}")
    return library[name]


def ephemeral_input(settings: Settings, model: str, spec: TurnSpec, history: list[Message]) -> TurnInput:
    """A turn that answers the last message of `history`, asked of `model` as `spec`."""
    return TurnInput(
        model=model,
        prompt=spec.prompt,
        temperature=spec.temperature,
        tools=spec.tools,
        caller=ToolContext("local", "", ""),
        tool_timeout=settings.tool_timeout,
        history=history,
        message=new_message("assistant", history[-1].id, ()),
        context_tokens=settings.context_tokens,
        bytes_per_token=None,
    )


class EventCollector:
    """What a turn has brought."""

    def __init__(self, initial: Message) -> None:
        """`initial`: the message that it goes on with, empty in the beginning."""
        self.events: list[Event] = []
        self._begun = initial

    async def emit(self, events: Sequence[Event]) -> None:
        """Keep what the turn brings."""
        self.events += events

    async def load_message(self) -> Message:
        """The message as it has become."""
        return reduce(event_log.apply, event_log.merge(self.events, limit=None), self._begun)


def new_message(role: Role, parent_id: str | None, parts: tuple[Part, ...]) -> Message:
    """A message of no session."""
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
