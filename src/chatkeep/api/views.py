"""The JSON values of answers, beside sessions, messages and runs themselves."""

from typing import Any

from msgspec import field

from chatkeep.chat.limits import LimitName, Limits, UsageSum, Used
from chatkeep.chat.people import AuditEntry, Scope, Token, User, UserRole, WayIn
from chatkeep.chat.types import Fact, Kind, Message, Run, SearchResult, Session, Value
from chatkeep.settings.models_file import ModelInput


class FieldProblem(Value, frozen=True):
    """Where a request is wrong, and how."""

    loc: list[str | int]
    msg: str
    type: str


class ProblemDocument(Value, frozen=True, omit_defaults=True):
    """An error, RFC 9457; `code` is what a program should look at."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[FieldProblem] | None = None
    run_id: str | None = None
    message_id: str | None = None
    sign_in: str | None = None
    limit: LimitName | None = None
    resets_at: str | None = None


class OpenAIErrorFields(Value, frozen=True, omit_defaults=True):
    """An error, as OpenAI's clients read it. `code` is that of the problem document; `param` is the field at fault."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None


class OpenAIError(Value, frozen=True):
    """The answer to a request below `/v1` that is refused or fails."""

    error: OpenAIErrorFields


class SessionPage(Value, frozen=True):
    """Sessions; `next` is the `before` of the next page."""

    data: list[Session]
    next: str | None


class MessagePage(Value, frozen=True):
    """Messages, oldest first. `position` is where `GET /api/sessions/{id}/events` goes on."""

    data: list[Message]
    next: str | None
    position: str


class RunAnswer(Value, frozen=True):
    """A run with the message it answers and its own."""

    run: Run
    user_message: Message
    message: Message


class ToolView(Value, frozen=True):
    """A function of an assistant."""

    name: str
    description: str
    parameters: dict[str, Any]
    kind: Kind


class AssistantView(Value, frozen=True):
    """An assistant. `instructions`: a session of it may have instructions of its user."""

    name: str
    description: str
    model: str | None
    tools: list[ToolView]
    instructions: bool


class AssistantDetails(AssistantView, frozen=True):
    """An assistant, with what a user might say first."""

    starters: list[str]


class PromptView(Value, frozen=True):
    """A run's prompt: the system prompt as rendered, the functions as they were offered to the model, and parameters.

    `params` are those of the request and of the assistant.
    """

    assistant: str
    hash: str
    prompt: str
    functions: list[dict[str, Any]]
    params: dict[str, Any]


class AssistantPage(Value, frozen=True):
    """All assistants."""

    data: list[AssistantView]
    next: str | None


class PriceView(Value, frozen=True):
    """Prices of a million tokens. `cached_input` is null where it is the same as `input`."""

    input: float
    cached_input: float | None
    output: float
    currency: str


class ModelView(Value, frozen=True):
    """A model that a session or a message may name. `context_tokens`: the longest prompt; `input`: kinds of parts."""

    name: str
    provider: str
    context_tokens: int
    input: list[ModelInput]
    price: PriceView | None


class ModelPage(Value, frozen=True):
    """All models."""

    data: list[ModelView]
    next: str | None


class FactPage(Value, frozen=True):
    """Facts, newest first; `next` is the `before` of the next page."""

    data: list[Fact]
    next: str | None


class SearchResultPage(Value, frozen=True):
    """Messages that were found, and sessions whose title has the words; `next` is the `before` of the next page."""

    data: list[SearchResult]
    sessions: list[Session]
    next: str | None


class Health(Value, frozen=True):
    """`ok`, or what is wrong."""

    status: str
    checks: dict[str, str]


class SessionUpdated(Value, frozen=True, tag="session.updated"):
    """Between the runs of a session: it was changed."""

    session: Session


class SessionDeleted(Value, frozen=True, tag="session.deleted"):
    """The session is gone; the stream closes."""

    session_id: str


class SessionsChanged(Value, frozen=True, tag="sessions.changed"):
    """The list of your sessions may have changed: read it again."""


class Me(Value, frozen=True):
    """The caller. `way`: how they are known; `local` where no sign-in is asked for. `limits`: those that hold."""

    id: str
    name: str | None
    role: UserRole
    way: WayIn
    scope: Scope
    expires_at: str | None
    limits: Limits
    used: Used


class TokenPage(Value, frozen=True):
    """Tokens, newest first; `next` is the `before` of the next page."""

    data: list[Token]
    next: str | None


class NewTokenView(Value, frozen=True):
    """A new token. `text` is what a script sends, and is shown this once."""

    token: Token
    text: str


class UserView(User, frozen=True):
    """A user, and the limits of their own; where there is none, the setting's holds."""

    limits: Limits


class UserPage(Value, frozen=True):
    """Users; `next` is the `after` of the next page."""

    data: list[UserView]
    next: str | None


class UsagePage(Value, frozen=True):
    """Usage between two days, both included, by day, model or user; `next` is the `after` of the next page."""

    first: str = field(name="from")
    last: str = field(name="to")
    by: str
    currency: str
    data: list[UsageSum]
    next: str | None


class AuditPage(Value, frozen=True):
    """Entries of the audit table, newest first; `next` is the `before` of the next page."""

    data: list[AuditEntry]
    next: str | None
