"""Makes the arguments of a call invalid, and corrects a call by the text of an error. For the practice model."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from chatkeep.llm.practice.sampling import WORD, Schema, fits, sample_of

_FIELD = re.compile(r"(?:^|; )([\w-]+)(?:\.[\w.-]+)?: ([^;]*)")
_LIMITS = {
    re.compile(r"at least (\d+) character"): "minLength",
    re.compile(r"at most (\d+) character"): "maxLength",
    re.compile(r"a valid (UR[LI])"): "format",
}
"""Limits that an error tells and the strict form of a schema does not: pattern of the error, keyword of the schema."""
_MAXIMUM = re.compile(r"Input should be less than or equal to (-?\d+)$")
_ONE_OF = re.compile(r"Input should be '([^']*)'")


def make_invalid(schema: Schema, arguments: Mapping[str, Any]) -> str:
    """Return `arguments` as JSON, made invalid in one way.

    In this order: a number too large, an argument left out, an argument of another type, no object at all.
    """
    return json.dumps(next((each for each in _variants(schema, arguments) if not fits(schema, each)), [WORD]))


def _variants(schema: Schema, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    limits = {name: each["maximum"] for name, each in schema.get("properties", {}).items() if "maximum" in _keys(each)}
    yield from ({**arguments, name: limit + 3} for name, limit in limits.items())
    for name in schema.get("required", ()):
        yield {key: value for key, value in arguments.items() if key != name}
    for name in schema.get("properties", {}):
        yield {**arguments, name: {}}
        yield {**arguments, name: []}


def _keys(schema: Any) -> Iterable[str]:
    return cast("dict[str, Any]", schema) if isinstance(schema, dict) else ()  # `true` is a schema too


def correct(schema: Schema, arguments: Mapping[str, Any], intended: Mapping[str, Any], error: str) -> dict[str, Any]:
    """Return `arguments` with the fields that `error` names corrected, and all others unchanged.

    A field gets its `intended` value if that is another one, or else a value that fits the error or the schema.
    """
    if error.startswith("the arguments "):  # they are no object
        return {**intended}
    corrected = {**arguments}
    for name, fault in _FIELD.findall(error):
        if name == "arguments":
            known = {key: value for key, value in corrected.items() if key in schema.get("properties", {})}
            corrected = {**intended, **known}
        elif fault.startswith("Extra inputs"):
            corrected.pop(name, None)
        else:
            corrected[name] = _correct_value(schema, name, fault, arguments.get(name), intended.get(name))
    return corrected


def find_maximum(error: str) -> tuple[str, int] | None:
    """Return the first argument that `error` calls too large, and its maximum; None if there is none."""
    matches = [(name, _MAXIMUM.search(fault)) for name, fault in _FIELD.findall(error)]
    return next(((name, int(match[1])) for name, match in matches if match), None)


def _correct_value(schema: Schema, name: str, fault: str, current: Any, intended: Any) -> Any:
    if match := _MAXIMUM.search(fault):
        return int(match[1])
    if match := _ONE_OF.search(fault):
        return match[1]
    if intended is not None and intended != current:
        return intended
    limits = {keyword: match[1] for pattern, keyword in _LIMITS.items() if (match := pattern.search(fault))}
    return sample_of(schema, name, **{key: int(text) if text.isdecimal() else "uri" for key, text in limits.items()})
