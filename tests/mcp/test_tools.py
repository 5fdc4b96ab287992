"""An MCP server's tools as functions."""

from collections.abc import Sequence
from typing import Any

import pytest

from chatkeep.mcp import tools as mcp_tools
from chatkeep.mcp.raw_results import Json
from chatkeep.mcp.tools import MAX_DESCRIPTION_CHARS, tool_output
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Safety, Tool, ToolError
from chatkeep.tools.json_schema import schema_check
from tests.hostile.schemas import doubling

EMPTY = {"type": "object"}
CAT = {"type": "image", "data": "AAAA", "mimeType": "image/png"}


async def echo(name: str, arguments: dict[str, Any]) -> Json:
    return {"structuredContent": [name, arguments]}


def to_tools(server: str, tools: Sequence[Json], warnings: list[str] | None = None) -> dict[str, Tool]:
    """Return the functions, each of which returns its server's name for it and its arguments."""
    return mcp_tools.to_tools(server, tools, echo, (warnings if warnings is not None else []).append)


def tool(name: Any = "look", schema: Any = EMPTY, **more: Any) -> Json:
    return {"name": name, "inputSchema": schema, **more}


def text(text: str) -> Json:
    return {"type": "text", "text": text}


def test_a_tool_is_an_action_prefixed_with_its_server_s_name() -> None:
    converted = to_tools("wiki", [tool(description="Looks.")])["wiki_look"]
    assert (converted.name, converted.description, converted.kind, converted.safety, converted.timeout) == (
        *("wiki_look", "Looks.", "action", "unsafe"),
        None,
    )


@pytest.mark.parametrize(
    ("annotations", "safety"),
    [
        ({"readOnlyHint": True, "idempotentHint": True}, "read_only"),
        ({"idempotentHint": True}, "idempotent"),
        ({"readOnlyHint": False, "destructiveHint": False}, "unsafe"),
        ({"readOnlyHint": "yes"}, "unsafe"),
        ("odd", "unsafe"),
        (None, "unsafe"),
    ],
)
def test_safety_is_what_the_annotations_say(annotations: Any, safety: Safety) -> None:
    assert to_tools("wiki", [tool(annotations=annotations)])["wiki_look"].safety == safety


def test_names_are_legal_and_distinct_whatever_the_order() -> None:
    tools = [tool(name) for name in ("a.b", "a_b", "a/b", "x" * 100, "x" * 101, "ø")]
    names = to_tools("wiki", tools)
    assert len(names) == len(tools)
    assert "wiki_a_b" in names
    assert all(name.isascii() and len(name) <= 64 for name in names)
    assert set(to_tools("wiki", tools[::-1])) == set(names)


@pytest.mark.anyio
async def test_a_call_uses_the_server_s_own_name() -> None:
    (converted,) = to_tools("wiki", [tool("a/b")]).values()
    assert converted.run is not None
    assert await converted.run({"x": 1}, ToolContext("me", "s", "r")) == ["a/b", {"x": 1}]


def test_arguments_are_checked_by_the_servers_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    converted = to_tools("wiki", [tool(schema=schema)])["wiki_look"]
    assert converted.check({"n": 1}) == {"n": 1}
    with pytest.raises(InvalidArguments, match="n: "):
        converted.check({"n": "1"})


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object", "required": 7}, "7 is not of type"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.org/a"}}}, "example.org"),
        ({"type": "array"}, "its schema is not that of an object"),
        ({"type": ["object", "null"]}, "its schema is not that of an object"),
        (True, "its schema is not that of an object"),
        ("object", "its schema is not that of an object"),
        ({"type": "object", "properties": []}, "is not of type"),
        ({"type": "object", "description": "x" * 40_000}, "the schema is longer than 32768 bytes"),
        (nested(600), ""),
        (doubling(29), "too many"),
    ],
    ids=["no schema", "elsewhere", "array", "two", "true", "text", "properties", "long", "deep", "heavy"],
)
def test_only_a_tool_with_an_unusable_schema_is_omitted(schema: Any, why: str) -> None:
    warnings: list[str] = []
    assert list(to_tools("wiki", [tool("bent", schema), tool()], warnings)) == ["wiki_look"]
    (warning,) = warnings
    assert warning.startswith("its tool 'bent' cannot be offered: ")
    assert why in warning


