"""A real HTTP server on loopback that speaks the provider's protocol, as well or as badly as a test wants."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class ProviderRequest:
    """A request that the provider received."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Answer = Callable[[ProviderRequest, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Provider:
    """`answers` are used one for each request; the last is used again. `disconnects` counts clients that left early.

    `is_known`: a model that a test connects sends one request before the test begins. `tls`: it speaks TLS with that.
    """

    answers: list[Answer] = field(default_factory=list[Answer])
    requests: list[ProviderRequest] = field(default_factory=list[ProviderRequest])
    disconnects: int = 0
    url: str = ""
    is_known: bool = False
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self._tasks: set[asyncio.Task[None]] = set()
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> set[asyncio.Task[None]]:
        """The open connections, by the tasks that serve them."""
        return set(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await self._answer(answer, request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, RuntimeError):  # uvloop: a write after the end
            self.disconnects += 1
        finally:
            writer.close()

    async def _answer(
        self, answer: Answer, request: ProviderRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer, unless the client disconnects first."""
        answering = asyncio.ensure_future(answer(request, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering in done:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            answering.result()
        else:
            answering.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            raise ConnectionResetError("the client left")


def streams(*pieces: bytes | float | asyncio.Event, end: bool = True) -> Answer:
    """Return an event stream, one write for each piece. A number waits so many seconds, an event until it is set.

    `end`: close the body properly; otherwise the connection is aborted.
    """

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        await writer.drain()
        for piece in pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, bytes):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            else:
                await asyncio.sleep(piece)
        if not end:
            writer.transport.abort()
            raise ConnectionResetError("torn on purpose")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answer


def refuses(status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer with a JSON body (or a text), such as an error."""

    async def answer(request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        writer.write(_head(status, {"content-type": kind, "content-length": str(len(text)), **(headers or {})}) + text)
        await writer.drain()

    return answer


def text_chunks(*texts: str, reason: str | None = "stop", usage: tuple[int, int] | None = (9, 3)) -> list[bytes]:
    """Return the SSE events of a whole text answer, one bytes object each."""
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    if reason:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if usage:
        chunks.append({"choices": [], "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}})
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def _read(reader: asyncio.StreamReader) -> ProviderRequest | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None  # a kept-alive connection that was closed between two requests
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ProviderRequest(first.split(" ")[1], headers, json.loads(body or b"{}"))
