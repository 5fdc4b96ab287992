"""Functions that a model may call: a decorator declares them, and their schema is made from their types.

    @tool(safety="read_only")                     # an action: runs here, its output goes back to the model
    async def weather(city: str) -> str:
        '''Forecast for a city.'''

    @tool(kind="reply")                           # a reply: its arguments are the answer
    class Recipe(BaseModel):
        '''Use this to answer with a recipe.'''

The declaration is the single source. The JSON Schema that the model is sent, the validation of what the model sends
back, and the documentation are all made from it. `execution.py` runs the actions.
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
from chatkeep.tools.names import NAME_PATTERN
from chatkeep.tools.offered_schema import to_offered_schema
from chatkeep.tools.strict_schema import to_strict_schema
from chatkeep.tools.threads import run_in_thread

Safety: TypeAlias = Literal["read_only", "idempotent", "unsafe"]
"""The effect of running an action twice: `read_only` changes nothing, `idempotent` nothing more, `unsafe` may harm."""

_M = TypeVar("_M", bound=type[BaseModel])
_F = TypeVar("_F", bound=Callable[..., Any])
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""The place before each word but the first in a class's name: `HTTPError` is `HTTP` and `Error`."""


class ToolError(Exception):
    """Raised by an action to give the model its message. Of any other error the model reads the class only."""


ToolRunner: TypeAlias = Callable[[dict[str, Any], ToolContext], Awaitable[Any]]
"""Runs an action: takes valid arguments and the context of the call, and returns the action's output."""


@dataclass(frozen=True)
class Tool:
    """A function: its description for the model, the check of its arguments, and how it runs.

    `parameters` is the JSON Schema of its arguments. `safety`, `run` and `timeout` are an action's, and None for the
    other kinds. `timeout` is in seconds; None means CHATKEEP_TOOL_TIMEOUT.
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
        """The function as the provider is sent it (Chat Completions, `tools`), in strict form if the schema allows.

        It is made once, which takes a while for a large schema. Code that makes functions asks for it at once, so that
        a schema that no provider takes fails there, and not in a turn.

        Raises:
            ValueError: its schema is not that of an object.
        """
        offered = to_offered_schema(self.parameters)
        function: dict[str, Any] = {"name": self.name, "description": self.description, "parameters": offered}
        if (strict_schema := to_strict_schema(offered)) is not None:
            function |= {"parameters": strict_schema, "strict": True}
        return {"type": "function", "function": function}


class _Declaration(NamedTuple):
    tool: Tool
    origin: str  # module and qualified name of the decorated object
    file: str
    line: int


_declarations: dict[str, _Declaration] = {}
"""The declarations of this process, by the tool's name."""


@overload
def tool(target: _F, /) -> _F: ...
@overload
def tool(*, kind: Literal["reply", "client"]) -> Callable[[_M], _M]: ...
@overload
def tool(*, safety: Safety = "unsafe", timeout: float | None = None) -> Callable[[_F], _F]: ...
def tool(
    target: Any = None, /, *, kind: Kind = "action", safety: Safety = "unsafe", timeout: float | None = None
) -> Any:
    """Declare the decorated object as a function that a model may call, and return it unchanged.

    An action is a function with typed parameters. `async def` runs on the event loop, plain `def` in a thread, each
    for at most `timeout` seconds. A `reply` is a Pydantic model: its validated arguments are the answer that the user
    sees. A `client` function is a Pydantic model too: it runs where the client is, and clients offer it by its name.
    The tool's name is the Python name (a class's in snake_case), its description is the docstring.

    Raises:
        TypeError: the object cannot be a tool: it has no docstring or no types, or its name is taken.
        ValueError: `kind`, `safety` or `timeout` is not a valid value.
    """
    for name, value, allowed in (("kind", kind, get_args(Kind)), ("safety", safety, get_args(Safety))):
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: one of {', '.join(map(repr, allowed))}")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):  # type: ignore[redundant-expr]  # an operator's
        raise ValueError(f"timeout={timeout!r}: seconds, more than 0; or None, for CHATKEEP_TOOL_TIMEOUT")
    frame = getattr(inspect.currentframe(), "f_back", None)
    location = (frame.f_code.co_filename, frame.f_lineno) if frame else ("", 0)

    def declare(target: Any) -> Any:
        if kind == "action":
            return _register(_action_tool(target, safety, timeout), target, *location)
        if not (inspect.isclass(target) and issubclass(target, BaseModel)):
            raise TypeError(f"{target.__qualname__}: a function of kind {kind!r} is a Pydantic model")
        name = _WORD_BOUNDARY.sub("_", target.__name__).lower()
        declared_tool = Tool(name, _description(target), kind, schema_of(target), model_check(target))
        return _register(declared_tool, target, *location)

    return declare if target is None else declare(target)


