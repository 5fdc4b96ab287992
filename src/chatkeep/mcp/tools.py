"""A server's tool as a function of ours, and what it answers as an output. Nothing a server says is trusted."""

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from mcp import types

from chatkeep.text import clean
from chatkeep.tools.arguments import schema_check
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Safety, Tool, ToolError, ToolRunner

MAX_DESCRIPTION_CHARS = 1_024
"""Characters of a description that the model is told."""
MAX_SCHEMA_BYTES = 32_768
"""The largest schema that is offered: it goes into every prompt."""
MAX_NAME_CHARS = 64
"""Characters of a function's name (OpenAI, Chat Completions, `tools`)."""

CallTool = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Calls a tool by the server's name for it."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_log = logging.getLogger("chatkeep")


def to_tools(server: str, tools: Sequence[types.Tool], call: CallTool) -> dict[str, Tool]:
    """The functions that `tools` are, by their names: `SERVER_TOOL`. One that cannot be offered is left out."""
    found: dict[str, Tool] = {}
    for tool in sorted(tools, key=lambda tool: (_plain_name(server, tool.name) is None, tool.name)):
        name = _plain_name(server, tool.name)
        if name is None or name in found:
            name = _distinct_name(server, tool.name)
        try:
            found[name] = _to_tool(name, tool, call)
        except (ValueError, RecursionError) as error:
            _log.warning("MCP server %s: its tool %.100r cannot be offered: %s", server, tool.name, error)
    return found


def tool_output(result: types.CallToolResult) -> Any:
    """What a tool answered: its structured content, else its text; what is neither is named, not included.

    Raises:
        ToolError: the tool says that it failed, and how.
    """
    texts = [_text(block) for block in result.content]
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
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise ValueError(f"its schema is longer than {MAX_SCHEMA_BYTES} bytes")
    made = Tool(
        name,
        _description(tool),
        "action",
        schema,
        schema_check(schema),
        _safety(tool.annotations),
        _runner(tool.name, call),
    )
    assert made.definition  # made here, where a schema that cannot be walked does the least harm
    return made


def _runner(tool: str, call: CallTool) -> ToolRunner:
    async def run(arguments: dict[str, Any], caller: ToolContext) -> Any:
        del caller  # a server is not told for whom it works
        return await call(tool, arguments)

    return run


def _description(tool: types.Tool) -> str:
    text = clean(tool.description or tool.title or tool.name).strip()
    return text if len(text) <= MAX_DESCRIPTION_CHARS else f"{text[: MAX_DESCRIPTION_CHARS - 1]}…"


def _safety(annotations: types.ToolAnnotations | None) -> Safety:
    if annotations is not None and annotations.read_only_hint:
        return "read_only"
    if annotations is not None and annotations.idempotent_hint:
        return "idempotent"
    return "unsafe"


def _plain_name(server: str, tool: str) -> str | None:
    """The name as it should be; None where it would not be legal."""
    name = f"{server}_{tool}"
    return None if len(name) > MAX_NAME_CHARS or _ILLEGAL.search(name) else name


def _distinct_name(server: str, tool: str) -> str:
    """A legal name, told apart from others by its end."""
    mark = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{_ILLEGAL.sub('_', f'{server}_{tool}')[: MAX_NAME_CHARS - 7]}_{mark}"


def _is_text(block: types.ContentBlock) -> bool:
    return isinstance(block, types.TextContent)


def _text(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} left out: {block.mime_type}, {_size(block.data)}]"
        case types.ResourceLink():
            return f"[link: {block.uri}]"
        case types.EmbeddedResource():
            return _resource(block.resource)


def _resource(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return f"[resource left out: {resource.uri}, {_size(resource.blob)}]"


def _size(base64: str) -> str:
    return f"{len(base64) * 3 // 4} bytes"
