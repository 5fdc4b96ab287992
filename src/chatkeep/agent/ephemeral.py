"""A turn without a service: what `ask` and `eval` start from. Nothing is stored."""

from collections.abc import Sequence
from functools import reduce

from chatkeep import clock, ids
from chatkeep.agent.assistants import Assistant, Library
from chatkeep.agent.turn import Given
from chatkeep.agent.turn_spec import Brief
from chatkeep.chat import event_log
from chatkeep.chat.events import Event
from chatkeep.chat.types import Message, Part, Role
from chatkeep.errors import CannotStart
from chatkeep.settings import Settings
from chatkeep.tools.context import Caller


def assistant_named(library: Library, name: str) -> Assistant:
    """The assistant with that name.

    Raises:
        CannotStart: there is none; the message lists those that there are.
    """
    if name not in library:
        known = ", ".join(each.name for each in library.all())
        raise CannotStart(f"there is no assistant {name!r}; known: {known}")
    return library[name]


def start(settings: Settings, model: str, told: Brief, history: list[Message]) -> Given:
    """A turn that answers the last message of `history`, asked of `model` as `told`."""
    return Given(
        model=model,
        prompt=told.prompt,
        temperature=told.temperature,
        tools=told.tools,
        caller=Caller("local", "", ""),
        tool_timeout=settings.tool_timeout,
        history=history,
        message=message("assistant", history[-1].id, ()),
        context_tokens=settings.context_tokens,
        bytes_per_token=None,
    )


class Kept:
    """What a turn has brought."""

    def __init__(self, begun: Message) -> None:
        """`begun`: the message that it goes on with, empty in the beginning."""
        self.events: list[Event] = []
        self._begun = begun

    async def take(self, events: Sequence[Event]) -> None:
        """Keep what the turn brings."""
        self.events += events

    async def said(self) -> Message:
        """The message as it has become."""
        return reduce(event_log.apply, event_log.merge(self.events, limit=None), self._begun)


def message(role: Role, parent_id: str | None, parts: tuple[Part, ...]) -> Message:
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
