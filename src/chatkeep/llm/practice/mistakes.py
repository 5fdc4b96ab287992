"""Calls that are wrong, and calls that are corrected by what an error says. For the practice model."""

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
"""What an error says that the strict form of a schema does not."""
_HIGHEST = re.compile(r"Input should be less than or equal to (-?\d+)$")
_ONE_OF = re.compile(r"Input should be '([^']*)'")


def wrong(schema: Schema, arguments: Mapping[str, Any]) -> str:
    """`arguments` as JSON, made wrong in one way: a number too large, one left out, one of another type, no object."""
    return json.dumps(next((each for each in _attempts(schema, arguments) if not fits(schema, each)), [WORD]))


def _attempts(schema: Schema, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    limits = {name: each["maximum"] for name, each in schema.get("properties", {}).items() if "maximum" in _keys(each)}
    yield from ({**arguments, name: limit + 3} for name, limit in limits.items())
    for name in schema.get("required", ()):
        yield {key: value for key, value in arguments.items() if key != name}
    for name in schema.get("properties", {}):
        yield {**arguments, name: {}}
        yield {**arguments, name: []}


def _keys(schema: Any) -> Iterable[str]:
    return cast("dict[str, Any]", schema) if isinstance(schema, dict) else ()  # `true` is a schema too


def corrected(schema: Schema, arguments: Mapping[str, Any], meant: Mapping[str, Any], error: str) -> dict[str, Any]:
    """`arguments` with what `error` names put right: as it was `meant`, if that is something else, or as the error
    or the schema says. The rest stays as it is.
    """
    if error.startswith("the arguments "):  # they are no object
        return {**meant}
    right = {**arguments}
    for name, fault in _FIELD.findall(error):
        if name == "arguments":
            right = {**meant, **{key: value for key, value in right.items() if key in schema.get("properties", {})}}
        elif fault.startswith("Extra inputs"):
            right.pop(name, None)
        else:
            right[name] = _right(schema, name, fault, arguments.get(name), meant.get(name))
    return right


def highest(error: str) -> tuple[str, int] | None:
    """The argument that an error calls too large, and the most that it may be; None where none is."""
    found = [(name, _HIGHEST.search(fault)) for name, fault in _FIELD.findall(error)]
    return next(((name, int(match[1])) for name, match in found if match), None)


def _right(schema: Schema, name: str, fault: str, was: Any, meant: Any) -> Any:
    if match := _HIGHEST.search(fault):
        return int(match[1])
    if match := _ONE_OF.search(fault):
        return match[1]
    if meant is not None and meant != was:
        return meant
    limits = {keyword: match[1] for pattern, keyword in _LIMITS.items() if (match := pattern.search(fault))}
    return sample_of(schema, name, **{key: int(n) if n.isdecimal() else "uri" for key, n in limits.items()})
