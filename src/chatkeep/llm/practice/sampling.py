"""Makes arguments for any function from its JSON Schema. The practice model calls functions with them.

They fit the schema and mean nothing. A limit that cannot be met (a pattern that none of `_WORDS` fits) is ignored: the
service answers with the error.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any, cast

from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.json_schema import schema_check

WORD = "practice"
"""The value for free text."""
_WORDS = (
    WORD, "Practice", "PRACTICE", "p", "P", "NO", "NOK", "US", "en", "en-US", "0", "1", "42", "0000", "12345", "a1",
    "A1", "2026-01-02", "2026-01", "12:00", "12:00:00", "1.0", "1.0.0", "#00aa00", "+4722334455", "/practice",
    "https://example.org/", "practice@example.org",
)  # fmt: skip
"""The texts that are tried for a pattern, in this order."""
_FORMATS = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "practice@example.org",
    "hostname": "example.org",
    "uri": "https://example.org/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
_COMPARISONS = {"minimum": ge, "exclusiveMinimum": gt, "maximum": le, "exclusiveMaximum": lt}
_MAX_OPTIONAL_DEPTH = 6
"""The level below which optional values are left out, because a schema may refer to itself."""
_MAX_DEPTH = 40
"""The level below which every value is null; also how many references one schema follows."""
_MAX_VALUES = 1_000
"""Values made for one schema, and items of one list. Every value beyond them is null."""
_MAX_TEXT_CHARS = 10_000

Schema = Mapping[str, Any]
"""A JSON Schema; that of a function describes an object."""


def sample(schema: Schema) -> dict[str, Any]:
    """Return arguments that fit `schema`, that of a function: the required ones, and those with a default."""
    return _Sampler(schema).object(schema, 0)


def sample_of(schema: Schema, name: str, **limits: Any) -> Any:
    """Return a value for the argument `name` of the function with that `schema`; `limits`: further keywords for it."""
    return _Sampler(schema).value({**schema.get("properties", {}).get(name, {}), **limits}, 0)


def find_free_text(schema: Schema) -> str | None:
    """Return the name of the first argument that takes any text; None if there is none."""
    sampler = _Sampler(schema)
    return next((name for name, each in schema.get("properties", {}).items() if sampler.takes_any_text(each)), None)


def fits(schema: Schema, arguments: dict[str, Any]) -> bool:
    """Return True if `arguments` are valid by `schema`. By a schema that is itself not valid, everything is."""
    try:
        schema_check({**schema})(arguments)
    except InvalidArguments:
        return False
    except ValueError:
        return True
    return True


class _Sampler:
    """A maker of values for one schema and its subschemas. `depth`: how many levels inside the schema a value is."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._value_count = 0

    def value(self, schema: Any, depth: int, nth: int = 0) -> Any:
        """Return a value that fits. Another `nth`, from 0, is another value, if the schema allows more than one."""
        self._value_count += 1
        schema = self._resolve(schema) if depth < _MAX_DEPTH and self._value_count < _MAX_VALUES else {"const": None}
        if "default" in schema and nth == 0:
            return schema["default"]
        if "const" in schema:
            return schema["const"]
        if values := schema.get("enum"):
            return values[nth % len(values)]
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(self._choose(options, depth), depth + 1, nth)
        match _type(schema):
            case "object":
                return self.object(schema, depth)
            case "array":
                return list(self._items(schema, depth))
            case "integer" | "number":
                return _number(schema, nth)
            case "boolean":
                return nth == 0
            case "null":
                return None
            case _:
                return _text(schema, nth)

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Return an object with its required properties and those with a default; all if there is no `required`."""
        schema = self._resolve(schema)
        properties: dict[str, Any] = {**dict.fromkeys(schema.get("required", ()), True), **schema.get("properties", {})}
        names = schema.get("required", () if depth > _MAX_OPTIONAL_DEPTH else properties)
        values = {
            name: self.value(each, depth + 1)
            for name, each in properties.items()
            if name in names or "default" in self._resolve(each)
        }
        for number in range(min(int(schema.get("minProperties", 0)), _MAX_VALUES) - len(values)):
            values[f"{WORD}{number + 1}"] = self.value(schema.get("additionalProperties", {}), depth + 1)
        return values

    def takes_any_text(self, schema: Any) -> bool:
        """Return True if the schema accepts any string."""
        schema = self._resolve(schema)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.takes_any_text(self._choose(options, 0))
        return _type(schema) == "string" and not schema.keys() & {"enum", "const", "format", "pattern"}

    def _items(self, schema: Schema, depth: int) -> Iterator[Any]:
        first: list[Any] = schema.get("prefixItems", [])
        yield from (self.value(each, depth + 1) for each in first)
        number = schema.get("minItems", 0 if first or depth > _MAX_OPTIONAL_DEPTH else 1)
        for nth in range(min(int(number), int(schema.get("maxItems", number)), _MAX_VALUES) - len(first)):
            yield self.value(schema.get("items", {}), depth + 1, nth)

    def _choose(self, options: Iterable[Any], depth: int) -> Any:
        """Return the first of `options` that is not null; deep inside the schema null, if it is one of them."""
        nulls = [each for each in options if self._resolve(each).get("type") == "null"]
        others = [each for each in options if each not in nulls]
        return nulls[0] if nulls and (depth > _MAX_OPTIONAL_DEPTH or not others) else others[0]

    def _resolve(self, schema: Any) -> dict[str, Any]:
        """Return `schema` as one object, merged with the schemas of its `$ref` and `allOf`."""
        merged: dict[str, Any] = {}
        remaining = [schema]
        for _ in range(_MAX_DEPTH):
            if not remaining:
                break
            each = remaining.pop()
            if isinstance(each, dict):  # `true` is a schema too
                part = cast("dict[str, Any]", each)
                merged = {**part, **merged}
                remaining += part.get("allOf", [])
                remaining += [self._dereference(part["$ref"])] if "$ref" in part else []
        return merged

    def _dereference(self, reference: str) -> Any:
        """Return the schema at a JSON Pointer (RFC 6901) such as `#/$defs/Size`; an empty one if it is not there."""
        node: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON is untyped by nature
        return cast("Any", node)


def _type(schema: Schema) -> str | None:
    """Return the type of a schema, or of several the first that is not null; None if it names none."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((each for each in cast("list[str]", kind) if each != "null"), "null")
    return kind or ("object" if "properties" in schema else "array" if "items" in schema else None)


