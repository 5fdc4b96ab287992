"""The nouns of the API as frozen values: sessions, messages and their parts, runs. No behaviour, no storage.

They are msgspec structs. Building, copying and encoding one takes about a tenth of the time of a Pydantic model
(`docs/decisions/0002-values.md`). Pydantic validates requests, at the edge.

Times are RFC 3339 text (`chatkeep.clock`). `docs/http-api.md`, "Nouns", has the meaning of every field.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

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
"""The statuses that may follow each status. A run whose status none may follow has ended for good."""


def has_ended(status: RunStatus) -> bool:
    """Return True if a run in `status` will never change again."""
    return not TRANSITIONS[status]


class Value(msgspec.Struct, frozen=True):
    """The base of all values."""


class Session(Value, frozen=True):
    """A conversation. `head_id` is the last message of its active branch.

    `params` are the parameters of every answer, `instructions` are added to the system prompt. A `temporary` one stands
    in no list, is not searched, and is deleted some time after its last use.
    """

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
    params: dict[str, Any]
    instructions: str | None
    temporary: bool


class Problem(Value, frozen=True):
    """Why a run failed. `docs/http-api.md`, "Errors of a run", lists the codes."""

    code: str
    message: str
    retryable: bool


class CallError(Value, frozen=True):
    """Why a tool call failed, as the model reads it. `docs/functions.md`, "Why a call fails", lists the codes."""

    code: str
    message: str


class Usage(Value, frozen=True):
    """Tokens and cost of a run, summed over its model calls. `estimated`: the provider did not report one of them.

    The cached input is part of the input, the reasoning part of the output. `cost` is in 10⁻⁹ of the currency, null if
    the price of one of the calls is not known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None
    estimated: bool = False


class ProviderState(Value, frozen=True):
    """State that a provider wants back with the part it came with, such as a signature of its reasoning.

    It means nothing to anyone but the provider and model that made it, and only they get it. `value` has the fields as
    that provider names them; null stands for the part's own text.
    """

    provider: str
    model: str
    value: dict[str, Any]


class TextPart(Value, frozen=True, tag="text"):
    """Words of the user or of the assistant."""

    text: str
    provider_state: ProviderState | UnsetType = UNSET


class ReasoningPart(Value, frozen=True, tag="reasoning"):
    """The model's thinking aloud. Shown to the user; sent back only where `provider_state` says so."""

    text: str
    provider_state: ProviderState | UnsetType = UNSET


class RefusalPart(Value, frozen=True, tag="refusal"):
    """The model's own words for declining (`refusal` in OpenAI's API)."""

    text: str


class StepPart(Value, frozen=True, tag="step"):
    """The start of a new model call: of every one after the first."""


class HandoverPart(Value, frozen=True, tag="handover", rename={"from_model": "from", "to_model": "to"}):
    """A seam: one model stopped in mid-answer, and another goes on where it stopped (`chat/texts.py` joins the two).

    `reason` is the code of the error, or `continue` if the user asked to go on with an answer that was cut.
    """

    from_model: str
    to_model: str
    reason: str


class File(Value, frozen=True):
    """A file of a user. `bytes` is its size. `width` and `height` are a picture's, in pixels, `pages` a PDF's."""

    id: str
    name: str
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    pages: int | None
    created_at: str


class FilePart(Value, frozen=True, tag="file"):
    """A file in a message of the user, or of a function, by its id. `name` is the one that it has in this message."""

    file_id: str
    name: str
    media_type: str
    bytes: int
    width: int | None = None
    height: int | None = None
    pages: int | None = None


class ToolCallPart(Value, frozen=True, tag="tool_call"):
    """A tool call. `arguments_text` is what the model sent; `arguments` is null until that is complete and valid.

    `files` are those that the function returned beside its output.
    """

    call_id: str
    name: str
    kind: Kind | None
    arguments_text: str = ""
    arguments: dict[str, Any] | None = None
    state: CallState = "streaming"
    output: Any = None
    error: CallError | None = None
    provider_state: ProviderState | UnsetType = UNSET
    files: tuple[FilePart, ...] | UnsetType = UNSET


Part: TypeAlias = FilePart | TextPart | ReasoningPart | RefusalPart | StepPart | HandoverPart | ToolCallPart


class Message(Value, frozen=True):
    """One message. A whole turn of the assistant, with all its steps and tool calls, is one message.

    `client_id` is the id that the client gave a user message, if it gave one. It need not be unique. `claimed`: an
    answer that was not given here; a client that keeps its own history says that it was.
    """

    id: str
    session_id: str
    parent_id: str | None
    seq: int
    role: Role
    parts: tuple[Part, ...]
    run_id: str | None
    status: RunStatus
    created_at: str
    client_id: str | UnsetType = UNSET
    claimed: bool | UnsetType = UNSET


class PromptSnapshot(NamedTuple):
    """A system prompt as rendered for a run, and the functions as they were offered with it."""

    prompt: str
    functions: list[dict[str, Any]]


class Fact(Value, frozen=True):
    """A sentence that the user asked to be remembered, across sessions."""

    id: str
    text: str
    created_at: str


class Piece(Value, frozen=True):
    """A piece of a text that was found. `match`: these are words that were asked for."""

    text: str
    match: bool


class SearchResult(Value, frozen=True):
    """A message that matches a search. `snippet` is the text around the query's first word, and so are `pieces`."""

    session_id: str
    session_title: str | None
    message_id: str
    role: Role
    snippet: str
    pieces: list[Piece]
    created_at: str


class RunKey(NamedTuple):
    """By which the database finds a run and its log: the session's id, and the run's number within the session."""

    session_id: str
    number: int


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

    @property
    def key(self) -> RunKey:
        """The run's key in the database."""
        return RunKey(self.session_id, self.number)
