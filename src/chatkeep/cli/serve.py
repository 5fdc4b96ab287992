"""`chatkeep serve`: runs the application in uvicorn. Prints one line when it is ready, or why it cannot start."""

import asyncio
import gc
import signal
import socket
import sys
from functools import partial
from logging.config import dictConfig
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload, Multiprocess

from chatkeep.api.app import create_app
from chatkeep.api.connections import Connections
from chatkeep.api.http_protocol import HttpProtocol
from chatkeep.api.ways_in import WaysIn
from chatkeep.cli import systemd
from chatkeep.cli.listening import check_address, check_openness, listening, name_of
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.runs.loading import load_assistants, load_tools, open_database
from chatkeep.settings import Settings
from chatkeep.watch import metrics
from chatkeep.watch.log_lines import LogLevel, log_config

if sys.platform != "win32":
    import resource

SHUTDOWN_TIMEOUT_SECONDS = 5
"""How long a response that does not end may delay the exit after the service has drained."""
KEEP_ALIVE_SECONDS = 15
"""How long an idle connection stays open. A reset connection holds its memory until then."""
GC_THRESHOLD_OBJECTS = 10_000
"""How many new objects start a garbage collection of the youngest generation. Python's default is 700."""

SPARE_FILES = 256
"""How many files a process has open beside its connections: the database, the log, pipes of functions."""


class Server(uvicorn.Server):
    """A uvicorn server that prints its URL once it listens, and exits with status 0 after SIGINT, SIGTERM or SIGHUP."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop. Uvicorn's method would raise the signal again after the shutdown, which kills the process."""
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and close connections whose clients do not read: the closing loop would wait for them."""
        systemd.notify("STOPPING=1")
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then print the URL."""
        await super().startup(sockets)
        _configure_gc()
        if self.started:
            systemd.notify("READY=1")
            self._signs_of_life = asyncio.create_task(systemd.keep_alive(), name="watchdog")
            bound = sockets[0] if sockets else self.servers[0].sockets[0]
            print(f"chatkeep is ready: {name_of(bound)}", flush=True)


class Supervisor(Multiprocess):
    """The process that starts the workers of `--workers` and stops them.

    SIGHUP stops them all, as SIGTERM does. Uvicorn would replace them one after the other instead; but at the end of a
    terminal the workers get the signal too, and the new ones would run on without it.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets)
        if is_ignored:  # by `nohup`; the workers inherit it
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def init_processes(self) -> None:
        """Start the workers."""
        super().init_processes()
        systemd.notify("READY=1")

    def keep_subprocess_alive(self) -> None:
        """Replace workers that are gone, and forget what they had open."""
        systemd.notify("WATCHDOG=1")  # twice a second; a worker that hangs is found and replaced by uvicorn
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            metrics.forget_process(pid)

    def handle_hup(self) -> None:
        """Begin to stop."""
        self.handle_term()


def serve(settings: Settings, host: str, port: int, *, reload: bool, workers: int) -> int:
    """Serve until a signal stops the service, and return the exit status.

    Raises:
        CannotStart: a setting, an assistant, a function, the database or the port cannot be used. It is checked here
            because a worker process would fail later, with a traceback.
    """
    dictConfig(log_config(settings.log, settings.log_level, "warning"))
    asyncio.run(_check(settings, host, port))
    if reload or workers > 1:  # each process creates its own application; the supervisor prints the URL
        config = _config("chatkeep.api.app:create_app", settings, host, port, "info", reload=reload, workers=workers)
        with listening(config) as bound, metrics.shared_by_processes():
            if reload:
                ChangeReload(config, uvicorn.Server(config).run, [bound]).run()
            else:
                Supervisor(config, [bound]).run()
        return 0
    config = _config(create_app(settings), settings, host, port, "warning")
    server = Server(config)
    with listening(config) as bound:
        server.run([bound])
    return 0 if server.started else 1


def _configure_gc() -> None:
    """Exclude all objects of the start from garbage collection, and collect the youngest generation less often.

    Streams create objects all the time, and few of them are in cycles: looking for these took 7 % of the event loop's
    time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD_OBJECTS)


def http_of(connections: Connections) -> type[asyncio.Protocol]:
    """Return what makes a protocol for each of `connections`, as uvicorn's configuration takes it."""
    return cast("type[asyncio.Protocol]", partial(HttpProtocol, connections))  # uvicorn only calls it


def _config(
    app: ASGIApp | str,
    settings: Settings,
    host: str,
    port: int,
    server_level: LogLevel,
    *,
    reload: bool = False,
    workers: int = 1,
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host,
        port,
        factory=isinstance(app, str),
        http=http_of(Connections(_fit_into_files(settings))),
        ws="none",
        log_config=log_config(settings.log, settings.log_level, server_level),
        proxy_headers=False,  # the address of a client is that of its connection
        access_log=False,  # ours is `api/request_log.py`
        reload=reload,
        reload_dirs=[str(Path(__file__).parent.parent), "."] if reload else None,
        workers=workers,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )


def _fit_into_files(settings: Settings) -> int:
    """Return how many connections the process may have, after raising its limit of open files as far as it may.

    A run has a connection, too, to its provider; without the limit, the database could not open its files.
    """
    if sys.platform == "win32":
        return settings.max_connections
    needed = settings.max_connections + settings.max_runs + SPARE_FILES
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < needed and files != resource.RLIM_INFINITY:
        files = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        if files < needed:
            return max(1, min(settings.max_connections, files // 2))
    return settings.max_connections


async def _check(settings: Settings, host: str, port: int) -> None:
    load_assistants(settings, load_tools(settings), ModelLibrary(settings))
    WaysIn(settings)  # reads the file of keys
    await (await open_database(settings)).close()
    check_openness(settings, host)
    check_address(host, port)