def _text(schema: Schema, nth: int) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        text = {"properties": {"text": {"pattern": schema["pattern"]}}}
        fitting = [word for word in _WORDS if fits(text, {"text": word})] or [WORD]
        return fitting[nth % len(fitting)]
    word = f"{WORD} {nth + 1}" if nth else WORD
    min_length = min(int(schema.get("minLength", 0)), _MAX_TEXT_CHARS)
    if len(word) < min_length:
        return f"{word} {WORD * min_length}"[:min_length]
    return word[: int(schema.get("maxLength", _MAX_TEXT_CHARS))]


def _number(schema: Schema, nth: int) -> float:
    """Return the smallest number that fits, or the greatest if there is no minimum; 1 if there is neither."""
    is_integer = _type(schema) == "integer"
    step = schema.get("multipleOf", 1)
    limits = [limit for name in _COMPARISONS if (limit := _limit(schema, name)) is not None]
    try:
        near = [round(limit // step + by, 9) * step for limit in limits or [step] for by in (0, 1, -1)]
        between = (
            [*limits, (min(limits) + max(limits)) / 2]
            if limits and "multipleOf" not in schema and not is_integer
            else []
        )
        start = next((each for each in [*between[:1], *near, *between] if _is_within(schema, each)), 1)
        number = start + step * nth if _is_within(schema, start + step * nth) else start
        return int(number) if is_integer or float(number).is_integer() else number
    except (OverflowError, ValueError):  # a limit too large for a float
        return 1


def _is_within(schema: Schema, number: float) -> bool:
    limits = {name: limit for name in _COMPARISONS if (limit := _limit(schema, name)) is not None}
    return all(_COMPARISONS[name](number, limit) for name, limit in limits.items())


def _limit(schema: Schema, name: str) -> float | None:
    value = schema.get(name)
    if value is True:  # JSON Schema draft 4: `exclusiveMinimum` is a boolean that makes `minimum` exclusive
        return schema.get(name.removeprefix("exclusive").lower())
    return None if value is False else value
