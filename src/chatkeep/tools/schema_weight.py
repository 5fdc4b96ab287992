"""How much work a JSON Schema can make: a limit that is known before the work is done.

A schema of two kilobytes can ask for a thousand million visits, by references that double (`x1` = all of `x0` and
`x0`, `x2` = all of `x1` and `x1`, …), or by one that refers to itself twice for the same value. A validator does them
all without a pause. So visits are counted first, each subschema once (JSON Schema 2020-12, §10 "applicators", and
those of the older drafts):

1. `weigh_schema`: the visits that a value can cause which has each possible part once. Clients' and MCP servers'
   schemas are weighed before they are taken.
2. `count_visits`: the visits that one value causes.

Both count too much rather than too little: a validator may stop at the first error.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

MAX_NESTING = 200
"""The deepest chain of subschemas and references, in steps."""
PATTERN_WEIGHT = 200
"""The weight of a regular expression: it takes as long to compile as many nodes."""
_MAX_PAIRS = 20_000
"""How many pairs of subschema and value are looked at to count visits. A value with more counts as too large."""

_SAME_VALUE = ("$ref", "not", "if", "then", "else")
_SAME_VALUE_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_VALUE_MAPS = ("dependentSchemas", "dependencies")
_ITEMS = ("items", "additionalItems", "contains", "unevaluatedItems")
_OTHER_PROPERTIES = ("additionalProperties", "unevaluatedProperties")
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords for which a validator visits the other subschemas again."""
_UNEVALUATED_REPEATS = 4
"""How often it visits them then, at most."""
_OBJECT_VISITS = 10
"""Visits that a comparison with one object or list of an `enum` counts."""
_DECIMAL_VISITS = 50
"""Visits that a division by a `multipleOf` counts: decimals are divided exactly."""
_REFUSED = ("$dynamicRef", "$recursiveRef")
"""References whose target depends on the value."""

Schema = Mapping[str, Any]


class SchemaWeight(NamedTuple):
    """A schema's weight in visits; whether it refers to itself, so that a deep value makes more of them."""

    nodes: int
    is_recursive: bool


class TooManyVisits(Exception):  # noqa: N818  # an answer
    """The value causes more visits than the limit, or more than can be counted."""


def weigh_schema(schema: Schema, limit: int) -> SchemaWeight:
    """Return the weight of `schema`, at most `limit` visits.

    Raises:
        ValueError: it is heavier, nested too deeply, refers to itself for the same value, or has a reference that
            is not a JSON pointer into the schema (RFC 6901).
    """
    return _Weigher(schema, limit).weigh()


def count_visits(schema: Schema, value: Any, limit: int, visits_per_char: int) -> int:
    """Return how many subschemas a validator may visit to check `value` by `schema`, which was weighed before.

    `visits_per_char`: the visits that a character counts which a pattern is matched against.

    Raises:
        TooManyVisits: there are more than `limit`.
    """
    return _VisitCounter(schema, limit, visits_per_char).count(schema, value)


