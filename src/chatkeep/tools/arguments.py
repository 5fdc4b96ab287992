"""What a model sent as a call's arguments: read, and checked against what the function takes. Never guessed.

An error is written for the model that has to correct it: each field by name, and what was expected of it, on one
short line.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import jsonschema_rs
import msgspec
from pydantic import BaseModel, ValidationError

from chatkeep.text import clean_json

ArgumentCheck: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Arguments in, valid arguments out; raises `InvalidArguments`."""

MAX_ERROR_CHARS = 500
"""Characters of an error that a model is told."""
MAX_ERROR_FIELDS = 5
"""Fields that an error names."""


class InvalidArguments(ValueError):  # noqa: N818  # named as the protocol names it
    """Arguments that are not what the function takes; the message is written for the model."""


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


def model_check(model: type[BaseModel]) -> ArgumentCheck:
    """A check by a Pydantic model: strict, so that "7" is no number, as JSON Schema has it."""
    return lambda arguments: validate(model, arguments).model_dump(mode="json", by_alias=True)


def schema_check(schema: dict[str, Any]) -> ArgumentCheck:
    """A check by a JSON Schema from outside: of a client, or an MCP server. It may refer to no other document.

    Raises:
        ValueError: it is not a JSON Schema.
    """
    try:
        validator = jsonschema_rs.validator_for(schema, offline=True)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ValueError(_one_line(str(error).partition("\n")[0])) from error
    return partial(_check_schema, validator)


def validate(model: type[BaseModel], arguments: dict[str, Any]) -> BaseModel:
    """`arguments` as a `model`.

    Raises:
        InvalidArguments: they are none.
    """
    try:
        return model.model_validate_json(msgspec.json.encode(arguments), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERROR_FIELDS]
        raise InvalidArguments(_error_line([(each["loc"], each["msg"]) for each in problems])) from error
    except OverflowError as error:  # JSON knows larger integers than msgspec writes
        raise InvalidArguments("a number is too large") from error


def _check_schema(validator: jsonschema_rs.Validator, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        problems = list(zip(validator.iter_errors(arguments), range(MAX_ERROR_FIELDS)))  # noqa: B905  # the first few, of any number
    except ValueError as error:  # an integer beyond what the validator reads
        raise InvalidArguments(_one_line(str(error))) from error
    if problems:
        raise InvalidArguments(_error_line([(tuple(each.instance_path), each.message) for each, _ in problems]))
    return arguments


def _error_line(problems: list[tuple[tuple[int | str, ...], str]]) -> str:
    """One short line: each field, and what was expected of it."""
    return _one_line("; ".join(f"{'.'.join(map(str, where)) or 'arguments'}: {what}" for where, what in problems))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_ERROR_CHARS]


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_type(value: object) -> str:
    names: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
