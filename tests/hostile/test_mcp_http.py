"""An MCP server over HTTP whose answers are too large or packed harms its own calls only."""

import gzip
import json
import socket
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chatkeep import mcp
from chatkeep.mcp.stdio import MAX_MESSAGE_BYTES
from chatkeep.settings.mcp_servers import McpServer
from tests.mcp.test_server_task import call_tool

pytestmark = pytest.mark.anyio


class Handler(BaseHTTPRequestHandler):
    """Answers as the tool's name says: `small`, `huge`, `packed`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in request:
            self.respond(202, b"")
            return
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        result = self.result(request["method"], request.get("params", {}))
        reply |= {"error": {"code": -32601, "message": "no"}} if result is None else {"result": result}
        body = json.dumps(reply).encode()
        if request.get("params", {}).get("name") == "packed":
            self.respond(200, gzip.compress(body), "gzip")
        else:
            self.respond(200, body)

    def result(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "initialize":
            info = {"name": "h", "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        if method == "tools/list":
            return {"tools": [{"name": name} for name in ("small", "huge", "packed")]}
        if method == "tools/call":
            return {"content": [{"type": "text", "text": "x" * (MAX_MESSAGE_BYTES if params["name"] == "huge" else 9)}]}
        return None

    def respond(self, status: int, body: bytes, encoding: str = "identity") -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-encoding", encoding)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.respond(405, b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library names it so
        """Say nothing."""


@pytest.fixture
def server() -> Generator[McpServer]:
    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
            """Say nothing: the client has hung up."""

    http = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield McpServer("t", url=f"http://127.0.0.1:{http.server_port}/mcp")
    http.shutdown()
    http.server_close()


async def test_a_body_beyond_all_bounds_fails_its_call(server: McpServer, caplog: pytest.LogCaptureFixture) -> None:
    async with mcp.offer_tools([server], {}) as tools:
        huge = await call_tool(tools, "huge")
        assert huge.error is not None
        assert huge.error.message.endswith(f"it is longer than {MAX_MESSAGE_BYTES} bytes")
        assert (await call_tool(tools, "small")).output == "x" * 9
    assert not caplog.messages


async def test_a_packed_body_is_refused(server: McpServer, caplog: pytest.LogCaptureFixture) -> None:
    async with mcp.offer_tools([server], {}) as tools:
        assert (await call_tool(tools, "packed")).error is not None
        assert (await call_tool(tools, "small")).output == "x" * 9
    assert caplog.messages == [
        "MCP server t: DecodingError: it compresses, though it was not asked to; trying again, in 0.2 to 60 s"
    ]
