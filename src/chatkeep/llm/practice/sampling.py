"""Arguments for any function, made of its JSON Schema alone: what the practice model calls functions with.

They fit the schema and mean nothing. A limit that cannot be met (a pattern that none of `_WORDS` fits) is passed over:
the service will say what is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any, cast

from chatkeep.tools.arguments import InvalidArguments, schema_check

WORD = "practice"
"""What stands where any text will do."""
_WORDS = (
    WORD, "Practice", "PRACTICE", "p", "P", "NO", "NOK", "US", "en", "en-US", "0", "1", "42", "0000", "12345", "a1",
    "A1", "2026-01-02", "2026-01", "12:00", "12:00:00", "1.0", "1.0.0", "#00aa00", "+4722334455", "/practice",
    "https://example.org/", "practice@example.org",
)  # fmt: skip
"""What is tried where a pattern says which text will do."""
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
_COMPARED = {"minimum": ge, "exclusiveMinimum": gt, "maximum": le, "exclusiveMaximum": lt}
_DEEP = 6
"""Levels below which nothing is put that can be left out: a schema may hold itself."""
_DEEPEST = 40
_MOST = 1_000
"""Values that are made; whoever asks for more gets null in their place."""
_LONGEST = 10_000
"""Characters that a text has at the most."""

Schema = Mapping[str, Any]


def sample(schema: Schema) -> dict[str, Any]:
    """Arguments that fit `schema`, which is a function's: required ones, and those with a default."""
    return _Sampler(schema).object(schema, 0)


def sample_of(schema: Schema, name: str, **limits: Any) -> Any:
    """A value for the argument `name` of the function with that `schema`, within further `limits`."""
    return _Sampler(schema).value({**schema.get("properties", {}).get(name, {}), **limits}, 0)


def free_text(schema: Schema) -> str | None:
    """The first argument for which any text will do; None where there is none."""
    sampler = _Sampler(schema)
    return next((name for name, each in schema.get("properties", {}).items() if sampler.takes_any_text(each)), None)


def fits(schema: Schema, arguments: dict[str, Any]) -> bool:
    """Whether `arguments` are what `schema` asks for; of a schema that is none, everything is."""
    try:
        schema_check({**schema})(arguments)
    except InvalidArguments:
        return False
    except ValueError:
        return True
    return True


class _Sampler:
    """Values for the parts of one schema. `depth` counts how far inside it a part stands."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._made = 0

    def value(self, schema: Any, depth: int, nth: int = 0) -> Any:
        """A value that fits; the `nth` is another than the first, as long as the schema lets it."""
        self._made += 1
        schema = self._followed(schema) if depth < _DEEPEST and self._made < _MOST else {"const": None}
        if "default" in schema and nth == 0:
            return schema["default"]
        if "const" in schema:
            return schema["const"]
        if values := schema.get("enum"):
            return values[nth % len(values)]
        if some := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(self._one(some, depth), depth + 1, nth)
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
        """An object with what is required and what has a default; with everything where nothing is said of that."""
        schema = self._followed(schema)
        properties: dict[str, Any] = {**dict.fromkeys(schema.get("required", ()), True), **schema.get("properties", {})}
        wanted = schema.get("required", () if depth > _DEEP else properties)
        made = {
            name: self.value(each, depth + 1)
            for name, each in properties.items()
            if name in wanted or "default" in self._followed(each)
        }
        for number in range(min(int(schema.get("minProperties", 0)), _MOST) - len(made)):
            made[f"{WORD}{number + 1}"] = self.value(schema.get("additionalProperties", {}), depth + 1)
        return made

    def takes_any_text(self, schema: Any) -> bool:
        """Whether any string will do."""
        schema = self._followed(schema)
        if some := schema.get("anyOf") or schema.get("oneOf"):
            return self.takes_any_text(self._one(some, 0))
        return _type(schema) == "string" and not schema.keys() & {"enum", "const", "format", "pattern"}

    def _items(self, schema: Schema, depth: int) -> Iterator[Any]:
        first: list[Any] = schema.get("prefixItems", [])
        yield from (self.value(each, depth + 1) for each in first)
        number = schema.get("minItems", 0 if first or depth > _DEEP else 1)
        for nth in range(min(int(number), int(schema.get("maxItems", number)), _MOST) - len(first)):
            yield self.value(schema.get("items", {}), depth + 1, nth)

    def _one(self, some: Iterable[Any], depth: int) -> Any:
        """The first of `some` that is not null; deep inside null, where it is one of them."""
        nulls = [each for each in some if self._followed(each).get("type") == "null"]
        others = [each for each in some if each not in nulls]
        return nulls[0] if nulls and (depth > _DEEP or not others) else others[0]

    def _followed(self, schema: Any) -> dict[str, Any]:
        """`schema` with what it refers to, and all parts that it is made of, put into one."""
        found: dict[str, Any] = {}
        rest = [schema]
        for _ in range(_DEEPEST):
            if not rest:
                break
            each = rest.pop()
            if isinstance(each, dict):  # `true` is a schema too
                part = cast("dict[str, Any]", each)
                found = {**part, **found}
                rest += part.get("allOf", [])
                rest += [self._referred(part["$ref"])] if "$ref" in part else []
        return found

    def _referred(self, reference: str) -> Any:
        at: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            at = at.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(at, Mapping) else {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON is untyped by nature
        return cast("Any", at)


def _type(schema: Schema) -> str | None:
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
    least = min(int(schema.get("minLength", 0)), _LONGEST)
    if len(word) < least:
        return f"{word} {WORD * least}"[:least]
    return word[: int(schema.get("maxLength", _LONGEST))]


def _number(schema: Schema, nth: int) -> float:
    """The least number that fits, or the greatest where there is no least; 1 where there is neither."""
    whole = _type(schema) == "integer"
    step = schema.get("multipleOf", 1)
    ends = [limit for name in _COMPARED if (limit := _limit(schema, name)) is not None]
    try:
        near = [round(end // step + by, 9) * step for end in ends or [step] for by in (0, 1, -1)]
        between = [*ends, (min(ends) + max(ends)) / 2] if ends and "multipleOf" not in schema and not whole else []
        start = next((each for each in [*between[:1], *near, *between] if _is_within(schema, each)), 1)
        number = start + step * nth if _is_within(schema, start + step * nth) else start
        return int(number) if whole or float(number).is_integer() else number
    except (OverflowError, ValueError):  # a limit beyond all numbers
        return 1


def _is_within(schema: Schema, number: float) -> bool:
    limits = {name: limit for name in _COMPARED if (limit := _limit(schema, name)) is not None}
    return all(_COMPARED[name](number, limit) for name, limit in limits.items())


def _limit(schema: Schema, name: str) -> float | None:
    value = schema.get(name)
    if value is True:  # an older schema, where `exclusiveMinimum` says how to take `minimum`
        return schema.get(name.removeprefix("exclusive").lower())
    return None if value is False else value
