"""`chatkeep serve`: uvicorn around the application, a line when it is ready, a line when it cannot start."""

import asyncio
import gc
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload, Multiprocess

from chatkeep.api.app import create_app
from chatkeep.errors import CannotStart
from chatkeep.runs.startup import load_assistants, load_tools, open_database
from chatkeep.settings import Settings

STUCK_SECONDS = 5
"""How long a response that does not end may hold up the exit, once the service has drained."""

UNREAD_SECONDS = 60
"""How long a client may leave everything unread before its connection is closed; it can come back and go on."""
YOUNG_OBJECTS = 10_000
"""How many more objects there have to be before the youngest are looked through for garbage; Python's own is 700."""
KEEP_ALIVE_SECONDS = 15
"""How long an idle connection is kept; a reset one keeps its memory until then."""


class Server(uvicorn.Server):
    """Uvicorn, saying where it is once it listens, and exiting with 0 when it was told to."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop. Uvicorn itself would raise the signal anew after a clean shutdown, and so be killed by it."""
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and hang up on clients that do not read: the loop would wait for them when it closes."""
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        _settle_memory()
        if self.started:
            listening = sockets[0] if sockets else self.servers[0].sockets[0]
            host, port = listening.getsockname()[:2]
            print(f"chatkeep is ready: http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)


def serve(settings: Settings, host: str, port: int, *, reload: bool, workers: int) -> int:
    """Serve until told to stop; the exit status.

    Raises:
        CannotStart: something is wrong that would only fail later, in a process of its own, with a traceback.
    """
    asyncio.run(_check(settings, host, port))
    if reload or workers > 1:  # each process makes its own application; the supervisor says where they listen
        config = _configured(
            "chatkeep.api.app:create_app", host, port, log_level="info", reload=reload, workers=workers
        )
        sockets = [_bound(config)]
        if reload:
            ChangeReload(config, uvicorn.Server(config).run, sockets).run()
        else:
            Multiprocess(config, sockets).run()
        return 0
    config = _configured(create_app(settings), host, port, log_level="warning")
    server = Server(config)
    server.run([_bound(config)])
    return 0 if server.started else 1


def _settle_memory() -> None:
    """Spare what was made for the start from garbage collection, and collect the youngest objects less often.

    Streams make objects all the time, few of them in cycles: 7 % of the event loop's time went into looking for those.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _bound(config: uvicorn.Config) -> socket.socket:
    """The socket to listen on. A client that reads nothing for some time is cut off by the kernel, where it can."""
    bound = config.bind_socket()
    if sys.platform == "linux":  # inherited by each connection; counts a window that stays shut, too (tcp(7))
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return bound


def _configured(
    app: ASGIApp | str, host: str, port: int, *, log_level: str, reload: bool = False, workers: int = 1
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host,
        port,
        factory=isinstance(app, str),
        log_level=log_level,
        reload=reload,
        reload_dirs=[str(Path(__file__).parent.parent), "."] if reload else None,
        workers=workers,
        timeout_graceful_shutdown=STUCK_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )


async def _check(settings: Settings, host: str, port: int) -> None:
    load_assistants(settings, load_tools(settings))
    await (await open_database(settings)).close()
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        number = error.errno or 0  # of the resolver's own, if it is negative; then its words are followed by an address
        reason = os.strerror(number) if number > 0 else str(error.strerror).partition(" (")[0]
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}") from error
