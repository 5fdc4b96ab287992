"""The practice model's arguments are valid for every type that an operator may sensibly declare."""

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, create_model

from chatkeep import toolbox
from chatkeep.llm.practice.sampling import find_free_text, sample, sample_of
from chatkeep.tools.arguments import validate
from chatkeep.tools.declaration import Tool, declared_tools, schema_of
from chatkeep.tools.json_schema import schema_check
from chatkeep.tools.strict_schema import to_strict_schema
from tests.functions import TOOLS

assert toolbox is not None  # importing it declares the functions


class Size(enum.StrEnum):
    """A set of words."""

    LARGE = "large"
    SMALL = "small"


class Level(enum.IntEnum):
    """A set of numbers."""

    LOW = 3


class Item(BaseModel):
    """A thing inside another."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    size: Size
    number: Annotated[int, Field(gt=0)]


class Cat(BaseModel):
    """One of two."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """The other of two."""

    kind: Literal["dog"]


class Node(BaseModel):
    """Holds itself."""

    label: str
    children: list["Node"]
    parent: Optional["Node"]


TYPES: list[Any] = [
    str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, Size, Level, Item, Node,
    Literal["a", "b"], Literal[7], str | None, Item | None, int | str, list[str], list[Item], list[Node],
    tuple[int, str], dict[str, int], set[str], Cat | Dog, Any,
    Annotated[list[Item], Field(min_length=3)],
    Annotated[list[Item], Field(max_length=0)],
    Annotated[set[str], Field(min_length=3)],
    Annotated[set[int], Field(min_length=3)],
    Annotated[dict[str, Item], Field(min_length=2)],
    Annotated[Cat | Dog, Field(discriminator="kind")],
    Annotated[int, Field(ge=5)], Annotated[int, Field(gt=5)], Annotated[int, Field(le=-5)], Annotated[int, Field(lt=0)],
    Annotated[int, Field(gt=10, multiple_of=7)], Annotated[int, Field(ge=-20, lt=-10, multiple_of=7)],
    Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(ge=0.5, le=0.6)], Annotated[float, Field(gt=0.1)],
    Annotated[float, Field(multiple_of=0.5, gt=1)],
    Annotated[str, Field(min_length=30)], Annotated[str, Field(max_length=3)], Annotated[str, Field(min_length=9)],
    Annotated[str, Field(pattern=r"^[A-Z]{2}$")], Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")],
]  # fmt: skip


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_each_type_is_filled_with_something_valid(annotation: Any) -> None:
    model = create_model("M", __config__=ConfigDict(extra="forbid"), value=(annotation, ...))
    validate(model, sample(schema_of(model)))
    nullable: Any = annotation | None
    fields: dict[str, Any] = {"value": (nullable, ...), "other": (nullable, None)}
    model = create_model("M", __config__=ConfigDict(extra="forbid"), **fields)
    validate(model, sample(schema_of(model)))


@pytest.mark.parametrize("name", sorted(declared_tools()))
def test_each_function_is_filled_as_it_is_offered(name: str) -> None:
    """In the strict form, that is, which lacks some limits."""
    each: Tool = {**declared_tools(), **TOOLS}[name]
    each.check(sample(each.definition["function"]["parameters"]))


def test_the_strict_form_is_enough_for_what_it_can_say() -> None:
    model = create_model("M", __config__=ConfigDict(extra="forbid"), items=(list[Item], ...), size=(Size, ...))
    form = to_strict_schema(schema_of(model))
    assert form is not None
    assert sample(form) == {"items": [{"name": "practice", "size": "large", "number": 1}], "size": "large"}


SCHEMAS: list[dict[str, Any]] = [
    {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
    {"type": "object", "required": ["a"], "properties": {"b": {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": ["null", "string"]}, "b": True, "c": {}}},
    {"type": "object", "properties": {"a": {"const": "x"}, "b": {"enum": [4, 5]}, "c": {"enum": [None]}}},
    {"type": "object", "properties": {"a": {"oneOf": [{"type": "null"}, {"type": "string", "format": "email"}]}}},
    {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/definitions/A"}, {"minimum": 4}]}},
     "definitions": {"A": {"type": "integer", "maximum": 9}}},
    {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True, "minItems": 3, "items": {
        "enum": ["x", "y", "z"]}}}},
    {"type": "object", "properties": {"a": {"items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True}}},
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1, "exclusiveMinimum": True}},
     "$schema": "http://json-schema.org/draft-04/schema#"},
    {"type": "object", "properties": {"a": {"type": "string", "format": "uuid"}, "b": {"format": "date"}}},
    {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "required": ["a"], "properties": {"a": {"type": "null"}}}}},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_a_schema_from_outside_is_filled_too(schema: dict[str, Any]) -> None:
    filled = sample(schema)
    schema_check(schema)(filled)
    assert filled


def test_optional_fields_without_a_default_are_omitted() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"default": 3}},
        "required": ["b"],
    }
    assert sample(schema) == {"b": "practice", "c": 3}


ODD: list[dict[str, Any]] = [
    {"$ref": "#"},
    {"properties": {"a": {"$ref": "#/nowhere"}, "b": {"$ref": "#/properties/b"}}},
    {"$defs": {"A": {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/A"}}}}, "$ref": "#/$defs/A"},
    {"properties": {"a": {"pattern": "(", "type": "string"}, "b": {"enum": []}, "c": {"anyOf": []}}},
    {"properties": {"a": {"pattern": "^(.+)+[^.]$", "type": "string"}, "b": {"items": [{}]}}},
    {"properties": {"a": {"type": "integer", "minimum": 10**400}, "b": {"type": "number", "maximum": 10**400}}},
    {"properties": {"a": {"type": "number", "minimum": float("inf")}, "b": {"type": "integer", "multipleOf": 1e-300}}},
    {"properties": {"a": {"minItems": 10**9, "items": {"minItems": 10**9, "items": {"minProperties": 10**9}}}}},
    {"properties": {"a": {"type": "string", "minLength": 1e12}, "b": {"minItems": 2.0, "items": {}}}},
]


@pytest.mark.parametrize("schema", ODD, ids=range(len(ODD)))
def test_an_unsatisfiable_schema_still_ends(schema: dict[str, Any]) -> None:
    assert len(str(sample(schema))) < 100_000


def test_one_argument_is_filled_within_further_limits() -> None:
    schema = schema_of(create_model("M", name=(str, ...), link=(HttpUrl, ...)))
    assert sample_of(schema, "name") == "practice"
    assert len(sample_of(schema, "name", minLength=50)) == 50
    assert sample_of(schema, "name", maxLength=2) == "pr"


def test_the_first_free_text_argument_is_found() -> None:
    fields: dict[str, Any] = {"day": (date, ...), "size": (Size, ...), "name": (str | None, None), "other": (str, ...)}
    assert find_free_text(schema_of(create_model("M", **fields))) == "name"
    assert find_free_text(schema_of(create_model("M", day=(date, ...)))) is None
    assert find_free_text({}) is None
