"""A reverse proxy that serves the service below a path: it takes the path off each request, and no more."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import httpx2

PATH = "/chat"
_REQUEST_LINE = re.compile(rb"\A([A-Z]+ )/chat(/)")


@asynccontextmanager
async def below_a_path(url: str) -> AsyncGenerator[str]:
    """Yield the address under which the proxy serves the service at `url`. Other paths reach it as they are."""
    service = httpx2.URL(url)
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_client: bool) -> None:
        with suppress(ConnectionError, RuntimeError):  # a side is gone; the second is uvloop's word for it
            while data := await source.read(65_536):  # a client's head comes in one piece
                sink.write(_REQUEST_LINE.sub(rb"\1\2", data) if is_client else data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        there, back = await asyncio.open_connection(service.host, service.port)
        writers.update((writer, back))
        await asyncio.gather(relay(reader, back, is_client=True), relay(there, writer, is_client=False))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}{PATH}"
    finally:
        listener.close()
        for each in writers:
            each.transport.abort()
        await asyncio.gather(*tasks)
