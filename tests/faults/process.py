"""The real command in a process of its own, with or without a mine; and its database after it died."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.faults import armed

PATIENCE = 40.0
"""Seconds after which something that should have happened counts as not happening."""
READY = "chatkeep is ready: "


class Armed(NamedTuple):
    """A mine: where, and at which passing of it. `trigger` is the file that arms it."""

    point: str
    passing: int
    trigger: Path


class Home(NamedTuple):
    """Where a service lives: its directory, the settings that are its own, and what is put before its command."""

    directory: Path
    settings: dict[str, str]
    wrapper: Sequence[str] = ()

    @property
    def database(self) -> Path:
        return self.directory / "faults.db"

    @property
    def complaints(self) -> str:
        """All that its processes ever wrote to stderr."""
        return (self.directory / "stderr.txt").read_text("utf-8")

    async def launch(self, mine: Armed | None = None) -> asyncio.subprocess.Process:
        """A process of the service that has just been started."""
        program = ["-m", "chatkeep"]
        if mine is not None:
            program = [str(Path(armed.__file__)), mine.point, str(mine.passing), str(mine.trigger)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
        with (self.directory / "stderr.txt").open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                *(*self.wrapper, sys.executable, *program, "serve", "--port", "0"),
                cwd=self.directory,
                env={**kept, "CHATKEEP_DATABASE_URL": f"sqlite:///{self.database}", **self.settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )

    @contextmanager
    def remains(self) -> Generator[sqlite3.Connection]:
        """A copy of the database as a dead process left it, read by another SQLite; the original stays untouched."""
        place = self.directory / "remains"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file in self.directory.glob(self.database.name + "*"):
            shutil.copy(file, place)
        with closing(sqlite3.connect(place / self.database.name)) as connection:
            yield connection


class Service(NamedTuple):
    """A service that said it was ready, and a client of it."""

    process: asyncio.subprocess.Process
    client: httpx2.AsyncClient

    async def ended(self) -> int:
        """The exit status, once there is one."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def running(home: Home, mine: Armed | None = None) -> AsyncGenerator[Service]:
    """The service on a free port, once it is ready; killed in the end if it still runs."""
    process = await home.launch(mine)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = (await process.stdout.readline()).decode()
        assert line.startswith(READY + "http://127.0.0.1:"), (line, home.complaints)
        url = line.removeprefix(READY).strip()
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, limits=limits) as client:
            yield Service(process, client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def killed_at_start(home: Home, mine: Armed | None, seconds: float) -> None:
    """Start the service and let it die on its mine; or, without one, so many seconds after the exec."""
    process = await home.launch(mine)
    try:
        if mine is None:
            await asyncio.sleep(seconds)  # the random moment itself
            process.kill()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == -signal.SIGKILL, (mine, home.complaints)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{mine} was never reached") from None
