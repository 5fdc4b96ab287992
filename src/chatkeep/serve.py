"""`chatkeep serve`: uvicorn around the application, a line when it is ready, a line when it cannot start."""

import asyncio
import socket

import uvicorn

from chatkeep import assistants
from chatkeep.api.app import create_app
from chatkeep.config import Settings
from chatkeep.errors import CannotStart
from chatkeep.runs.lifetime import load_tools, open_database

STUCK_SECONDS = 5
"""How long a response that does not end may hold up the exit, once the service has drained."""


class Server(uvicorn.Server):
    """Uvicorn, saying where it is once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"chatkeep is ready: http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)


def serve(settings: Settings, host: str, port: int, *, reload: bool, workers: int) -> int:
    """Serve until told to stop; the exit status.

    Raises:
        CannotStart: something is wrong that would only fail later, in a process of its own, with a traceback.
    """
    asyncio.run(_check(settings, host, port))
    common = {
        "host": host,
        "port": port,
        "log_level": "warning",
        "timeout_graceful_shutdown": STUCK_SECONDS,
        "timeout_keep_alive": 15,
        "server_header": False,
    }
    if reload or workers > 1:
        common["log_level"] = "info"  # its supervisor says where it listens
        uvicorn.run("chatkeep.api.app:create_app", factory=True, reload=reload, workers=workers, **common)
        return 0
    server = Server(uvicorn.Config(create_app(settings), **common))
    server.run()
    return 0 if server.started else 1


async def _check(settings: Settings, host: str, port: int) -> None:
    assistants.load(settings.assistants_dir, load_tools(settings))
    await (await open_database(settings.database_path())).close()
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}") from error
