"""The hostile part of `soak.py`'s load: clients that send what no client should, and a provider's odd answers."""

import asyncio
import contextlib
import gzip
import json
import random
from pathlib import Path
from typing import Any

import httpx2
from mixed import HEAD, Load

CORPUS = [file.read_bytes() for file in sorted((Path(__file__).parent.parent / "tests" / "llm").glob("*.sse"))]
"""What providers were seen to send, well-formed or not."""
ENDLESS_PIECES = 10_000
"""Pieces of 16 KiB that an endless body has at most, should the service ever read it whole."""


async def answer_oddly(writer: asyncio.StreamWriter, way: str) -> None:
    """Answer a request of the service in one of the ways `odd`, `endless`, `gzip`, `switch` and `calls`."""
    if way == "odd":
        writer.write(HEAD % (200, b"text/event-stream") + random.choice(CORPUS))
    elif way == "endless":
        writer.write(HEAD % (400, b"text/plain"))
        for _ in range(ENDLESS_PIECES):
            writer.write(b"no " * 5_461)
            await writer.drain()
    elif way == "gzip":
        body = gzip.compress(b"data: " + b" " * 10_000_000)
        writer.write(
            HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") % (200, b"text/event-stream") + body
        )
    elif way == "switch":
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x05Hello"
        )
    else:
        calls = [{"index": n, "id": f"c{n}", "function": {"name": "no_such", "arguments": "{}"}} for n in range(2_000)]
        chunk = {"choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
        writer.write(HEAD % (200, b"text/event-stream") + b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())
    await writer.drain()


async def annoy(load: Load) -> None:
    """Send bad requests until the load stops. Each must be refused, in the way that the contract says."""
    doubling: dict[str, Any] = {"x0": {"type": "string"}}
    for n in range(1, 30):
        doubling[f"x{n}"] = {"allOf": [{"$ref": f"#/$defs/x{n - 1}"}] * 2}
    schema = {"type": "object", "$defs": doubling, "properties": {"a": {"$ref": "#/$defs/x29"}}}
    tool = {"name": "f", "description": "d", "parameters": schema}
    session = (await load.ask("POST", "/api/sessions", (201,), json={}))["id"]
    messages = f"/api/sessions/{session}/messages"
    requests: list[tuple[str, str, int, Any, dict[str, str]]] = [
        ("POST", messages, 422, {"content": "Hi", "tools": [tool]}, {}),
        ("POST", "/api/sessions", 422, {f"field {n}": n for n in range(20_000)}, {}),
        ("POST", "/api/sessions", 403, {}, {"origin": "https://example.org"}),
        ("GET", "/api/sessions", 400, None, {"host": "example.org"}),
        ("POST", messages, 413, {"content": "x" * 2_000_000}, {}),
        ("POST", messages, 422, {"content": "x" * 300_000}, {}),
        ("GET", "/api/sessions?limit=-1", 422, None, {}),
        ("GET", "/api/runs/no-such-run", 404, None, {}),
    ]
    while not load.stopping:
        with contextlib.suppress(httpx2.TransportError):  # a refused body may end with its connection
            method, path, status, body, headers = random.choice(requests)
            await load.ask(method, path, (status,), json=body, **headers)
            load.counts["bad requests refused"] += 1
        await _send_half_a_head(load)


async def _send_half_a_head(load: Load) -> None:
    """Open a connection, begin a request, and leave it or let the service close it."""
    url = load.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /api/sessions HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * random.choice((10, 100_000)))
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(reader.read(1), random.choice((0.1, 15)))
    writer.close()
    load.counts["half requests"] += 1
