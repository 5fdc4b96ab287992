"""A function's schema as it goes out to a provider: the one door for all schemas.

Providers refuse a whole request for one schema that they do not take, so each message of an assistant would fail. Here
a schema gets the least that they ask for. It may become looser by that, never narrower in what it says: arguments are
always checked here, against the whole schema.

1. The root is of the type `object`, and has `properties`. A root that is only a `$ref` becomes what it refers to.
2. At the root there is no `anyOf`, `oneOf`, `allOf`, `not`, `enum` or `const`. The properties that they name become
   properties of the root, required only if an `allOf` says so.
3. Arrays have `items`, which is one schema. The schemas of a tuple become a choice.
4. The schema `true` is written `{}`.

Sources: OpenAI's guide to structured outputs, "Root objects must not be anyOf and must be an object"; the errors of its
Chat Completions API, "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top
level", "object schema missing properties", "array schema missing items".
"""

from collections.abc import Iterator
from typing import Any, cast

from chatkeep.tools.schema_weight import resolve_reference

MAX_ROOT_REFERENCES = 16
"""How many references are followed from a root to what it means."""
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value is a mapping of names to schemas."""
_LISTS = ("anyOf", "oneOf", "allOf")
_SCHEMAS = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
_NOT_AT_ROOT = (*_LISTS, "not", "enum", "const", "$schema", "$id", "$comment")
"""Keywords that a root cannot have, and those that say nothing about arguments."""

Json = dict[str, Any]


def to_offered_schema(schema: Any) -> Json:
    """Return the JSON Schema `schema` of a function's arguments as providers take it. It is not changed.

    Raises:
        ValueError: it is not the schema of an object, and nothing can be made of it. The message is one line.
    """
    root = _follow(schema, schema)
    branches = [branch for keyword in _LISTS for branch in _branches(schema, root, keyword)]
    if not _may_be_object(root) or (branches and not any(map(_may_be_object, branches))):
        raise ValueError("its schema is not that of an object")
    if not isinstance(root.get("properties", {}), dict):
        raise ValueError("its properties are no object")
    offered = {keyword: value for keyword, value in root.items() if keyword not in _NOT_AT_ROOT}
    offered |= {"type": "object", "properties": _merge_properties(root, branches)}
    required = [*_list(root.get("required"))]
    for branch in _branches(schema, root, "allOf"):
        required += [name for name in _list(branch.get("required")) if name not in required]
    return cast("Json", _complete(offered | ({"required": required} if required else {})))


def _merge_properties(root: Json, branches: list[Json]) -> Json:
    """Return the properties of `root`, and those that only a branch names. In a closed root none of these is valid."""
    properties: Json = dict(root.get("properties", {}))
    for branch in branches if root.get("additionalProperties") is not False else ():
        named = branch.get("properties")
        properties = (cast("Json", named) if isinstance(named, dict) else {}) | properties
    return {name: properties[name] for name in [*root.get("properties", {}), *properties]}


def _follow(root: Any, node: Any) -> Json:
    """Return `node` with what its `$ref` means in place of it, what stands beside it counting first."""
    for _ in range(MAX_ROOT_REFERENCES):
        if not isinstance(node, dict):
            raise ValueError("its schema is not that of an object")
        known = {**cast("Json", node)}
        if "$ref" not in known:
            return known
        target = resolve_reference(root, known.pop("$ref"))
        node = cast("Json", target) | known if isinstance(target, dict) else target
    raise ValueError("its schema refers on and on")


def _branches(root: Any, node: Json, keyword: str) -> Iterator[Json]:
    for branch in _list(node.get(keyword)):
        if isinstance(branch, dict):
            yield _follow(root, branch)


def _may_be_object(schema: Json) -> bool:
    kind = schema.get("type", "object")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _complete(schema: Any) -> Any:
    """Return `schema` with what providers miss in it, in all its subschemas."""
    if not isinstance(schema, dict):
        return {} if schema is True else schema
    node = {keyword: _complete_value(keyword, value) for keyword, value in cast("Json", schema).items()}
    kind = node.get("type")
    if kind == "array" or (isinstance(kind, list) and "array" in kind):
        node["items"] = _one_schema([*_list(node.pop("prefixItems", None)), *_item_schemas(node.get("items"))])
    return node


def _complete_value(keyword: str, value: Any) -> Any:
    if keyword in _MAPS and isinstance(value, dict):
        return {name: _complete(each) for name, each in cast("Json", value).items()}
    if isinstance(value, list) and keyword in (*_LISTS, "items", "prefixItems"):
        return [_complete(each) for each in cast("list[Any]", value)]
    if keyword == "additionalProperties" and value is True:
        return True
    return _complete(value) if keyword in _SCHEMAS else cast("Any", value)


def _item_schemas(items: Any) -> list[Any]:
    return cast("list[Any]", items) if isinstance(items, list) else [items]


def _one_schema(schemas: list[Any]) -> Json:
    """Return a schema that takes what one of `schemas` takes; anything at all if there is none."""
    distinct: list[Json] = []
    for each in schemas:
        if isinstance(each, dict) and each not in distinct:
            distinct.append(cast("Json", each))
    return {"anyOf": distinct} if len(distinct) > 1 else (distinct[0] if distinct else {})


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
