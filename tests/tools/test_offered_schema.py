"""The form in which a function's schema goes out: what providers ask for, all of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, RootModel

from chatkeep.tools.declaration import Tool, schema_of, tool
from chatkeep.tools.offered_schema import to_offered_schema
from chatkeep.tools.strict_schema import MAX_ENUM_VALUES, MAX_OBJECT_LEVELS, to_strict_schema

STRING = {"type": "string"}
A = {"type": "object", "properties": {"a": STRING}, "required": ["a"]}
B = {"type": "object", "properties": {"b": STRING}, "required": ["b"]}


def closed(**properties: Any) -> dict[str, Any]:
    """Return the schema of a closed object, whose properties are all required."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def having(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


class Node(BaseModel):
    """Refers to itself."""

    model_config = ConfigDict(extra="forbid")

    children: list["Node"]


OFFERED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, having()),
    ({"type": "object"}, having()),
    ({"type": ["object", "null"], "$schema": "x", "$id": "y"}, having()),
    ({"type": "object", "enum": [{}], "not": A}, having()),
    (having(xs={"type": "array"}), having(xs={"type": "array", "items": {}})),
    (having(xs={"type": ["array", "null"], "items": True}), having(xs={"type": ["array", "null"], "items": {}})),
    (having(xs={"type": "array", "items": [STRING, STRING]}), having(xs={"type": "array", "items": STRING})),
    (
        having(xs={"type": "array", "prefixItems": [STRING, {"type": "null"}], "items": False}),
        having(xs={"type": "array", "items": {"anyOf": [STRING, {"type": "null"}]}}),
    ),
    (
        having(x={"anyOf": [{"items": STRING, "type": "array"}, {"type": "array"}]}),
        having(x={"anyOf": [{"items": STRING, "type": "array"}, {"type": "array", "items": {}}]}),
    ),
    (having(a=True, enum={"enum": [1]}), having(a={}, enum={"enum": [1]})),
    (having(a=having(b=True)), having(a=having(b={}))),
    ({"anyOf": [A, B]}, having(a=STRING, b=STRING)),
    ({**A, "oneOf": [B, {"type": "null"}]}, having(a=STRING, b=STRING) | {"required": ["a"]}),
    ({"allOf": [A, B]}, having(a=STRING, b=STRING) | {"required": ["a", "b"]}),
    ({**closed(a=STRING), "anyOf": [{"required": ["a"]}, B]}, closed(a=STRING)),
    ({"anyOf": [A, {"$ref": "#/$defs/B"}], "$defs": {"B": B}}, having(a=STRING, b=STRING) | {"$defs": {"B": B}}),
    ({"$ref": "#/$defs/B", "$defs": {"B": B}}, {**B, "$defs": {"B": B}}),
]


@pytest.mark.parametrize(("schema", "offered"), OFFERED)
def test_a_schema_gets_what_providers_ask_for(schema: dict[str, Any], offered: dict[str, Any]) -> None:
    assert to_offered_schema(schema) == offered
    assert to_offered_schema(offered) == offered


@pytest.mark.parametrize(
    "schema",
    [
        True,
        None,
        [],
        {"type": "array"},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "array"}]},
        {"$ref": "#"},
        {"$ref": "#/$defs/A", "$defs": {"A": True}},
        {"$ref": "https://example.org/a"},
        {"type": "object", "properties": []},
    ],
)
def test_what_is_no_object_cannot_be_offered(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"its |\$ref "):
        to_offered_schema(schema)


@given(
    st.recursive(
        st.sampled_from([True, {}, STRING, {"type": "array"}, {"$ref": "#/$defs/x"}]),
        lambda inner: st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["object", "array", ["array", "null"]]),
                "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "anyOf": st.lists(inner, max_size=2),
                "items": st.one_of(inner, st.lists(inner, max_size=2)),
                "additionalProperties": inner,
            },
        ),
        max_leaves=8,
    )
)
def test_offered_schemas_have_what_is_asked_for(schema: Any) -> None:
    try:
        offered = to_offered_schema(schema)
    except ValueError:
        return
    assert offered["type"] == "object"
    assert isinstance(offered["properties"], dict)
    assert not offered.keys() & {"anyOf", "oneOf", "allOf", "not", "enum", "const"}
    assert_arrays_have_items(offered)


def assert_arrays_have_items(node: Any) -> None:
    if isinstance(node, dict):
        if "array" in str(node.get("type")):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # JSON
            assert isinstance(node["items"], dict)
        for each in node.values():  # pyright: ignore[reportUnknownVariableType]  # JSON
            assert_arrays_have_items(each)


def test_a_model_that_refers_to_itself_is_an_object() -> None:
    assert "$ref" in schema_of(Node)
    offered = to_offered_schema(schema_of(Node))
    assert offered["type"] == "object"
    strict = to_strict_schema(offered)
    assert strict is not None
    assert strict["properties"] == {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}


def test_nothing_stands_beside_a_reference_in_strict_form() -> None:
    described = {"$ref": "#/$defs/B", "description": "The other."}
    strict = to_strict_schema({**closed(b=described), "$defs": {"B": STRING}})
    assert strict is not None
    assert strict["properties"]["b"] == {"description": "The other.", "anyOf": [{"$ref": "#/$defs/B"}]}
    assert to_strict_schema({**closed(b={"$ref": "#/$defs/B", "type": "string"}), "$defs": {"B": STRING}}) is None


@pytest.mark.parametrize("keyword", [{"additionalProperties": True}, {"additionalProperties": STRING}])
def test_an_open_object_is_not_strict(keyword: dict[str, Any]) -> None:
    assert to_strict_schema({**closed(a=STRING), **keyword}) is None
    assert to_strict_schema(closed(a={**closed(b=STRING), **keyword})) is None
    assert to_strict_schema({**closed(a=STRING), "patternProperties": {"^x": STRING}}) is None


def test_a_closed_object_without_properties_is_strict() -> None:
    bare = {"type": "object", "additionalProperties": False}
    assert to_strict_schema(to_offered_schema(bare)) == closed()
    assert to_strict_schema(closed(a=bare)) == closed(a=closed())


def test_a_schema_beyond_the_limits_is_not_strict() -> None:
    deep = closed(a=STRING)
    for _ in range(MAX_OBJECT_LEVELS - 1):
        deep = closed(a=deep)
    assert to_strict_schema(deep) is not None
    assert to_strict_schema(closed(a=deep)) is None
    many = {"enum": list(range(MAX_ENUM_VALUES))}
    assert to_strict_schema(closed(a=many)) is not None
    assert to_strict_schema(closed(a=many, b={"enum": [1]})) is None
    assert to_strict_schema(closed(a={"enum": [f"{number:060}" for number in range(300)]})) is None


def test_a_pattern_that_no_grammar_holds_is_left_out() -> None:
    assert to_strict_schema(closed(a={"type": "string", "pattern": "^(?!x)"})) == closed(a=STRING)
    kept = closed(a={"type": "string", "pattern": "^(?:x|y)$"})
    assert to_strict_schema(kept) == kept


def test_a_definition_is_made_once() -> None:
    function = Tool("f", "F.", "client", {"type": "object"}, lambda arguments: arguments)
    assert function.definition is function.definition


def test_a_declared_function_is_that_of_an_object() -> None:
    class Names(RootModel[list[str]]):
        """Not an object."""

    with pytest.raises(TypeError, match="Names: its schema is not that of an object"):
        tool(kind="reply")(Names)
