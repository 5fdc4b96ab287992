"""SIGHUP, the end of a terminal, loses no answer: the service drains as for SIGTERM, also with `--workers`."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx2
import pytest

from tests.api.streams import PATIENCE, Event
from tests.api.test_process import Running, begin
from tests.cli.test_main import environment

pytestmark = pytest.mark.anyio

WORKERS = pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])


@asynccontextmanager
async def in_terminal(folder: Path, *options: str, before: str = "") -> AsyncGenerator[Running]:
    """Run the service as a process group of its own, after a command of the shell, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = (sys.executable, "-m", "chatkeep", "serve", "--port", str(port), *options)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'{before}\nexec "$@"', "sh", *words),
        cwd=folder,
        env=environment(CHATKEEP_DATABASE_URL="sqlite:///test.db"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            async with asyncio.timeout(PATIENCE):
                while not await is_ready(client):
                    await asyncio.sleep(0.05)
            yield Running(process, client)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()


async def is_ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def runs(folder: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(folder / "test.db")) as connection:
        return connection.execute("SELECT status FROM runs").fetchall()


@WORKERS
async def test_the_end_of_a_terminal_drains(tmp_path: Path, options: tuple[str, ...]) -> None:
    seen: list[Event] = []
    async with in_terminal(tmp_path, *options) as service:
        _, reading = await begin(service, "count to 40", seen, after=5)
        os.killpg(service.process.pid, signal.SIGHUP)  # as a terminal does: to every process
        os.killpg(service.process.pid, signal.SIGHUP)  # a second one changes nothing
        async with asyncio.timeout(PATIENCE):
            _, stderr = await service.process.communicate()
            await reading  # the stream ended cleanly
    assert (service.process.returncode, "Traceback" in stderr.decode()) == (0, False), stderr
    assert runs(tmp_path) == [("completed",)]


async def test_a_hangup_of_the_supervisor_alone_stops_all(tmp_path: Path) -> None:
    seen: list[Event] = []
    async with in_terminal(tmp_path, "--workers", "2") as service:
        _, reading = await begin(service, "count to 40", seen, after=5)
        status, stderr = await service.stopped(signal.SIGHUP)
        await reading
    assert (status, "Traceback" in stderr) == (0, False), stderr
    assert runs(tmp_path) == [("completed",)]


@WORKERS
async def test_where_hangups_are_ignored_the_service_goes_on(tmp_path: Path, options: tuple[str, ...]) -> None:
    seen: list[Event] = []
    async with in_terminal(tmp_path, *options, before="trap '' HUP") as service:  # as nohup does
        _, reading = await begin(service, "count to 20", seen, after=5)
        os.killpg(service.process.pid, signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            await reading
        assert seen[-1]["type"] == "run.finished"
        assert await is_ready(service.client)
        assert (await service.stopped(signal.SIGTERM))[0] == 0
