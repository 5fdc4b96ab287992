"""Functions that a model may call: declared by a decorator, described by JSON Schema, checked before anything happens.

    @tool(kind="reply")
    class Recipe(BaseModel):
        '''Use this to answer with a recipe.'''

The declaration is the single source: the schema sent to the model, the validation of what it sends back,
and the documentation all come from it.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar, cast

import msgspec
from pydantic import BaseModel, ValidationError

from chatkeep.text import clean_json
from chatkeep.types import Kind

_M = TypeVar("_M", bound=type[BaseModel])
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


LONGEST = 500
"""Characters of an error that a model is told."""


class InvalidArguments(ValueError):  # noqa: N818  # named as the protocol names it
    """Arguments that are not what the function takes; the message is written for the model."""


class Tool(NamedTuple):
    """A function: what the model is told of it, and how its arguments are checked."""

    name: str
    description: str
    kind: Kind
    parameters: dict[str, Any]
    check: Callable[[dict[str, Any]], dict[str, Any]]

    def offered(self) -> dict[str, Any]:
        """How it is offered to the provider (Chat Completions, `tools`)."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


_declared: dict[str, Tool] = {}


def tool(*, kind: Literal["reply"]) -> Callable[[_M], _M]:
    """Declare a function. The decorated class is left as it is.

    A `reply` is a Pydantic model: its validated arguments are the answer shown to the user. Its name is the
    class's in snake_case, its description the docstring.
    """

    def declare(model: _M) -> _M:
        name = _WORD.sub("_", model.__name__).lower()
        schema = model.model_json_schema()
        description = str(schema.pop("description", ""))
        _declared[name] = Tool(name, description, kind, schema, partial(_checked, model))
        return model

    return declare


def declared() -> Mapping[str, Tool]:
    """All functions declared so far, by name; importing a module declares its functions."""
    return _declared


def parse(text: str) -> dict[str, Any]:
    """A call's arguments as the model sent them, as an object. Nothing at all is an empty one (protocol §8).

    Raises:
        InvalidArguments: it is not JSON, or not an object. It is never guessed what was meant.
    """
    if not text.strip():
        return {}
    try:
        value: Any = clean_json(json.loads(text, parse_constant=_no_constant, parse_float=_finite))
    except (ValueError, RecursionError) as error:
        raise InvalidArguments(f"the arguments are not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArguments(f"the arguments must be a JSON object, not {_json_type(value)}")
    return cast("dict[str, Any]", value)


def _checked(model: type[BaseModel], arguments: dict[str, Any]) -> dict[str, Any]:
    """`arguments` after validation: strict, so that "7" is no number, as JSON Schema has it."""
    try:
        valid = model.model_validate_json(msgspec.json.encode(arguments), strict=True)
    except ValidationError as error:
        raise InvalidArguments(_told(error)) from error
    except OverflowError as error:  # JSON knows larger integers than msgspec writes
        raise InvalidArguments("a number is too large") from error
    return valid.model_dump(mode="json")


def _told(error: ValidationError) -> str:
    """One short line: each field, and what was expected of it."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    told = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in problems)
    return " ".join(told.split())[:LONGEST]


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_type(value: object) -> str:
    names: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
