"""An MCP server's tools as functions."""

import logging
from typing import Any

import pytest
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)

from chatkeep.mcp.tools import MAX_DESCRIPTION_CHARS, to_tools, tool_output
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Safety, ToolError
from tests.hostile.schemas import doubling

EMPTY = {"type": "object"}


async def echo(name: str, arguments: dict[str, Any]) -> Any:
    return name, arguments


def tool(name: str = "look", schema: dict[str, Any] = EMPTY, **more: Any) -> Tool:
    return Tool(name=name, input_schema=schema, **more)


def test_a_tool_is_an_action_prefixed_with_its_server_s_name() -> None:
    converted = to_tools("wiki", [tool(description="Looks.")], echo)["wiki_look"]
    assert (converted.name, converted.description, converted.kind, converted.safety, converted.timeout) == (
        *("wiki_look", "Looks.", "action", "unsafe"),
        None,
    )


@pytest.mark.parametrize(
    ("annotations", "safety"),
    [
        (ToolAnnotations(read_only_hint=True, idempotent_hint=True), "read_only"),
        (ToolAnnotations(idempotent_hint=True), "idempotent"),
        (ToolAnnotations(read_only_hint=False, destructive_hint=False), "unsafe"),
        (None, "unsafe"),
    ],
)
def test_safety_is_what_the_annotations_say(annotations: ToolAnnotations | None, safety: Safety) -> None:
    assert to_tools("wiki", [tool(annotations=annotations)], echo)["wiki_look"].safety == safety


def test_names_are_legal_and_distinct_whatever_the_order() -> None:
    tools = [tool(name) for name in ("a.b", "a_b", "a/b", "x" * 100, "x" * 101, "ø")]
    names = to_tools("wiki", tools, echo)
    assert len(names) == len(tools)
    assert "wiki_a_b" in names
    assert all(name.isascii() and len(name) <= 64 for name in names)
    assert set(to_tools("wiki", tools[::-1], echo)) == set(names)


@pytest.mark.anyio
async def test_a_call_uses_the_server_s_own_name() -> None:
    (converted,) = to_tools("wiki", [tool("a/b")], echo).values()
    assert converted.run is not None
    assert await converted.run({"x": 1}, ToolContext("me", "s", "r")) == ("a/b", {"x": 1})


def test_arguments_are_checked_by_the_servers_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    converted = to_tools("wiki", [tool(schema=schema)], echo)["wiki_look"]
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
        ({"type": "object", "description": "x" * 40_000}, "the schema is longer than 32768 bytes"),
        (nested(600), ""),
        (doubling(29), "too many"),
    ],
    ids=["no schema", "elsewhere", "array", "long", "deep", "heavy"],
)
def test_only_a_tool_with_an_unusable_schema_is_omitted(
    schema: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "chatkeep"):
        assert list(to_tools("wiki", [tool("bent", schema), tool()], echo)) == ["wiki_look"]
    assert caplog.messages[0].startswith("MCP server wiki: its tool 'bent' cannot be offered: ")
    assert why in caplog.messages[0]


def test_a_schema_of_true_is_not_strict() -> None:
    schema = {"type": "object", "properties": {"a": True}, "required": ["a"], "additionalProperties": False}
    converted = to_tools("wiki", [tool(schema=schema)], echo)["wiki_look"]
    assert "strict" not in converted.definition["function"]


def test_a_description_is_capped_and_never_empty() -> None:
    long, none = to_tools("w", [tool("a", description="x" * 5_000), tool("b")], echo).values()
    assert (len(long.description), long.description[-2:]) == (MAX_DESCRIPTION_CHARS, "x…")
    assert none.description == "b"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], ""),
        ([TextContent(text="a"), TextContent(text="b")], "a\nb"),
        (
            [TextContent(text="a cat"), ImageContent(data="AAAA", mime_type="image/png")],
            "a cat\n[image left out: image/png, 3 bytes]",
        ),
        ([AudioContent(data="AAAA", mime_type="audio/wav")], "[audio left out: audio/wav, 3 bytes]"),
        ([ResourceLink(name="x", uri="file:///x")], "[link: file:///x]"),
        ([EmbeddedResource(resource=TextResourceContents(uri="file:///x", text="inside"))], "inside"),
        (
            [EmbeddedResource(resource=BlobResourceContents(uri="file:///x", blob="AAAAAAAA"))],
            "[resource left out: file:///x, 6 bytes]",
        ),
    ],
)
def test_text_is_joined_and_other_content_is_named(content: list[ContentBlock], expected: str) -> None:
    assert tool_output(CallToolResult(content=content)) == expected


def test_structured_content_is_preferred() -> None:
    text, image = TextContent(text='{"n": 1}'), ImageContent(data="AAAA", mime_type="image/png")
    assert tool_output(CallToolResult(content=[text], structured_content={"n": 1})) == {"n": 1}
    assert tool_output(CallToolResult(content=[text, image], structured_content={"n": 1})) == {
        "result": {"n": 1},
        "beside": ["[image left out: image/png, 3 bytes]"],
    }


def test_an_error_keeps_the_tool_s_own_words() -> None:
    with pytest.raises(ToolError, match=r"^on fire$"):
        tool_output(CallToolResult(content=[TextContent(text="on fire")], is_error=True))
    with pytest.raises(ToolError, match="does not say why"):
        tool_output(CallToolResult(content=[], is_error=True))