@pytest.mark.parametrize("described", [{"inputSchema": {}}, {"inputSchema": None}, {}, {"inputSchema": EMPTY}])
def test_a_tool_without_a_schema_takes_any_object(described: Json) -> None:
    converted = to_tools("wiki", [{"name": "look", **described}])["wiki_look"]
    assert converted.check({"a": 1}) == {"a": 1}
    assert converted.definition["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize("nameless", [{}, {"name": None, "inputSchema": EMPTY}, tool(""), tool(7)])
def test_a_tool_without_a_name_is_omitted(nameless: Json) -> None:
    warnings: list[str] = []
    assert list(to_tools("wiki", [nameless, tool()], warnings)) == ["wiki_look"]
    assert warnings == ["its tool '' cannot be offered: it has no name, or none that can be sent"]


def test_a_schema_of_true_is_not_strict() -> None:
    schema = {"type": "object", "properties": {"a": True}, "required": ["a"], "additionalProperties": False}
    converted = to_tools("wiki", [tool(schema=schema)])["wiki_look"]
    assert "strict" not in converted.definition["function"]


def test_a_description_is_capped_and_never_empty() -> None:
    long, none = to_tools("w", [tool("a", description="x" * 5_000), tool("b", description=7, title=[])]).values()
    assert (len(long.description), long.description[-2:]) == (MAX_DESCRIPTION_CHARS, "x…")
    assert none.description == "b"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], ""),
        (None, ""),
        ("a", "a"),
        (text("a"), "a"),
        ([text("a"), text("b")], "a\nb"),
        ([text("a cat"), CAT], "a cat\n[image left out: image/png, 3 bytes]"),
        ([{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}], "[audio left out: audio/wav, 3 bytes]"),
        ([{"type": "resource_link", "name": "x", "uri": "file:///x"}], "[link: file:///x]"),
        ([{"type": "resource", "resource": {"uri": "file:///x", "text": "inside"}}], "inside"),
        (
            [{"type": "resource", "resource": {"uri": "file:///x", "blob": "AAAAAAAA"}}],
            "[resource left out: file:///x, 6 bytes]",
        ),
        ([{"type": "text"}, text("b")], '[not understood: {"type": "text"}]\nb'),
        (
            [None, {"type": "hologram", "size": 3}],
            '[not understood: null]\n[not understood: {"type": "hologram", "size": 3}]',
        ),
    ],
)
def test_text_is_joined_and_other_content_is_named(content: Any, expected: str) -> None:
    assert tool_output({"content": content}) == expected


def test_structured_content_is_preferred() -> None:
    assert tool_output({"content": [text('{"n": 1}')], "structuredContent": {"n": 1}}) == {"n": 1}
    assert tool_output({"structuredContent": [1]}) == [1]
    assert tool_output({"content": [text("a")], "structuredContent": None}) == "a"
    assert tool_output({"content": [text("a"), CAT], "structuredContent": {"n": 1}}) == {
        "result": {"n": 1},
        "beside": ["[image left out: image/png, 3 bytes]"],
    }


def test_an_output_that_breaks_its_schema_is_an_output() -> None:
    check = schema_check({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, "results")
    breaks = "this breaks the function's own output schema: "
    assert tool_output({"structuredContent": {"n": 1}}, check) == {"n": 1}
    assert tool_output({"structuredContent": {"n": "x"}}, check) == {
        "result": {"n": "x"},
        "remark": f'{breaks}n: "x" is not of type "integer"',
    }
    assert tool_output({"content": [text("a"), CAT], "structuredContent": []}, check) == {
        "result": [],
        "beside": ["[image left out: image/png, 3 bytes]"],
        "remark": f'{breaks}results: [] is not of type "object"',
    }
    assert tool_output({"content": [text("a")]}, check) == {
        "result": "a",
        "remark": f"{breaks}it has no structured content",
    }


def test_an_output_schema_of_no_use_is_not_used() -> None:
    warnings: list[str] = []
    assert list(to_tools("w", [tool(outputSchema={"type": 7})], warnings)) == ["w_look"]
    assert len(warnings) == 1
    assert warnings[0].startswith("the output schema of its tool 'look' is not used: ")


def test_an_error_keeps_the_tool_s_own_words() -> None:
    with pytest.raises(ToolError, match=r"^on fire$"):
        tool_output({"content": [text("on fire")], "isError": True})
    with pytest.raises(ToolError, match="does not say why"):
        tool_output({"content": [], "isError": True})
