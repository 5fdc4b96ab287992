"""A proxy between the service and a server that can cut the connection, at any time or at a word that passes."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on, both ways. While `refusing`, it accepts no connection."""

    def __init__(self, url: str) -> None:
        """`url` is the server's; `Proxy.url` leads there through the proxy."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._server = (parts.hostname, parts.port)
        self._parts = parts
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._word = b""
        self._passing = 0
        self._arrives = False
        self.refusing = False

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = self._parts._replace(netloc=f"{self._parts.username}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut all connections."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def cut_at(self, word: bytes, *, arrives: bool, passing: int = 0) -> None:
        """Cut the next connection on which `word` passes, once: before it `arrives` at the server, or after.

        The first `passing` of these words pass.
        """
        self._word, self._arrives, self._passing = word, arrives, passing

    def _is_cut(self, data: bytes) -> bool:
        if not self._word or self._word not in data:
            return False
        self._passing -= 1
        return self._passing < 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(*self._server)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back, writer), self._pass(there, writer, None))
        finally:
            for each in (writer, back):
                each.transport.abort()
                self._writers.discard(each)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter | None
    ) -> None:
        """Pass bytes from `source` to `sink`. `client` is the sender if its bytes are searched for the word."""
        with contextlib.suppress(ConnectionError, RuntimeError):  # it was cut; the second is uvloop's word for it
            while data := await source.read(65_536):
                if client is not None and self._is_cut(data):
                    self._word = b""
                    client.transport.abort()  # no answer gets back
                    if not self._arrives:
                        break
                    sink.write(data)
                    return
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
