"""A real MCP server, as a process of its own: over stdio, or with `--http PORT` over streamable HTTP on loopback (0:
any free port; it prints which), where `--http PORT KEY` refuses requests without the header `x-key: KEY`.

Tools that work, fail, take long, say too much, die in the middle; and one whose schema is none.
"""

import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent, Tool, ToolAnnotations
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Server(MCPServer):
    async def list_tools(self) -> list[Tool]:
        bent = Tool(name="bent", description="Its schema is none.", input_schema={"type": "object", "required": 7})
        return [*await super().list_tools(), bent]


server = Server("tests")


@server.tool(annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b}


@server.tool(structured_output=False)
def pid() -> str:
    """The number of this process."""
    return str(os.getpid())


@server.tool(structured_output=False)
def fail() -> str:
    """Does not work."""
    raise ToolError("the printer is on fire")


@server.tool(structured_output=False)
def big(size: int) -> str:
    """Says `size` characters."""
    return "x" * size


@server.tool(structured_output=False)
async def slow(seconds: float, note: str) -> str:
    """Takes its time; writes into the file `note` that it has begun, and then whether it was cancelled or done."""
    write = Path(note).write_text
    write("begun")
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        write("cancelled")
        raise
    write("done")
    return "slept"


@server.tool(structured_output=False)
def crash() -> str:
    """Dies in the middle."""
    os._exit(7)


@server.tool(structured_output=False)
def picture() -> CallToolResult:
    """A text and an image."""
    return CallToolResult(content=[TextContent(text="a cat"), ImageContent(data="AAAA", mime_type="image/png")])


@server.tool(name="odd/name" + "x" * 70, structured_output=False)
def odd() -> str:
    """Has a name that no provider takes."""
    return "odd"


@server.tool(structured_output=False)
async def grow(context: Context) -> str:
    """Makes one more tool, and tells the client."""

    def grown() -> str:
        """New."""
        return "new"

    server.add_tool(grown, structured_output=False)
    await context.notify_tools_changed()
    await context.session.send_tool_list_changed()
    return "grown"


async def serve(port: int, key: str | None = None) -> None:
    app = server.streamable_http_app()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and key is not None and Headers(scope=scope).get("x-key") != key:
            await Response(status_code=401)(scope, receive, send)
        else:
            await app(scope, receive, send)

    http = uvicorn.Server(uvicorn.Config(guarded, port=port, log_level="warning"))
    task = asyncio.create_task(http.serve())
    while not http.started:
        await asyncio.sleep(0.005)
    print(http.servers[0].sockets[0].getsockname()[1], flush=True)
    await task


if __name__ == "__main__":
    if sys.argv[1:2] == ["--http"]:
        asyncio.run(serve(int(sys.argv[2]), *sys.argv[3:]))
    else:
        server.run()
