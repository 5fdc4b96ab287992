"""Requests that start a run, as clients send them: a new message, or another answer to an old one.

They are validated once, at the edge, and handed on as they are. Unknown fields are refused; free text is made
storable on its way in (`chatkeep.text`).
"""

import hashlib
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chatkeep.chat.types import Part
from chatkeep.llm import Params
from chatkeep.runs.content import Content, Id
from chatkeep.settings.models_file import ModelParams
from chatkeep.text import clean_json
from chatkeep.tools.client_tool import ClientTool

MAX_CLIENT_TOOLS = 32
MAX_TURN_TOOLS = 128
"""How many functions come with a `ClientTurn`: as many as in OpenAI's API (reference, Chat Completions, `tools`)."""
MAX_ERRORS = 1000
"""How many errors of a body are looked at. Making a list of those that a body of 1 MB can have takes half a second."""


def distinct(tools: list[ClientTool]) -> list[ClientTool]:
    """Return `tools`. Raises ValueError if two of them have one name."""
    if len({tool.name for tool in tools}) < len(tools):
        raise ValueError("two functions of one name")
    return tools


ModelName: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(clean_json)]
ClientId: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The client's own id of the message."),
    BeforeValidator(clean_json),
]
OnBusy: TypeAlias = Annotated[
    Literal["reject", "interrupt"],
    Field(description="When an answer is being made: refuse with 409, or cancel that one and go on."),
]


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: dict[str, Any]) -> bool:
    return not value


class RequestModel(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_many_errors(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(value)
        except ValidationError as error:
            if error.error_count() <= MAX_ERRORS:
                raise
            count = {"count": error.error_count()}
        raise PydanticCustomError("too_many_errors", "{count} errors, too many to list", count)


class NamedFunction(RequestModel):
    """The function that a model has to call."""

    name: Annotated[str, Field(min_length=1, max_length=64)]


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedFunction


class AnswerOptions(RequestModel):
    """How the model is to answer. `params` left out: as the assistant and the model have it; null removes one."""

    params: Annotated[ModelParams | None, Field(exclude=True)] = None
    tool_choice: Annotated[ToolChoice | None, Field(exclude_if=_is_none)] = None

    @property
    def all_params(self) -> Params:
        """The parameters that are given, and the choice of a function among them as `tool_choice`."""
        choice = self.tool_choice
        if choice is None:
            return self._given_params
        return {
            **self._given_params,
            "tool_choice": choice.model_dump() if isinstance(choice, NamedFunction) else choice,
        }

    @property
    def _given_params(self) -> dict[str, Any]:
        return self.params.model_dump(exclude_unset=True) if self.params else {}

    def _fields_to_hash(self, exclude: set[str] | None = None) -> dict[str, Any]:
        """Return the fields that tell two requests apart. Without parameters, they are those of earlier versions."""
        params = {"params": self._given_params} if self._given_params else {}
        return {**self.model_dump(mode="json", exclude=exclude), **params}


class NewMessage(AnswerOptions):
    """A message of the user. `parent_id` left out: after the head; null: as a new first message."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content": "please explain the joke: why did the chicken cross the road?"}]}
    )

    content: Content
    parent_id: Id | None = None
    on_busy: OnBusy = "reject"
    tools: Annotated[list[ClientTool], Field(max_length=MAX_CLIENT_TOOLS), AfterValidator(distinct)] = []
    model: ModelName | None = None
    client_id: Annotated[ClientId | None, Field(exclude_if=_is_none)] = None

    @property
    def follows_head(self) -> bool:
        """True if the message goes after the head of the active branch, because it names no parent."""
        return "parent_id" not in self.model_fields_set

    def hash(self) -> str:
        """Return the hash that two equal requests share: route and validated body."""
        return _hash({"route": "messages", **self.hash_fields(set())})

    def hash_fields(self, exclude: set[str]) -> dict[str, Any]:
        """Return the fields that tell two requests apart, without those in `exclude`."""
        return self._fields_to_hash(exclude | ({"parent_id"} if self.follows_head else set()))


class EarlierMessage(NamedTuple):
    """A message that was said before: a user's, or an answer that the client claims."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ClientTurn(NewMessage):
    """A message with what was said before, from a client that keeps the history itself.

    It comes after `earlier` messages, with the beginning of its answer (`begun`): calls with their outputs, mostly.

    `instructions` are for this turn, in place of the session's, if they are not None. `takes_calls`: a call of
    one of its functions ends the run, as `completed`, and the outputs come with the client's next request. `noted` is
    kept in the run's record: the fields of a request that its answer repeats.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    tools: Annotated[list[ClientTool], Field(max_length=MAX_TURN_TOOLS), AfterValidator(distinct)] = []
    earlier: tuple[EarlierMessage, ...] = ()
    begun: tuple[Part, ...] = ()
    instructions: str | None = None
    takes_calls: bool = False
    noted: Annotated[dict[str, Any], BeforeValidator(clean_json)] = Field(default_factory=dict, exclude_if=_is_empty)

    def hash_fields(self, exclude: set[str]) -> dict[str, Any]:
        """See `NewMessage.hash_fields`."""
        own = {"earlier", "begun", "instructions", "takes_calls"}
        more = {"earlier": msgspec.to_builtins(self.earlier), "begun": msgspec.to_builtins(self.begun)}
        texts = {"instructions": self.instructions, "takes_calls": self.takes_calls}
        return {**super().hash_fields(exclude | own), **more, **texts}


class NewRun(AnswerOptions):
    """A user message to be answered once more (`message_id`), or an answer that was cut, to go on with (`continue`)."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["message_id"]}, {"required": ["continue"]}]})

    message_id: Annotated[Id | None, Field(exclude_if=_is_none)] = None
    continued_id: Annotated[Id | None, Field(alias="continue", exclude_if=_is_none)] = None
    model: ModelName | None = None
    on_busy: OnBusy = "reject"

    def hash(self) -> str:
        """See `NewMessage.hash`."""
        return _hash({"route": "runs", **self._fields_to_hash()})

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if (self.message_id is None) == (self.continued_id is None):
            raise ValueError("either message_id or continue, not both")
        return self


TurnRequest: TypeAlias = NewMessage | NewRun


def _hash(fields: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(fields, order="deterministic")).hexdigest()
