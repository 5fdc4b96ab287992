"""The strict form of a function's schema. In strict mode a provider lets the model write nothing that does not fit.

OpenAI's structured outputs support a part of JSON Schema only.

1. Objects must be closed, and all their fields required.
2. Keywords that only limit a value, and that strict mode does not support, are left out of the strict form. Arguments
   are always checked here too, against the whole schema.
3. Any other keyword that strict mode does not support means that there is no strict form: the schema is sent as it is.
4. Servers without a strict mode ignore it.

Source: OpenAI's guide to structured outputs, "Supported schemas".
"""

from collections.abc import Mapping
from typing import Any, cast

_STRICT_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minItems", "maxItems",
}  # fmt: skip
_OMITTED_KEYWORDS = {"title", "minLength", "maxLength", "uniqueItems", "examples"}
"""Keywords that can be left out: they do not change the shape of the arguments."""
_STRICT_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_SCHEMA_MAPS = ("properties", "$defs")
"""Keywords whose value is a mapping of names to schemas."""


def to_strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `schema` in strict form, or None if it has none."""
    try:
        return _convert(schema)
    except _NotStrict:
        return None


class _NotStrict(Exception):  # noqa: N818  # leaves the recursion; it is no error
    """The schema has something that strict mode does not support."""


def _convert(schema: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, Mapping):  # type: ignore[redundant-expr]  # `true` and `false` are schemas too
        raise _NotStrict
    strict: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _OMITTED_KEYWORDS or (keyword == "format" and value not in _STRICT_FORMATS):
            continue
        if keyword not in _STRICT_KEYWORDS:
            raise _NotStrict
        strict[keyword] = _convert_value(keyword, value)
    if "properties" in strict or strict.get("type") == "object":
        is_closed = strict.get("additionalProperties") is False
        if not is_closed or set(strict.get("required", ())) != set(strict.get("properties", {})):
            raise _NotStrict
    elif not strict.keys() & {"type", "enum", "const", "anyOf", "$ref"}:
        raise _NotStrict  # a schema that allows anything
    return strict


def _convert_value(keyword: str, value: Any) -> Any:
    if keyword in _SCHEMA_MAPS:
        if not isinstance(value, dict):  # in an older JSON Schema, `$defs` has no meaning and may be anything
            raise _NotStrict
        return {name: _convert(each) for name, each in cast("dict[str, Any]", value).items()}
    if keyword == "items":
        return _convert(value)
    if keyword == "anyOf":
        return [_convert(each) for each in cast("list[Any]", value)]
    return value
