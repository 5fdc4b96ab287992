"""The input of a turn, and how it reaches the run's log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from chatkeep.agent.user_content import NO_FILES, PromptFile
from chatkeep.chat.events import Event
from chatkeep.chat.types import Message, Part, StepPart, Usage
from chatkeep.llm import Params
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool

Emit: TypeAlias = Callable[[list[Event]], Awaitable[object]]
"""Takes the next events of a turn. The turn awaits the result before it goes on."""
LoadMessage: TypeAlias = Callable[[], Awaitable[Message]]
"""Loads the answer as the events emitted so far have made it.

It is called only before a second step, or when another model takes over. Most turns need neither, and need not keep in
memory what the log has.
"""


class Continued(NamedTuple):
    """An answer that was cut, and with which a turn goes on: the model that gave it, and how many parts it has."""

    model: str
    parts: int


class TurnInput(NamedTuple):
    """The input of a turn.

    `prompt` is the system prompt, `tools` are the functions on offer by name, `tool_timeout` is in seconds.
    `context_tokens` is the longest prompt, unless the model has a limit of its own.
    `history` ends with the user's message. `message` is the answer to it: empty in a new turn; in one that resumes,
    the answer as it was when it began to wait. If the turn goes on with another answer (`continued`), it begins with
    the parts of that one. `prior_usage`, `prior_calls` (their number), `input_bytes` (of the prompts, in bytes of JSON)
    and `finish_reason` are those of the steps before the wait.
    `takes_calls`: a call of a client's function ends the turn, as its outputs come with another one.
    `files` are the contents of files that the history refers to, by their ids.
    `bytes_per_token` is the model's ratio as measured in this session, or None if it is not known yet.
    """

    model: str
    prompt: str
    params: Params
    tools: Mapping[str, Tool]
    tool_context: ToolContext
    tool_timeout: float
    history: Sequence[Message]
    message: Message
    context_tokens: int
    max_answer_bytes: int
    bytes_per_token: float | None
    prior_usage: Usage = Usage()
    prior_calls: int = 0
    input_bytes: int = 0
    finish_reason: str | None = None
    continued: Continued | None = None
    takes_calls: bool = False
    files: Mapping[str, PromptFile] = NO_FILES.by_id

    def own_parts(self, message: Message) -> Sequence[Part]:
        """Return the parts of `message`, the answer so far, that are not those of an answer that it continues."""
        return message.parts[self.continued.parts if self.continued else 0 :]


def count_steps(parts: Sequence[Part]) -> int:
    """Return how many steps an answer with `parts` has: each but the first begins with a `StepPart`."""
    steps = sum(isinstance(part, StepPart) for part in parts)
    return steps + (1 if parts and not isinstance(parts[0], StepPart) else 0)
