"""The decorator `tool`: the functions it declares, and those it refuses."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import tool
from chatkeep.tools.json_schema import schema_check
from chatkeep.tools.strict_schema import to_strict_schema
from tests.functions import TOOLS


def test_a_function_is_described_by_its_signature_and_docstring() -> None:
    weather = TOOLS["weather"]
    assert (weather.kind, weather.safety, weather.description) == ("action", "read_only", "Forecast for a city.")
    assert weather.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "A city, e.g. Oslo"},
            "days": {"type": "integer", "default": 1},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_the_model_does_not_see_the_tool_context() -> None:
    assert list(TOOLS["send_letter"].parameters["properties"]) == ["to"]


def test_arguments_are_described_with_their_defaults() -> None:
    assert TOOLS["weather"].check({"city": "Oslo"}) == {"city": "Oslo", "days": 1}
    assert TOOLS["locate"].check({"place": {"city": "Oslo"}}) == {
        "place": {"city": "Oslo", "country": "Norway"},
        "thread": False,
    }


@pytest.mark.parametrize("arguments", [{}, {"city": 1}, {"city": "Oslo", "days": "2"}, {"city": "Oslo", "when": "now"}])
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        TOOLS["weather"].check(arguments)


def test_an_impossible_function_is_refused_where_declared() -> None:
    def silent(city: str) -> str:
        return city

    def untyped(city) -> str:  # type: ignore[no-untyped-def]  # the fault under test  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]  # the same
        """Say something."""
        return str(city)  # pyright: ignore[reportUnknownArgumentType]  # the same

    def many(*cities: str) -> str:
        """Say something."""
        return cities[0]

    async def weather(city: str) -> str:
        """Say something."""
        return city

    def hidden(_city: str) -> str:
        """Say something."""
        return _city

    refused: list[tuple[Callable[..., Any], str]] = [
        (silent, "docstring"),
        (untyped, "type"),
        (many, "plain one"),
        (weather, "already"),
        (hidden, "cannot be called '_city'"),
    ]
    for function, message in refused:
        with pytest.raises(TypeError, match=message):
            tool()(function)
    with pytest.raises(TypeError, match="Pydantic model"):
        tool(kind="reply")(many)  # type: ignore[type-var]  # the fault under test  # pyright: ignore[reportArgumentType]  # the same
    with pytest.raises(TypeError, match="say its kind"):
        tool()(ToolContext)
    with pytest.raises(ValueError, match="seconds, more than 0"):
        tool(timeout="3")  # type: ignore[call-overload]  # the fault under test  # pyright: ignore[reportArgumentType, reportCallIssue]  # the same


def test_a_closed_schema_is_sent_in_strict_form() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 1, "title": "A"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/B"}, "minItems": 2},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
        "$defs": {"B": {"enum": ["x", "y"]}},
    }
    assert to_strict_schema(schema) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/$defs/B"}, "minItems": 2}},
        "required": ["a", "b"],
        "additionalProperties": False,
        "$defs": {"B": {"enum": ["x", "y"]}},
    }


CLOSED: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


OPEN: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
    CLOSED | {"properties": {"a": {}}, "required": ["a"]},
    CLOSED | {"properties": {"a": {"type": "object"}}, "required": ["a"]},
    CLOSED | {"properties": {"a": {"allOf": [{"type": "string"}]}}, "required": ["a"]},
    CLOSED | {"properties": {"a": {"type": "array", "items": True}}, "required": ["a"]},
    CLOSED | {"properties": {"a": {"anyOf": [{"type": "string"}, {"oneOf": []}]}}, "required": ["a"]},
]


@pytest.mark.parametrize("schema", OPEN)
def test_any_other_schema_is_sent_unchanged(schema: dict[str, Any]) -> None:
    assert to_strict_schema(schema) is None


def test_a_schema_with_optional_fields_is_not_strict() -> None:
    assert "strict" not in TOOLS["weather"].definition["function"]
    assert TOOLS["card"].definition["function"]["strict"] is True


def test_a_foreign_schema_checks_strictly_and_names_fields() -> None:
    check = schema_check({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]})
    assert check({"a": 1, "b": None}) == {"a": 1, "b": None}
    with pytest.raises(InvalidArguments) as refused:
        check({"a": "x"})
    assert 'a: "x" is not of type "integer"' in str(refused.value)
    assert 'arguments: "b" is a required property' in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objec"},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "#/missing"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "http://127.0.0.1:9/meta"},
    ],
)
def test_an_invalid_or_external_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        schema_check(schema)


def test_an_unreadable_number_is_refused() -> None:
    check = schema_check({"type": "object", "properties": {"a": {"type": "integer", "maximum": 5}}})
    with pytest.raises(InvalidArguments):
        check({"a": 10**400})


def test_a_model_may_have_aliases() -> None:
    @tool(kind="reply")
    class Aliased(BaseModel):
        """Show something."""

        from_: Annotated[str, Field(alias="from")]

    assert Aliased
    from chatkeep.tools.declaration import declared_tools

    made = declared_tools()["aliased"]
    assert list(made.parameters["properties"]) == ["from"]
    assert made.check({"from": "x"}) == {"from": "x"}
