"""Carries a server's results past the SDK's validation, which knows only all or nothing. Pure.

The SDK validates a list of tools as a whole, so one tool whose schema is none takes all others away. It validates an
output as a whole, and by the tool's output schema, so a call that was done is reported as an error. Therefore each
result is wrapped when it arrives: the SDK sees the least that it takes, with the original beside it (`_meta`), and
`mcp/tools.py` reads the original, part by part.
"""

from typing import Any, cast

Json = dict[str, Any]

MAX_PAGE_TOOLS = 1_024
"""How many tools of a page of the list are looked at."""
_ORIGINAL = "chatkeep/original"
"""The key of the original in `_meta` (MCP, "General fields": a prefix, a slash, a name)."""
_OUTPUT_FIELDS = ("content", "structuredContent", "isError")


class _Original(str):
    """The original, as a text: the SDK would copy every other value several times, and it may have megabytes."""

    value: Json

    @classmethod
    def of(cls, value: Json) -> "_Original":
        original = cls()
        original.value = value
        return original


def wrap_result(result: Json) -> Json:
    """Return a server's result as the SDK takes it: `unwrap` finds the original. Only tools and outputs are wrapped."""
    if "tools" in result:
        return _wrap_page(result)
    if result.get("resultType") != "input_required" and any(field in result for field in _OUTPUT_FIELDS):
        return {"content": [], "resultType": "complete", "_meta": {_ORIGINAL: _Original.of(result)}}
    return result


def unwrap(meta: Any) -> Json:
    """Return the original of a page of tools, a tool or an output, given its `_meta`; empty if it was not wrapped."""
    original = cast("Json", meta).get(_ORIGINAL) if isinstance(meta, dict) else None
    return original.value if isinstance(original, _Original) else {}


def _wrap_page(page: Json) -> Json:
    tools, cursor = page["tools"], page.get("nextCursor")
    listed = cast("list[Any]", tools)[:MAX_PAGE_TOOLS] if isinstance(tools, list) else []
    meta = {_ORIGINAL: _Original.of({"tools": listed})}
    wrapped = {"tools": [_wrap_tool(each) for each in listed], "resultType": "complete", "_meta": meta}
    caching = {"ttlMs": 0, "cacheScope": "private"}  # required from protocol version 2026-07-28 on, else ignored
    return wrapped | caching | ({"nextCursor": cursor} if isinstance(cursor, str) else {})


def _wrap_tool(tool: Any) -> Json:
    """Return a tool of which only the name and the properties count: the SDK looks for `x-mcp-header` in these."""
    original = cast("Json", tool) if isinstance(tool, dict) else {}
    schema = original.get("inputSchema")
    properties = cast("Json", schema).get("properties") if isinstance(schema, dict) else None
    named = cast("Json", properties) if isinstance(properties, dict) else {}
    return {
        "name": original["name"] if isinstance(original.get("name"), str) else "",
        "inputSchema": {
            "type": "object",
            "properties": {name: each for name, each in named.items() if isinstance(each, dict)},
        },
        "_meta": {_ORIGINAL: _Original.of(original)},
    }
