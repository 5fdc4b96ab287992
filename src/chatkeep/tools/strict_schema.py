"""The strict form of a function's schema. In strict mode a provider lets the model write nothing that does not fit.

OpenAI's structured outputs support a part of JSON Schema only.

1. Objects must be closed, and all their fields required.
2. Keywords that only limit a value, and that strict mode does not support, are left out of the strict form. Arguments
   are always checked here too, against the whole schema.
3. Nothing stands beside a `$ref`. A description beside one moves up, to a choice that has only the reference.
4. Any other keyword that strict mode does not support, or too large a schema, means that there is no strict form: the
   schema is sent as it is.
5. Servers without a strict mode ignore it, or refuse it (`llm/openai_model.py` sends none then).

Source: OpenAI's guide to structured outputs, "Supported schemas".
"""

import re
from collections.abc import Mapping
from typing import Any, cast

MAX_OBJECT_LEVELS = 10
"""How deep objects may be nested in strict form (OpenAI's guide)."""
MAX_ENUM_VALUES = 1_000
"""How many values all `enum` of a schema have in strict form (OpenAI's guide)."""
MAX_LONG_ENUM_VALUES, MAX_LONG_ENUM_CHARS = 250, 15_000
"""An `enum` of more values than the first may have that many characters in all (OpenAI's guide)."""
_STRICT_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minItems", "maxItems",
}  # fmt: skip
_OMITTED_KEYWORDS = {"title", "minLength", "maxLength", "uniqueItems", "examples"}
"""Keywords that can be left out: they do not change the shape of the arguments."""
_STRICT_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_UNSUPPORTED_PATTERN = re.compile(r"\(\?[=!<]|\\[1-9]")
"""Look-around, back-references: what a grammar cannot hold."""
_SCHEMA_MAPS = ("properties", "$defs")
"""Keywords whose value is a mapping of names to schemas."""


def to_strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `schema` in strict form, or None if it has none."""
    try:
        strict = _convert(schema, 0)
    except _NotStrict:
        return None
    return strict if _count_enum_values(strict) <= MAX_ENUM_VALUES else None


class _NotStrict(Exception):  # noqa: N818  # leaves the recursion; it is no error
    """The schema has something that strict mode does not support."""


def _convert(schema: Mapping[str, Any], level: int) -> dict[str, Any]:
    """Return `schema` in strict form, `level` being the number of objects around it."""
    if not isinstance(schema, Mapping):  # type: ignore[redundant-expr]  # `true` and `false` are schemas too
        raise _NotStrict
    is_object = "properties" in schema or schema.get("type") == "object"
    strict: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _OMITTED_KEYWORDS or _is_unsupported_limit(keyword, value):
            continue
        if keyword not in _STRICT_KEYWORDS:
            raise _NotStrict
        strict[keyword] = _convert_value(keyword, value, level + is_object)
    if "$ref" in strict:
        return _lone_reference(strict)
    if is_object:
        return _closed_object(strict, level + 1)
    if not strict.keys() & {"type", "enum", "const", "anyOf"}:
        raise _NotStrict  # a schema that allows anything
    return strict


def _convert_value(keyword: str, value: Any, level: int) -> Any:
    if keyword in _SCHEMA_MAPS:
        if not isinstance(value, dict):  # in an older JSON Schema, `$defs` has no meaning and may be anything
            raise _NotStrict
        return {name: _convert(each, level) for name, each in cast("dict[str, Any]", value).items()}
    if keyword == "items":
        return _convert(value, level)
    if keyword == "anyOf":
        return [_convert(each, level) for each in cast("list[Any]", value)]
    if keyword == "enum":
        _check_enum(value)
    return value


def _is_unsupported_limit(keyword: str, value: Any) -> bool:
    if keyword == "pattern":
        return _UNSUPPORTED_PATTERN.search(str(value)) is not None
    return keyword == "format" and value not in _STRICT_FORMATS


def _lone_reference(strict: dict[str, Any]) -> dict[str, Any]:
    if strict.keys() == {"$ref"}:
        return strict
    if strict.keys() == {"$ref", "description"}:
        return {"description": strict["description"], "anyOf": [{"$ref": strict["$ref"]}]}
    raise _NotStrict


def _closed_object(strict: dict[str, Any], level: int) -> dict[str, Any]:
    names, required = strict.get("properties", {}), strict.get("required", [])
    if strict.get("additionalProperties") is not False or set(required) != set(names) or level > MAX_OBJECT_LEVELS:
        raise _NotStrict
    return {"type": "object"} | strict | {"properties": names, "required": required}


def _check_enum(values: Any) -> None:
    if not isinstance(values, list):
        raise _NotStrict
    texts = [each for each in cast("list[object]", values) if isinstance(each, str)]
    if len(texts) > MAX_LONG_ENUM_VALUES and sum(map(len, texts)) > MAX_LONG_ENUM_CHARS:
        raise _NotStrict


def _count_enum_values(node: Any) -> int:
    if isinstance(node, list):
        return sum(map(_count_enum_values, cast("list[Any]", node)))
    if not isinstance(node, dict):
        return 0
    fields = cast("dict[str, Any]", node)
    own = fields.get("enum")
    return (len(cast("list[Any]", own)) if isinstance(own, list) else 0) + sum(map(_count_enum_values, fields.values()))
