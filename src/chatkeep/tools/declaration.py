"""Functions that a model may call: declared by a decorator, described by JSON Schema, checked before anything happens.

    @tool(safety="read_only")                     # an action: runs here, its output goes back to the model
    async def weather(city: str) -> str:
        '''Forecast for a city.'''

    @tool(kind="reply")                           # a reply: its arguments are the answer
    class Recipe(BaseModel):
        '''Use this to answer with a recipe.'''

The declaration is the single source: the schema sent to the model, the validation of what it sends back,
and the documentation all come from it. How an action is run stands in `execution.py`.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema

from chatkeep.chat.types import Kind
from chatkeep.tools.arguments import ArgumentCheck, model_check, validate
from chatkeep.tools.context import ToolContext
from chatkeep.tools.strict_schema import to_strict_schema
from chatkeep.tools.threads import run_in_thread

Safety: TypeAlias = Literal["read_only", "idempotent", "unsafe"]
"""What running an action twice would do: nothing at all, nothing more, or harm."""

_M = TypeVar("_M", bound=type[BaseModel])
_F = TypeVar("_F", bound=Callable[..., Any])
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What providers accept as a function's name (OpenAI, Chat Completions, `tools`)."""


class ToolError(Exception):
    """Raise it in an action: the message is told to the model. What else an action raises is only logged."""


ToolRunner: TypeAlias = Callable[[dict[str, Any], ToolContext], Awaitable[Any]]
"""Runs an action: valid arguments and the caller in, its output out."""


@dataclass(frozen=True)
class Tool:
    """A function: what the model is told of it, how its arguments are checked, and how it runs.

    `safety`, `run` and `timeout` (seconds; None: the setting) are those of an action, and None for other kinds.
    """

    name: str
    description: str
    kind: Kind
    parameters: dict[str, Any]
    check: ArgumentCheck
    safety: Safety | None = None
    run: ToolRunner | None = None
    timeout: float | None = None

    @cached_property
    def definition(self) -> dict[str, Any]:
        """How it is offered to the provider (Chat Completions, `tools`): in strict form where that is possible."""
        function: dict[str, Any] = {"name": self.name, "description": self.description, "parameters": self.parameters}
        if (form := to_strict_schema(self.parameters)) is not None:
            function |= {"parameters": form, "strict": True}
        return {"type": "function", "function": function}


class _Declaration(NamedTuple):
    tool: Tool
    origin: str
    file: str
    line: int


_declared: dict[str, _Declaration] = {}


@overload
def tool(declared: _F, /) -> _F: ...
@overload
def tool(*, kind: Literal["reply", "client"]) -> Callable[[_M], _M]: ...
@overload
def tool(*, safety: Safety = "unsafe", timeout: float | None = None) -> Callable[[_F], _F]: ...
def tool(
    declared: Any = None, /, *, kind: Kind = "action", safety: Safety = "unsafe", timeout: float | None = None
) -> Any:
    """Declare a function. What is decorated is left as it is.

    An action is a function with typed parameters; `async def` runs on the event loop, plain `def` in a thread, for
    `timeout` seconds at the most. A `reply` is a Pydantic model: its validated arguments are the answer shown to the
    user. A `client` function is a Pydantic model too: it runs where the client is, which offers it by its name.
    The name is the Python name, a class's in snake_case; the description is the docstring.

    Raises:
        TypeError: it cannot be a function: no docstring, no types, a name that is taken.
        ValueError: `kind`, `safety` or `timeout` is none.
    """
    for name, value, allowed in (("kind", kind, get_args(Kind)), ("safety", safety, get_args(Safety))):
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: one of {', '.join(map(repr, allowed))}")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):  # type: ignore[redundant-expr]  # an operator's
        raise ValueError(f"timeout={timeout!r}: seconds, more than 0; or None, for CHATKEEP_TOOL_TIMEOUT")
    caller = getattr(inspect.currentframe(), "f_back", None)
    place = (caller.f_code.co_filename, caller.f_lineno) if caller else ("", 0)

    def declare(declared: Any) -> Any:
        if kind == "action":
            return _declare(_action(declared, safety, timeout), declared, *place)
        if not (inspect.isclass(declared) and issubclass(declared, BaseModel)):
            raise TypeError(f"{declared.__qualname__}: a function of kind {kind!r} is a Pydantic model")
        name = _WORD.sub("_", declared.__name__).lower()
        return _declare(
            Tool(name, _description(declared), kind, schema_of(declared), model_check(declared)), declared, *place
        )

    return declare if declared is None else declare(declared)


