"""The strict form of a function's schema, for providers that then let the model write nothing else.

OpenAI's structured outputs take a part of JSON Schema only: objects are closed and all their fields required, and
some limits are not known. Limits that strict mode does not know are left out, since arguments are always checked
here too; whatever else does not fit makes the whole schema plain. Servers that know no strict mode ignore it.
Source: OpenAI's guide to structured outputs, "Supported schemas".
"""

from collections.abc import Mapping
from typing import Any, cast

_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minItems", "maxItems",
}  # fmt: skip
_DROPPED = {"title", "minLength", "maxLength", "uniqueItems", "examples"}
"""What may be left out without changing which shape arguments have."""
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_SCHEMA_MAPS = ("properties", "$defs")
"""Keywords whose value is a mapping of names to schemas."""


def to_strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """`schema` in strict form; None when it does not qualify."""
    try:
        return _convert(schema)
    except _NotStrict:
        return None


class _NotStrict(Exception):  # noqa: N818  # a way out of the recursion, no error
    """The schema has something that strict mode does not."""


def _convert(schema: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, Mapping):  # type: ignore[redundant-expr]  # `true` is a schema too
        raise _NotStrict
    form: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _DROPPED or (keyword == "format" and value not in _FORMATS):
            continue
        if keyword not in _KEYWORDS:
            raise _NotStrict
        form[keyword] = _convert_value(keyword, value)
    if "properties" in form or form.get("type") == "object":
        closed = form.get("additionalProperties") is False
        if not closed or set(form.get("required", ())) != set(form.get("properties", {})):
            raise _NotStrict
    elif not form.keys() & {"type", "enum", "const", "anyOf", "$ref"}:
        raise _NotStrict  # anything at all
    return form


def _convert_value(keyword: str, value: Any) -> Any:
    if keyword in _SCHEMA_MAPS:
        if not isinstance(value, dict):  # an older JSON Schema does not know `$defs`, which may be anything there
            raise _NotStrict
        return {name: _convert(each) for name, each in cast("dict[str, Any]", value).items()}
    if keyword == "items":
        return _convert(value)
    if keyword == "anyOf":
        return [_convert(each) for each in cast("list[Any]", value)]
    return value
