"""Converts a server's tools to functions of ours, and their results to outputs. A server is never trusted."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mcp import types

from chatkeep.text import clean
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Safety, Tool, ToolError, ToolRunner
from chatkeep.tools.json_schema import schema_check
from chatkeep.tools.names import MAX_NAME_CHARS, NAME_PATTERN, legal_name

MAX_DESCRIPTION_CHARS = 1_024
"""The length of the longest description, in characters. A longer one is cut."""

CallTool = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Calls a tool by the server's name for it, with its arguments, and returns its output."""

_HASH_CHARS = 6
"""Characters of the hash that tells names apart."""
_log = logging.getLogger("chatkeep")


def to_tools(server: str, tools: Sequence[types.Tool], call: CallTool) -> dict[str, Tool]:
    """Return `tools` as functions, by their names `SERVER_TOOL`. A tool that cannot be offered is logged and left out.

    Tools whose plain name is legal come first, so that no changed name takes theirs.
    """
    functions: dict[str, Tool] = {}
    for tool in sorted(tools, key=lambda tool: (_plain_name(server, tool.name) is None, tool.name)):
        name = _plain_name(server, tool.name)
        if name is None or name in functions:
            name = _distinct_name(server, tool.name)
        try:
            functions[name] = _to_tool(name, tool, call)
        except (ValueError, RecursionError) as error:
            _log.warning("MCP server %s: its tool %.100r cannot be offered: %s", server, tool.name, error)
    return functions


def tool_output(result: types.CallToolResult) -> Any:
    """Return a tool's output: its structured content, or else its text. Images and other data are only named.

    Raises:
        ToolError: the tool reports that it failed.
    """
    texts = [_describe_block(block) for block in result.content]
    if result.is_error:
        raise ToolError("\n".join(texts) or "the function failed, and does not say why")
    if result.structured_content is None:
        return "\n".join(texts)
    others = [text for text, block in zip(texts, result.content, strict=True) if not _is_text(block)]
    return {"result": result.structured_content, "beside": others} if others else result.structured_content


def _to_tool(name: str, tool: types.Tool, call: CallTool) -> Tool:
    schema = tool.input_schema
    if schema.get("type") != "object":
        raise ValueError("its schema is not that of an object")
    function = Tool(
        name,
        _read_description(tool),
        "action",
        schema,
        schema_check(schema),
        _read_safety(tool.annotations),
        _make_runner(tool.name, call),
    )
    assert function.definition  # computed and cached now: a schema that cannot be converted fails here, not in a turn
    return function


def _make_runner(tool: str, call: CallTool) -> ToolRunner:
    async def run(arguments: dict[str, Any], context: ToolContext) -> Any:
        del context  # a server is not told for whom it works
        return await call(tool, arguments)

    return run


def _read_description(tool: types.Tool) -> str:
    text = clean(tool.description or tool.title or tool.name).strip()
    return text if len(text) <= MAX_DESCRIPTION_CHARS else f"{text[: MAX_DESCRIPTION_CHARS - 1]}…"


def _read_safety(annotations: types.ToolAnnotations | None) -> Safety:
    if annotations is not None and annotations.read_only_hint:
        return "read_only"
    if annotations is not None and annotations.idempotent_hint:
        return "idempotent"
    return "unsafe"


def _plain_name(server: str, tool: str) -> str | None:
    """Return the name `SERVER_TOOL`, or None if it is not legal."""
    name = f"{server}_{tool}"
    return name if NAME_PATTERN.fullmatch(name) else None


def _distinct_name(server: str, tool: str) -> str:
    """Return a legal name that ends in a hash of the tool's own name, so that it differs from others."""
    digest = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{legal_name(f'{server}_{tool}')[: MAX_NAME_CHARS - _HASH_CHARS - 1]}_{digest}"


def _is_text(block: types.ContentBlock) -> bool:
    return isinstance(block, types.TextContent)


def _describe_block(block: types.ContentBlock) -> str:
    """Return the text of a block of content; for other data, a note of what was left out."""
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} left out: {block.mime_type}, {_describe_size(block.data)}]"
        case types.ResourceLink():
            return f"[link: {block.uri}]"
        case types.EmbeddedResource():
            return _describe_resource(block.resource)


def _describe_resource(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return f"[resource left out: {resource.uri}, {_describe_size(resource.blob)}]"


def _describe_size(base64: str) -> str:
    """Return the size of the data that `base64` encodes: 3 bytes for each 4 characters."""
    return f"{len(base64) * 3 // 4} bytes"
