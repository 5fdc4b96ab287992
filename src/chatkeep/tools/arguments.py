"""Reading and checking the arguments of a tool call. Arguments are never guessed and never repaired.

Error messages are written for the model that has to correct the call: one short line, with the name of each wrong
field and what was expected of it (docs/functions.md, "Correction").
"""

import json
import math
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import msgspec
from pydantic import BaseModel, ValidationError

from chatkeep.text import clean_json

ArgumentCheck: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes arguments and returns them validated, with defaults filled in where the function declares some.

Raises `InvalidArguments`.
"""

MAX_ERROR_CHARS = 500
"""The length of the longest error message for the model, in characters."""
MAX_ERROR_FIELDS = 5
"""How many wrong fields an error message names at most."""


class InvalidArguments(ValueError):  # noqa: N818  # named as its error code, `invalid_arguments`
    """The arguments are not valid for the function. The message is written for the model."""


def parse_arguments(text: str) -> dict[str, Any]:
    """Parse the arguments that a model sent. No text, or only white space, means no arguments: `{}`.

    Characters that a database cannot store are replaced (`text.clean_json`).

    Raises:
        InvalidArguments: the text is not JSON, or not an object.
    """
    if not text.strip():
        return {}
    try:
        value: Any = clean_json(json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_finite))
    except (ValueError, RecursionError) as error:
        raise InvalidArguments(f"the arguments are not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArguments(f"the arguments must be a JSON object, not {_json_type_name(value)}")
    return cast("dict[str, Any]", value)


def model_check(model: type[BaseModel]) -> ArgumentCheck:
    """Return a check against a Pydantic model. It is strict, as JSON Schema is: the text "7" is no number."""
    return lambda arguments: validate(model, arguments).model_dump(mode="json", by_alias=True)


def validate(model: type[BaseModel], arguments: dict[str, Any]) -> BaseModel:
    """Return `arguments` as an instance of `model`, checked strictly.

    Raises:
        InvalidArguments: they do not fit the model.
    """
    try:
        return model.model_validate_json(msgspec.json.encode(arguments), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERROR_FIELDS]
        raise InvalidArguments(error_line([(each["loc"], each["msg"]) for each in problems])) from error
    except OverflowError as error:  # JSON allows larger integers than msgspec can write
        raise InvalidArguments("a number is too large") from error


def error_line(problems: list[tuple[tuple[int | str, ...], str]], subject: str = "arguments") -> str:
    """Return one short line that says of each wrong field, given by its path, what was expected of it.

    `subject` is the name of the whole, whose path is empty.
    """
    return one_line("; ".join(f"{'.'.join(map(str, path)) or subject}: {message}" for path, message in problems))


def one_line(text: str) -> str:
    """Return `text` on one line, cut to the length of an error message."""
    return " ".join(text.split())[:MAX_ERROR_CHARS]


def _parse_finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_type_name(value: object) -> str:
    names: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