def declared_tools() -> dict[str, Tool]:
    """Return all tools declared so far, by name. Importing a module declares its tools."""
    return {name: declaration.tool for name, declaration in _declarations.items()}


def select_tools(known: Mapping[str, Tool], names: Iterable[str]) -> dict[str, Tool]:
    """Return those of the tools `known` that `names` mean, by name and in the order of `names`.

    A name is a tool's own, or a pattern such as `wiki_*`. A name that is not known is left out: the MCP server that
    has the tool may be away at the moment.
    """
    return {
        tool_name: known[tool_name]
        for name in names
        for tool_name in (sorted(each for each in known if fnmatchcase(each, name)) if "*" in name else [name])
        if tool_name in known
    }


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of `model`, without titles: they only repeat the names of its fields."""
    schema = model.model_json_schema(schema_generator=_UntitledSchema)
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


class _UntitledSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def _register(tool: Tool, target: Any, file: str, line: int) -> Any:
    """Store the declaration of `tool`, and return `target`. A module imported again replaces its own tools."""
    origin = f"{target.__module__}.{target.__qualname__}"
    if not NAME_PATTERN.fullmatch(tool.name):
        raise TypeError(f"{origin}: a function's name has 1 to 64 letters, digits, - or _")
    try:
        assert tool.definition  # made and kept
    except ValueError as error:
        raise TypeError(f"{origin}: {error}") from error
    other = _declarations.get(tool.name)
    if other is not None and (other.origin != origin or (other.file == file and other.line != line)):
        existing = f"{other.origin} ({Path(other.file).name}, line {other.line})"
        raise TypeError(f"{origin}: there is a function {tool.name!r} already: {existing}")
    _declarations[tool.name] = _Declaration(tool, origin, file, line)
    return target


def _action_tool(function: Callable[..., Any], safety: Safety, timeout: float | None) -> Tool:
    if not inspect.isfunction(function):
        raise TypeError(f"{function!r} is no function; of a class, say its kind: @tool(kind='reply')")
    model, context_parameters = _argument_model(function)
    call_function = _call_in_loop if inspect.iscoroutinefunction(function) else _call_in_thread

    async def run(arguments: dict[str, Any], context: ToolContext) -> Any:
        valid = validate(model, arguments)
        values = {name: getattr(valid, name) for name in model.model_fields}
        for name, context_type in context_parameters.items():
            if not isinstance(context, context_type):
                raise ToolError("this function needs the service, and there is none here")
            values[name] = context
        return await call_function(function, values)

    name, description = function.__name__, _description(function)
    return Tool(name, description, "action", schema_of(model), model_check(model), safety, run, timeout)


def _argument_model(function: Callable[..., Any]) -> tuple[type[BaseModel], dict[str, type[ToolContext]]]:
    """Return a Pydantic model of the parameters that the LLM fills in, and the types of those that get the context."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    context_parameters: dict[str, type[ToolContext]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name not in hints:
            raise TypeError(f"{function.__qualname__}: parameter {name!r} must be a plain one with a type")
        if name.startswith("_") or name == "model_config":  # a Pydantic field cannot have these names
            raise TypeError(f"{function.__qualname__}: a parameter cannot be called {name!r}")
        if inspect.isclass(hints[name]) and issubclass(hints[name], ToolContext):
            context_parameters[name] = hints[name]
        else:
            fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    return create_model(function.__name__, __config__=config, **fields), context_parameters


def _description(target: Any) -> str:
    description = inspect.cleandoc(target.__doc__ or "")
    if not description:
        raise TypeError(f"{target.__qualname__}: a function needs a docstring; it is what the model knows of it")
    return description


async def _call_in_loop(function: Callable[..., Awaitable[Any]], values: Mapping[str, Any]) -> Any:
    return await function(**values)


async def _call_in_thread(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    return await run_in_thread(lambda: function(**values))
