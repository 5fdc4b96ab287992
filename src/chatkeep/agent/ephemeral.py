"""Turns without the service, for `chatkeep ask` and `chatkeep eval`. Nothing is stored."""

from collections.abc import Sequence
from functools import reduce

from chatkeep import clock, ids
from chatkeep.agent.assistants import Assistant, AssistantLibrary
from chatkeep.agent.turn_input import TurnInput
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat import event_log
from chatkeep.chat.events import Event
from chatkeep.chat.types import FilePart, Message, Part, Role, TextPart
from chatkeep.errors import CannotStart
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.settings import Settings
from chatkeep.tools.context import ToolContext


def get_assistant(library: AssistantLibrary, name: str) -> Assistant:
    """Return the assistant with that name.

    Raises:
        CannotStart: there is none; the message lists the assistants that exist.
    """
    if name not in library:
        known = ", ".join(each.name for each in library.all())
        raise CannotStart(f"there is no assistant {name!r}; known: {known}")
    return library[name]


def choose_model(library: ModelLibrary, name: str) -> str:
    """Return `name`, if it may be asked for.

    Raises:
        CannotStart: it may not; the message lists the models that may.
    """
    if refusal := library.find_refusal(name):
        raise CannotStart(refusal)
    return name


def ephemeral_input(settings: Settings, model: str, spec: TurnSpec, history: list[Message]) -> TurnInput:
    """Return the input of a turn in which `model` answers the last message of `history`, by `spec`."""
    return TurnInput(
        model=model,
        prompt=spec.prompt,
        params=spec.params,
        tools=spec.tools,
        tool_context=ToolContext("local", "", ""),
        tool_timeout=settings.tool_timeout,
        history=history,
        message=new_answer(history[-1].id),
        context_tokens=settings.context_tokens,
        max_answer_bytes=settings.max_answer_bytes,
        bytes_per_token=None,
    )


class EventCollector:
    """The events of a turn, kept in memory. Its methods are the two arguments of `Turn.run`."""

    def __init__(self, initial: Message) -> None:
        """`initial` is the answer before the turn: an empty message, or the part made before it waited."""
        self.events: list[Event] = []
        self._initial = initial

    async def emit(self, events: Sequence[Event]) -> None:
        """Add the turn's next events."""
        self.events += events

    async def load_message(self) -> Message:
        """Return the answer so far: the fold of the events."""
        return reduce(event_log.apply, event_log.merge(self.events, limit=None), self._initial)


def new_user_message(text: str, parent_id: str | None = None, files: Sequence[FilePart] = ()) -> Message:
    """Return a message of the user that belongs to no session, with its files before its text."""
    return _new_message("user", parent_id, (*files, TextPart(text)))


def new_answer(parent_id: str) -> Message:
    """Return an empty message of the assistant that belongs to no session."""
    return _new_message("assistant", parent_id, ())


def _new_message(role: Role, parent_id: str | None, parts: tuple[Part, ...]) -> Message:
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