def resolve_reference(root: Schema, reference: Any) -> Any:
    """Return the subschema that a `$ref` means.

    Raises:
        ValueError: there is none in the schema.
    """
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise ValueError(f"$ref {reference!r:.100}: only references into the schema itself are followed (#/…)")
    target: Any = root
    for step in reference[2:].split("/") if reference != "#" else ():
        key = _unescape(step)
        try:
            target = cast("list[Any]", target)[int(key)] if isinstance(target, list) else target[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ValueError(f"$ref {reference!r:.100}: there is nothing there") from error
    return target


def _unescape(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")


def _for_same_value(root: Schema, node: Schema) -> Iterator[Any]:
    """Yield the subschemas of `node` that apply to the same value."""
    for keyword in _SAME_VALUE:
        if keyword in node:
            yield resolve_reference(root, node[keyword]) if keyword == "$ref" else node[keyword]
    for keyword in _SAME_VALUE_LISTS:
        yield from _list(node.get(keyword))
    for keyword in _SAME_VALUE_MAPS:
        yield from (each for each in _map(node.get(keyword)).values() if isinstance(each, dict))


def _for_parts(node: Schema) -> Iterator[Any]:
    """Yield the subschemas of `node` that apply to its properties, their names, or its items."""
    for keyword in ("properties", "patternProperties"):
        yield from _map(node.get(keyword)).values()
    for keyword in (*_OTHER_PROPERTIES, "propertyNames"):
        if keyword in node:
            yield node[keyword]
    yield from _for_items(node)


def _for_items(node: Schema) -> Iterator[Any]:
    yield from _list(node.get("prefixItems"))
    for keyword in _ITEMS:
        if keyword in node:
            yield from _list(node[keyword]) or (node[keyword],)


def _own_weight(node: Schema) -> int:
    """Return what `node` weighs without its subschemas."""
    patterns = len(_map(node.get("patternProperties"))) + ("pattern" in node)
    return _own_visits(node) + PATTERN_WEIGHT * patterns


def _own_visits(node: Schema) -> int:
    """Return what checking a value by `node` alone counts, without its patterns."""
    enum = _list(node.get("enum"))
    objects = sum(isinstance(each, (dict, list)) for each in enum)
    visits = 1 + len(enum) + (_OBJECT_VISITS - 1) * objects + len(_list(node.get("required")))
    return visits + _DECIMAL_VISITS * ("multipleOf" in node)


def _repeats(node: Schema) -> int:
    return _UNEVALUATED_REPEATS if any(keyword in node for keyword in _UNEVALUATED) else 1


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _map(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


class _Weigher:
    """The weighing of one schema. Nodes are told apart by identity: a reference leads to the same object."""

    def __init__(self, root: Schema, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._weights: dict[int, int] = {}
        self._open: set[int] = set()
        self._returns: dict[int, Schema] = {}  # the nodes that the schema comes back to

    def weigh(self) -> SchemaWeight:
        nodes = self._weigh(self._root, 0)
        for each in self._returns.values():
            self._check_loop(each)
        return SchemaWeight(nodes, bool(self._returns))

    def _weigh(self, node: Any, depth: int) -> int:
        if not isinstance(node, dict):
            return 1  # `true`, `false`, or nothing that the validator takes
        if (known := self._weights.get(id(cast("object", node)))) is not None:
            return known
        if depth > MAX_NESTING:
            raise ValueError("the schema is nested too deeply")
        schema = cast("dict[str, Any]", node)
        self._check(schema)
        if id(schema) in self._open:
            self._returns[id(schema)] = schema
            return 1
        self._open.add(id(schema))
        same = sum(self._weigh(each, depth + 1) for each in _for_same_value(self._root, schema))
        parts = sum(self._weigh(each, depth + 1) for each in _for_parts(schema))
        self._open.discard(id(schema))
        weight = _own_weight(schema) + _repeats(schema) * (same + parts)
        if weight > self._limit:
            raise ValueError(f"to check a value could take over {self._limit} steps: too many")
        self._weights[id(schema)] = weight
        return weight

    def _check(self, schema: Schema) -> None:
        for keyword in _REFUSED:
            if keyword in schema:
                raise ValueError(f"{keyword} is not supported")
        if schema is not self._root and any(isinstance(schema.get(keyword), str) for keyword in ("$id", "id")):
            raise ValueError("$id within a schema is not supported")

    def _check_loop(self, schema: Schema) -> None:
        """Refuse a schema that comes back to itself for the same value: checking would not end."""
        seen: set[int] = set()
        pending = list(_for_same_value(self._root, schema))
        while pending:
            each = pending.pop()
            if each is schema:
                raise ValueError("the schema refers to itself for the same value")
            if isinstance(each, dict) and id(cast("object", each)) not in seen:
                seen.add(id(cast("object", each)))
                pending += _for_same_value(self._root, cast("dict[str, Any]", each))


class _VisitCounter:
    """The counting for one value. Pairs of subschema and value are counted once, and remembered."""

    def __init__(self, root: Schema, limit: int, visits_per_char: int) -> None:
        self._root = root
        self._limit = limit
        self._visits_per_char = visits_per_char
        self._counts: dict[tuple[int, int], int] = {}

    def count(self, node: Any, value: Any) -> int:
        if not isinstance(node, dict):
            return 1
        schema = cast("dict[str, Any]", node)
        pair = (id(schema), id(value))
        if (known := self._counts.get(pair)) is not None:
            return known
        same = sum(self.count(each, value) for each in _for_same_value(self._root, schema))
        visits = _own_visits(schema) + _repeats(schema) * (same + self._count_parts(schema, value))
        if isinstance(value, str):
            visits += self._text_visits(schema, value)
        if visits > self._limit or len(self._counts) >= _MAX_PAIRS:
            raise TooManyVisits
        self._counts[pair] = visits
        return visits

    def _text_visits(self, schema: Schema, text: str) -> int:
        if "pattern" in schema:
            return self._visits_per_char * len(text)
        return len(text) if "format" in schema else 0

    def _count_parts(self, schema: Schema, value: Any) -> int:
        if isinstance(value, dict | list) and len(cast("list[Any]", value)) > self._limit:
            raise TooManyVisits
        if isinstance(value, dict):
            return sum(self._count_property(schema, *each) for each in cast("dict[str, Any]", value).items())
        if not isinstance(value, list):
            return 0
        subschemas = list(_for_items(schema))
        return sum(self.count(each, item) for item in cast("list[Any]", value) for each in subschemas)

    def _count_property(self, schema: Schema, name: str, value: Any) -> int:
        named, patterns = _map(schema.get("properties")), _map(schema.get("patternProperties"))
        visits = self.count(named[name], value) if name in named else 0
        for each in patterns.values():
            visits += self._visits_per_char * len(name) + self.count(each, value)
        if name not in named:
            visits += sum(self.count(schema[keyword], value) for keyword in _OTHER_PROPERTIES if keyword in schema)
        return visits + (self.count(schema["propertyNames"], name) if "propertyNames" in schema else 0)
