"""Schemas and arguments that would keep the service busy are refused before the work is done.

Work is counted in visits of a validator, not in seconds.
"""

from typing import Any

import pytest

from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.json_schema import MAX_SCHEMA_WEIGHT, MAX_VISITS, schema_check
from chatkeep.tools.schema_weight import MAX_NESTING, TooManyVisits, count_visits, weigh_schema
from tests.hostile.schemas import doubling

DYNAMIC = {"$dynamicRef": "#node"}


def nested(times: int, schema: dict[str, Any], keyword: str = "not") -> dict[str, Any]:
    for _ in range(times):
        schema = {keyword: schema}
    return {"type": "object", "properties": {"a": schema}}


def unevaluated(times: int) -> dict[str, Any]:
    """Return a schema of which each level makes a validator visit the levels below it again."""
    schema: dict[str, Any] = {"properties": {"z": {}}}
    for _ in range(times):
        schema = {"anyOf": [schema], "unevaluatedProperties": {"type": "integer"}}
    return {"type": "object", **schema}


TWICE = {
    "type": "object",
    "$defs": {"node": {"allOf": [{"properties": {"next": {"$ref": "#/$defs/node"}}}] * 2}},
    "properties": {"a": {"$ref": "#/$defs/node"}},
}
"""It refers to itself twice for the same value: 2^depth visits."""
FILTER = {
    "type": "object",
    "$defs": {
        "filter": {
            "anyOf": [
                {"type": "object", "properties": {"and": {"type": "array", "items": {"$ref": "#/$defs/filter"}}}},
                {"type": "object", "properties": {"not": {"$ref": "#/$defs/filter"}}},
                {"type": "string", "pattern": "^[a-z]+$"},
            ]
        }
    },
    "properties": {"where": {"$ref": "#/$defs/filter"}},
}
"""It refers to itself as real filters do: once for each value."""


def chain(levels: int, name: str) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {name: value}
    return value


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (doubling(14), "too many"),
        (doubling(29), "too many"),
        (doubling(29, "anyOf"), "too many"),
        (doubling(29, "oneOf"), "too many"),
        (doubling(MAX_NESTING * 2), "too many|too deeply"),
        (unevaluated(12), "too many"),
        (nested(MAX_NESTING + 1, {}), "too deeply"),
        ({"type": "object", "properties": {f"p{i}": {"pattern": f"^{i}"} for i in range(60)}}, "too many"),
        ({"type": "object", "properties": {"a": {"pattern": r"(\w{1,500}){1,50}"}}}, "regex"),
        ({"type": "object", "properties": {"a": {"enum": list(range(5_000)) + [[i] for i in range(900)]}}}, "too many"),
        ({"type": "object", "description": "x" * 40_000}, "longer than"),
        ({"type": "object", "allOf": [{"$ref": "#"}]}, "to itself"),
        ({"type": "object", "properties": {"a": DYNAMIC}}, "dynamicRef"),
        ({"type": "object", "properties": {"a": {"$recursiveRef": "#"}}}, "recursiveRef"),
        ({"type": "object", "properties": {"a": {"$ref": "#node"}}}, "into the schema"),
        ({"type": "object", "properties": {"a": {"$ref": "other.json"}}}, "into the schema"),
        ({"type": "object", "properties": {"a": {"$ref": 7}}}, "into the schema"),
        ({"type": "object", "properties": {"a": {"$id": "x:y", "$ref": "#/properties"}}}, r"\$id"),
        ({"type": "object", "$schema": "https://example.org/draft"}, "meta-schema"),
    ],
)
def test_a_heavy_schema_is_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        schema_check(schema)
    assert "\n" not in str(refused.value)


def test_a_loop_that_is_found_late_is_refused() -> None:
    schema = {
        "$defs": {
            "a": {"properties": {"b": {"$ref": "#/$defs/b"}}, "allOf": [{"$ref": "#/$defs/b"}]},
            "b": {"allOf": [{"$ref": "#/$defs/a"}]},
        },
        "properties": {"x": {"$ref": "#/$defs/a"}},
    }
    with pytest.raises(ValueError, match="to itself"):
        schema_check(schema)


@pytest.mark.parametrize("times", range(12))
def test_a_doubling_schema_weighs_what_it_visits(times: int) -> None:
    schema = doubling(times)
    weight = weigh_schema(schema, MAX_SCHEMA_WEIGHT)
    visits = count_visits(schema, {"a": "text"}, MAX_VISITS, 1)
    assert not weight.is_recursive
    assert 2**times < visits <= weight.nodes <= 4 * 2**times


def test_deep_arguments_of_a_doubling_recursion_are_refused() -> None:
    check = schema_check(TWICE)
    assert check({"a": chain(8, "next")})
    with pytest.raises(InvalidArguments, match="too deep"):
        check({"a": chain(40, "next")})


@pytest.mark.parametrize("levels", [1, 10, 100])
def test_a_usual_recursion_may_be_deep(levels: int) -> None:
    arguments = {"where": {"and": [chain(levels, "not"), "name"]}}
    assert schema_check(FILTER)(arguments) == arguments


def test_many_errors_are_told_in_one_line() -> None:
    check = schema_check({"type": "object", "properties": {"a": {"items": {"type": "string"}}}})
    with pytest.raises(InvalidArguments, match=r"^a\.0: 1 is not of type"):
        check({"a": [1] * 10})
    with pytest.raises(InvalidArguments, match=r"^the arguments do not fit"):
        check({"a": [1] * 10_000})


def test_a_large_value_is_not_copied_into_many_errors() -> None:
    check = schema_check({"type": "object", "properties": {"a": {"allOf": [{"type": "integer"}] * 900}}})
    with pytest.raises(InvalidArguments, match=r"^the arguments do not fit"):
        check({"a": "x" * 100_000})


def test_heavy_schemas_leave_little_room_for_arguments() -> None:
    check = schema_check({"type": "object", "properties": {"a": {"items": {"allOf": [{}] * 5_000}}}})
    assert check({"a": list(range(10))})
    with pytest.raises(InvalidArguments, match="too large"):
        check({"a": list(range(1_000))})


@pytest.mark.parametrize("pattern", [r"(?=a)(a|a)*$", r"(a*)*b\1", r"(?:(?=a)a)*b"])
def test_a_pattern_that_goes_back_is_bounded(pattern: str) -> None:
    check = schema_check({"type": "object", "properties": {"a": {"pattern": pattern}}})
    with pytest.raises(InvalidArguments):
        check({"a": "a" * 1_000 + "!"})
    with pytest.raises(InvalidArguments, match="too large"):
        check({"a": "a" * 20_000})


def test_a_pattern_with_look_around_is_taken() -> None:
    check = schema_check(
        {"type": "object", "properties": {"a": {"pattern": r"^(?!\.)(?!.*\.\.)[a-z.]+@[a-z]+\.[a-z]+$"}}}
    )
    assert check({"a": "kai.b@example.org"})
    with pytest.raises(InvalidArguments, match="does not match"):
        check({"a": "kai..b@example.org"})


def test_a_schema_is_compiled_once() -> None:
    schema = {"type": "object", "properties": {"once": {"type": "string"}}}
    assert schema_check(schema) == schema_check({**schema})  # bound methods of one object


def test_counting_gives_up_on_too_many_pairs() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}
    with pytest.raises(TooManyVisits):
        count_visits(schema, {"a": [float(i) for i in range(30_000)]}, MAX_VISITS, 1)
