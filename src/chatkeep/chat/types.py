"""The nouns: sessions, messages and their parts, runs. Values only: frozen, without behaviour, without storage.

They are msgspec structs: building, copying and encoding one is some ten times cheaper than a Pydantic
model (`docs/decisions/0002-values.md`); what comes in from outside is validated by Pydantic at the edge.
Times are RFC 3339 text (`chatkeep.clock`). Field meanings: `docs/protocol.md` §1.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

SessionStatus: TypeAlias = Literal["idle", "busy", "requires_action"]
Role: TypeAlias = Literal["user", "assistant"]
Kind: TypeAlias = Literal["reply", "action", "client"]
CallState: TypeAlias = Literal[
    "streaming", "ready", "running", "waiting", "succeeded", "failed", "unknown", "cancelled"
]
CallEnd: TypeAlias = Literal["succeeded", "failed", "unknown", "cancelled"]
RunStatus: TypeAlias = Literal[
    "in_progress", "requires_action", "completed", "incomplete", "failed", "cancelled", "interrupted"
]
RunEnd: TypeAlias = Literal["completed", "incomplete", "failed", "cancelled", "interrupted"]

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    "in_progress": frozenset({"requires_action", "completed", "incomplete", "failed", "cancelled", "interrupted"}),
    "requires_action": frozenset({"in_progress", "cancelled", "failed", "interrupted"}),
    "completed": frozenset(),
    "incomplete": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "interrupted": frozenset(),
}
"""Which status may follow which. A status that nothing follows has ended, for good."""


def has_ended(status: RunStatus) -> bool:
    """Whether a run in `status` will never change again."""
    return not TRANSITIONS[status]


class Value(msgspec.Struct, frozen=True):
    """Base of all values."""


class Session(Value, frozen=True):
    """A conversation. `head_id` is the last message of its active branch."""

    id: str
    title: str | None
    assistant: str
    model: str | None
    metadata: dict[str, str]
    status: SessionStatus
    head_id: str | None
    message_count: int
    created_at: str
    updated_at: str


class Problem(Value, frozen=True):
    """Why a run failed; `code` is one of `docs/protocol.md` §7."""

    code: str
    message: str
    retryable: bool


class CallError(Value, frozen=True):
    """Why a function call failed, as it is told to the model."""

    code: str
    message: str


class Usage(Value, frozen=True):
    """Tokens of a run, summed over its model calls; `estimated` where the provider reported none."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


class TextPart(Value, frozen=True, tag="text"):
    """What the assistant, or the user, said."""

    text: str


class ReasoningPart(Value, frozen=True, tag="reasoning"):
    """What the model thought aloud; shown, never sent back."""

    text: str


class RefusalPart(Value, frozen=True, tag="refusal"):
    """The model's own words for declining (OpenAI's `refusal`)."""

    text: str


class StepPart(Value, frozen=True, tag="step"):
    """A new model call begins here, every one after the first."""


class ToolCallPart(Value, frozen=True, tag="tool_call"):
    """A function call. `arguments_text` is what the model sent; `arguments` is set once it proved valid."""

    call_id: str
    name: str
    kind: Kind | None
    arguments_text: str = ""
    arguments: dict[str, Any] | None = None
    state: CallState = "streaming"
    output: Any = None
    error: CallError | None = None


Part: TypeAlias = TextPart | ReasoningPart | RefusalPart | StepPart | ToolCallPart


class Message(Value, frozen=True):
    """One message. A whole turn of the assistant, with all its model calls and functions, is one."""

    id: str
    session_id: str
    parent_id: str | None
    seq: int
    role: Role
    parts: tuple[Part, ...]
    run_id: str | None
    status: RunStatus
    created_at: str


class PromptSnapshot(NamedTuple):
    """A system prompt as it was rendered, and the functions as they were offered with it."""

    prompt: str
    functions: list[dict[str, Any]]


class Fact(Value, frozen=True):
    """Something the user asked to be remembered, across sessions."""

    id: str
    text: str
    created_at: str


class Found(Value, frozen=True):
    """A message that a search has found, with the text around what was looked for."""

    session_id: str
    session_title: str | None
    message_id: str
    role: Role
    snippet: str
    created_at: str


class Run(Value, frozen=True):
    """One answer being made, or made."""

    id: str
    session_id: str
    number: int
    user_message_id: str
    message_id: str
    status: RunStatus
    model: str
    finish_reason: str | None
    error: Problem | None
    usage: Usage
    attempt: int
    position: int
    created_at: str
    started_at: str | None
    first_token_at: str | None
    finished_at: str | None
