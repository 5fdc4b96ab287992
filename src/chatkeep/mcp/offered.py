"""A server's tool as a function of ours, and what it answers as an output. Nothing a server says is trusted."""

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from mcp import types

from chatkeep.text import clean
from chatkeep.tools.arguments import by_schema
from chatkeep.tools.context import Caller
from chatkeep.tools.declaration import Run, Safety, Tool, ToolError

DESCRIPTION = 1_024
"""Characters of a description that the model is told."""
SCHEMA_BYTES = 32_768
"""The largest schema that is offered: it goes into every prompt."""
NAME = 64
"""Characters of a function's name (OpenAI, Chat Completions, `tools`)."""

Call = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Calls a tool by the server's name for it."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_log = logging.getLogger("chatkeep")


def functions(server: str, tools: Sequence[types.Tool], call: Call) -> dict[str, Tool]:
    """The functions that `tools` are, by their names: `SERVER_TOOL`. One that cannot be offered is left out."""
    found: dict[str, Tool] = {}
    for tool in sorted(tools, key=lambda tool: (_plain(server, tool.name) is None, tool.name)):
        name = _plain(server, tool.name)
        if name is None or name in found:
            name = _distinct(server, tool.name)
        try:
            found[name] = _function(name, tool, call)
        except (ValueError, RecursionError) as error:
            _log.warning("MCP server %s: its tool %.100r cannot be offered: %s", server, tool.name, error)
    return found


def output(result: types.CallToolResult) -> Any:
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


def _function(name: str, tool: types.Tool, call: Call) -> Tool:
    schema = tool.input_schema
    if schema.get("type") != "object":
        raise ValueError("its schema is not that of an object")
    if len(msgspec.json.encode(schema)) > SCHEMA_BYTES:
        raise ValueError(f"its schema is longer than {SCHEMA_BYTES} bytes")
    made = Tool(
        name,
        _described(tool),
        "action",
        schema,
        by_schema(schema),
        _safety(tool.annotations),
        _running(tool.name, call),
    )
    assert made.offered  # made here, where a schema that cannot be walked does the least harm
    return made


def _running(tool: str, call: Call) -> Run:
    async def run(arguments: dict[str, Any], caller: Caller) -> Any:
        del caller  # a server is not told for whom it works
        return await call(tool, arguments)

    return run


def _described(tool: types.Tool) -> str:
    text = clean(tool.description or tool.title or tool.name).strip()
    return text if len(text) <= DESCRIPTION else f"{text[: DESCRIPTION - 1]}…"


def _safety(annotations: types.ToolAnnotations | None) -> Safety:
    if annotations is not None and annotations.read_only_hint:
        return "read_only"
    if annotations is not None and annotations.idempotent_hint:
        return "idempotent"
    return "unsafe"


def _plain(server: str, tool: str) -> str | None:
    """The name as it should be; None where it would not be legal."""
    name = f"{server}_{tool}"
    return None if len(name) > NAME or _ILLEGAL.search(name) else name


def _distinct(server: str, tool: str) -> str:
    """A legal name, told apart from others by its end."""
    mark = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{_ILLEGAL.sub('_', f'{server}_{tool}')[: NAME - 7]}_{mark}"


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
