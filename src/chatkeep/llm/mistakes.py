"""Calls that are wrong, and calls that are corrected by what an error says. For the practice model."""

import json
import re
from collections.abc import Mapping
from typing import Any

from chatkeep.llm.sampling import WORD, Schema, sample_of

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
    """`arguments` as JSON, made wrong in one way: a number too large, an argument missing or of another type."""
    properties: dict[str, Any] = schema.get("properties", {})
    for name, each in properties.items():
        if "maximum" in each:
            return json.dumps({**arguments, name: each["maximum"] + 3})
    for name in schema.get("required", ()):
        return json.dumps({key: value for key, value in arguments.items() if key != name})
    for name, each in properties.items():
        return json.dumps({**arguments, name: [] if each.get("type") == "object" else {}})
    return json.dumps([WORD])


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