def declared_tools() -> dict[str, Tool]:
    """All functions declared so far, by name; importing a module declares its functions."""
    return {name: each.tool for name, each in _declared.items()}


def select_tools(known: Mapping[str, Tool], names: Iterable[str]) -> dict[str, Tool]:
    """Those of the functions `known` that `names` mean, in that order: a name each, or a pattern such as `wiki_*`.

    What is not known at the moment, as its server is not there, is left out.
    """
    return {
        found: known[found]
        for name in names
        for found in (sorted(each for each in known if fnmatchcase(each, name)) if "*" in name else [name])
        if found in known
    }


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of `model`, without the titles that say a field's name once more."""
    schema = model.model_json_schema(schema_generator=_Untitled)
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def _declare(tool: Tool, declared: Any, file: str, line: int) -> Any:
    origin = f"{declared.__module__}.{declared.__qualname__}"
    if not NAME_PATTERN.fullmatch(tool.name):
        raise TypeError(f"{origin}: a function's name has 1 to 64 letters, digits, - or _")
    other = _declared.get(tool.name)
    if other is not None and (other.origin != origin or (other.file == file and other.line != line)):
        taken = f"{other.origin} ({Path(other.file).name}, line {other.line})"
        raise TypeError(f"{origin}: there is a function {tool.name!r} already: {taken}")
    _declared[tool.name] = _Declaration(tool, origin, file, line)
    return declared


def _action(function: Callable[..., Any], safety: Safety, timeout: float | None) -> Tool:
    if not inspect.isfunction(function):
        raise TypeError(f"{function!r} is no function; of a class, say its kind: @tool(kind='reply')")
    model, for_caller = _argument_model(function)
    runs = _in_loop if inspect.iscoroutinefunction(function) else _in_thread

    async def run(arguments: dict[str, Any], caller: ToolContext) -> Any:
        valid = validate(model, arguments)
        values = {name: getattr(valid, name) for name in model.model_fields}
        for name, wanted in for_caller.items():
            if not isinstance(caller, wanted):
                raise ToolError("this function needs the service, and there is none here")
            values[name] = caller
        return await runs(function, values)

    name, description = function.__name__, _description(function)
    return Tool(name, description, "action", schema_of(model), model_check(model), safety, run, timeout)


def _argument_model(function: Callable[..., Any]) -> tuple[type[BaseModel], dict[str, type[ToolContext]]]:
    """A model of the parameters that the model fills in, and the parameters that get the caller."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for_caller: dict[str, type[ToolContext]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name not in hints:
            raise TypeError(f"{function.__qualname__}: parameter {name!r} must be a plain one with a type")
        if name.startswith("_") or name == "model_config":  # no names of a Pydantic field
            raise TypeError(f"{function.__qualname__}: a parameter cannot be called {name!r}")
        if inspect.isclass(hints[name]) and issubclass(hints[name], ToolContext):
            for_caller[name] = hints[name]
        else:
            fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    return create_model(function.__name__, __config__=config, **fields), for_caller


def _description(declared: Any) -> str:
    description = inspect.cleandoc(declared.__doc__ or "")
    if not description:
        raise TypeError(f"{declared.__qualname__}: a function needs a docstring; it is what the model knows of it")
    return description


async def _in_loop(function: Callable[..., Awaitable[Any]], values: Mapping[str, Any]) -> Any:
    return await function(**values)


async def _in_thread(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    return await run_in_thread(lambda: function(**values))
