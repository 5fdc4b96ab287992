"""An MCP server over stdio that misbehaves in the way that its first argument names. It knows nothing of the SDK."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

WAY = sys.argv[1]
OBJECT = {"type": "object"}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
MESSAGE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 100}}
CALLS: list[str] = []
CANCELLED: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": []}}
PING = {"jsonrpc": "2.0", "id": "ping", "method": "ping"}


def say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def is_faulty(cursor: str | None) -> bool:
    """Return True if there is an error in place of a page."""
    return (WAY == "faulty-page" and cursor is not None) or (WAY == "faulty-again" and bool(CALLS))


def page(cursor: str | None) -> dict[str, Any]:
    """Return a page of the list of tools."""
    tools: list[Any] = [{"name": name, "inputSchema": OBJECT} for name in ("echo", "other")]
    if WAY == "odd-tools":
        odd: list[Any] = [None, 7, {}, {"name": 7}, {"name": "list", "inputSchema": []}]
        bare: list[Any] = [{"name": "bare"}, {"name": "empty", "inputSchema": {}, "annotations": 7, "_meta": 7}]
        return {"tools": [*odd, *bare, *tools], "nextCursor": 7}
    if WAY == "odd-headers":
        wanted = [{"type": "string", "x-mcp-header": header} for header in ("no header", "", 7)]
        schemas = [{**OBJECT, "properties": {"a": each}} for each in wanted]
        return {"tools": [{"name": f"odd{at}", "inputSchema": each} for at, each in enumerate(schemas)] + tools}
    if WAY == "twice":
        return {"tools": tools * 100}
    if WAY == "many":
        return {"tools": [{"name": f"n{number}", "inputSchema": OBJECT} for number in range(50_000)]}
    if WAY == "endless":
        return {"tools": tools[: cursor is None], "nextCursor": f"{cursor}+"}
    if WAY == "circle":
        return {"tools": tools, "nextCursor": "again"}
    if WAY == "no-list":
        return {"tools": "none"}
    return {"tools": tools, "nextCursor": "second"} if WAY == "faulty-page" else {"tools": tools}


def call(name: str) -> Iterator[dict[str, Any]]:
    """Yield the messages after a call, the last of which is its result."""
    if WAY == "dies":
        os._exit(7)
    if WAY == "huge":
        sys.stdout.write("x" * 100_000_000)
    CALLS.append(name)
    if WAY in ("faulty-again", "odd-headers"):
        yield CHANGED
    if WAY == "storm":
        yield from [CHANGED] * 1_200
    if WAY == "noise":
        sys.stdout.write("debug\n" * 400)
    if WAY == "pings":
        yield from [PING] * 1_200
    if WAY == "cancels":
        yield from [CANCELLED] * 100
    if WAY == "odd-output":
        yield {
            "structuredContent": {"a": "\ud83d"},
            "content": [{"type": "hologram"}, {"type": "text", "text": "cut \ud83d"}],
        }
    elif WAY == "no-output":
        yield {"nothing": True}
    else:
        yield {"content": [{"type": "text", "text": name}]}


def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the messages that answer a request; those without `jsonrpc` are results."""
    method, params = request["method"], request.get("params", {})
    if method == "initialize":
        version = "1999-12-31" if WAY == "version" else params["protocolVersion"]
        yield {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "h", "version": "1"}}
    elif method == "server/discover" and WAY == "odd-headers":  # the version that has these headers
        yield {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    elif method == "tools/list" and not is_faulty(params.get("cursor")):
        yield page(params.get("cursor"))
    elif method == "tools/call":
        yield from call(params["name"])
    else:
        yield {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no"}}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request or WAY == "mute":
            continue
        for each in answer(request):
            say(each if "jsonrpc" in each else {"jsonrpc": "2.0", "id": request["id"], "result": each})
        while WAY == "flood" and request["method"] == "tools/list":
            say(MESSAGE)


main()
