"""Converts a server's tools to functions of ours, and their results to outputs. A server is never trusted."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from chatkeep.mcp.raw_results import Json
from chatkeep.text import clean
from chatkeep.tools.arguments import ArgumentCheck, InvalidArguments
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Safety, Tool, ToolError, ToolRunner
from chatkeep.tools.json_schema import schema_check
from chatkeep.tools.names import MAX_NAME_CHARS, NAME_PATTERN, legal_name

MAX_DESCRIPTION_CHARS = 1_024
"""The length of the longest description, in characters. A longer one is cut."""

CallTool = Callable[[str, dict[str, Any]], Awaitable[Json]]
"""Calls a tool by the server's name for it, with its arguments, and returns its result."""

_HASH_CHARS = 6
"""Characters of the hash that tells names apart."""


def to_tools(server: str, tools: Sequence[Json], call: CallTool, warn: Callable[[str], None]) -> dict[str, Tool]:
    """Return `tools` as functions, by their names `SERVER_TOOL`. `warn` gets a line for each that cannot be offered.

    Tools whose plain name is legal come first, so that no changed name takes theirs.
    """
    functions: dict[str, Tool] = {}
    named = [(_text(tool.get("name")), tool) for tool in tools]
    for tool_name, tool in sorted(named, key=lambda each: (_plain_name(server, each[0]) is None, each[0])):
        name = _plain_name(server, tool_name)
        if name is None or name in functions:
            name = _distinct_name(server, tool_name)
        try:
            functions[name] = _to_tool(name, tool_name, tool, call, warn)
        except (ValueError, RecursionError) as error:
            warn(f"its tool {tool_name!r:.100} cannot be offered: {error}")
    return functions


def tool_output(result: Json, check: ArgumentCheck | None = None) -> Any:
    """Return a tool's output: its structured content, or else its text. Images and other data are only named.

    `check` is that of its output schema. An output that does not fit is an output all the same, with a remark.

    Raises:
        ToolError: the tool reports that it failed.
    """
    blocks = _blocks(result.get("content"))
    texts = [_describe_block(block) for block in blocks]
    if result.get("isError") is True:
        raise ToolError("\n".join(texts) or "the function failed, and does not say why")
    structured = result.get("structuredContent")
    remark = {} if check is None else _remark(structured, check)
    if structured is None:
        output = "\n".join(texts)
        return {"result": output} | remark if remark else output
    others = [text for text, block in zip(texts, blocks, strict=True) if not _is_text(block)]
    beside = {"beside": others} if others else {}
    return {"result": structured} | beside | remark if beside or remark else structured


def _remark(structured: Any, check: ArgumentCheck) -> dict[str, str]:
    """Return a remark for the model if an output does not fit its schema; empty if it does."""
    if structured is None:
        return {"remark": "this breaks the function's own output schema: it has no structured content"}
    try:
        check(structured)
    except InvalidArguments as error:
        return {"remark": f"this breaks the function's own output schema: {error}"}
    return {}


def _to_tool(name: str, tool_name: str, tool: Json, call: CallTool, warn: Callable[[str], None]) -> Tool:
    schema: Any = tool.get("inputSchema")
    if not tool_name or tool_name != clean(tool_name):
        raise ValueError("it has no name, or none that can be sent")
    schema = {} if schema is None else schema
    if not isinstance(schema, dict) or cast("Json", schema).get("type", "object") != "object":
        raise ValueError("its schema is not that of an object")
    schema = {"type": "object"} | cast("Json", schema)
    output_check = _output_check(tool_name, tool.get("outputSchema"), warn)

    async def run(arguments: dict[str, Any], context: ToolContext) -> Any:
        del context  # a server is not told for whom it works
        return tool_output(await call(tool_name, arguments), output_check)

    runner: ToolRunner = run
    description = _read_description(tool_name, tool)
    safety = _read_safety(tool.get("annotations"))
    function = Tool(name, description, "action", schema, schema_check(schema), safety, runner)
    assert function.definition  # made and kept: a schema that no provider takes fails here, not in a turn
    return function


def _output_check(tool_name: str, schema: Any, warn: Callable[[str], None]) -> ArgumentCheck | None:
    """Return the check of an output, or None if the tool has no output schema that can be used."""
    if schema is None:
        return None
    try:
        return schema_check(schema, "results")
    except (ValueError, RecursionError) as error:
        warn(f"the output schema of its tool {tool_name!r:.100} is not used: {error}")
        return None


def _read_description(tool_name: str, tool: Json) -> str:
    texts = [_text(tool.get("description")), _text(tool.get("title")), tool_name]
    text = clean(next(filter(None, texts))).strip()
    return text if len(text) <= MAX_DESCRIPTION_CHARS else f"{text[: MAX_DESCRIPTION_CHARS - 1]}…"


def _read_safety(annotations: Any) -> Safety:
    match annotations:
        case {"readOnlyHint": True}:
            return "read_only"
        case {"idempotentHint": True}:
            return "idempotent"
        case _:
            return "unsafe"


def _plain_name(server: str, tool: str) -> str | None:
    """Return the name `SERVER_TOOL`, or None if it is not legal."""
    name = f"{server}_{tool}"
    return name if NAME_PATTERN.fullmatch(name) else None


def _distinct_name(server: str, tool: str) -> str:
    """Return a legal name that ends in a hash of the tool's own name, so that it differs from others."""
    digest = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{legal_name(f'{server}_{tool}')[: MAX_NAME_CHARS - _HASH_CHARS - 1]}_{digest}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _blocks(content: Any) -> list[Any]:
    """Return the blocks of content. Some servers send one that is no list."""
    if isinstance(content, list):
        return cast("list[Any]", content)
    return [] if content is None else [content]


def _is_text(block: Any) -> bool:
    return isinstance(block, str) or (isinstance(block, dict) and cast("Json", block).get("type") == "text")


def _describe_block(block: Any) -> str:
    """Return the text of a block of content; for other data, a note of what was left out."""
    match block:
        case str(text) | {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            return f"[{kind} left out: {_text(cast('Json', block).get('mimeType'))}, {_describe_size(data)}]"
        case {"type": "resource_link", "uri": str(uri)}:
            return f"[link: {uri}]"
        case {"type": "resource", "resource": {"uri": str(uri), "blob": str(blob)}}:
            return f"[resource left out: {uri}, {_describe_size(blob)}]"
        case _:
            return f"[not understood: {json.dumps(block)[:200]}]"


def _describe_size(base64: str) -> str:
    """Return the size of the data that `base64` encodes: 3 bytes for each 4 characters."""
    return f"{len(base64) * 3 // 4} bytes"
