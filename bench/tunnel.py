"""An HTTP proxy that opens tunnels (CONNECT), wherever they are to lead to, and adds as little as it can."""

import asyncio
import socket
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One end of a tunnel: what it receives leaves at the other end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio)."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what was received (asyncio)."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end (asyncio)."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Entrance(End):
    """The client's end. Its first bytes are the request for the tunnel, in one piece."""

    def data_received(self, data: bytes) -> None:
        """Open the tunnel, or pass on (asyncio)."""
        if self.other is None:
            method, target, _ = data.split(b" ", 2)
            assert method == b"CONNECT", data
            self.opening = asyncio.ensure_future(self._open(*target.decode().rsplit(":", 1)))
        super().data_received(data)

    async def _open(self, host: str, port: str) -> None:
        _, exit_end = await asyncio.get_running_loop().create_connection(End, host, int(port))
        self.other, exit_end.other = exit_end, self
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")


async def main() -> None:
    """Serve on a free port and print its URL."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await asyncio.get_running_loop().create_server(Entrance, sock=listening)
    print(f"ready: http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
