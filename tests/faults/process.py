"""The real command in a process of its own, with or without a mine; and its database after it died."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.faults import armed
from tests.faults.outside_queries import Query, query_postgres, query_sqlite

PATIENCE = 40.0
"""Seconds after which something that should have happened counts as not happening."""
READY = "chatkeep is ready: "


class Armed(NamedTuple):
    """A mine (`armed.py`): its point, and the passing at which it kills. `trigger` is the file that arms it."""

    point: str
    passing: int
    trigger: Path


class Home(NamedTuple):
    """A service's directory, database and settings, and the programs that its command is run with. 0: any port."""

    directory: Path
    url: str
    settings: dict[str, str]
    wrapper: Sequence[str] = ()
    program: Sequence[str] = ("-m", "chatkeep")
    port: int = 0

    @property
    def engine(self) -> str:
        return "sqlite" if self.url.startswith("sqlite:") else "postgres"

    @property
    def database(self) -> Path:
        """The file, if it is SQLite."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def complaints(self) -> str:
        """All that its processes have written to stderr."""
        return (self.directory / "stderr.txt").read_text("utf-8")

    async def launch(self, mine: Armed | None = None) -> asyncio.subprocess.Process:
        """Start a process of the service."""
        program = self.program
        if mine is not None:
            program = [str(Path(armed.__file__)), mine.point, str(mine.passing), str(mine.trigger)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
        with (self.directory / "stderr.txt").open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                *(*self.wrapper, sys.executable, *program, "serve", "--port", str(self.port)),
                cwd=self.directory,
                env={**inherited, "CHATKEEP_DATABASE_URL": self.url, **self.settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )

    @contextmanager
    def remains(self) -> Generator[Query]:
        """Query the database as a dead process left it. A SQLite file is copied, so that the original is unchanged."""
        if self.engine == "postgres":
            with query_postgres(self.url) as query:
                yield query
            return
        place = self.directory / "remains"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file in self.directory.glob(self.database.name + "*"):
            shutil.copy(file, place)
        with query_sqlite(place / self.database.name, "rwc") as query:  # it may have died before there was a file
            yield query

    @contextmanager
    def inspect(self) -> Generator[Query]:
        """Query the database while the service runs."""
        with query_postgres(self.url) if self.engine == "postgres" else query_sqlite(self.database) as query:
            yield query


class Service(NamedTuple):
    """A service that has printed its ready line, and a client of it."""

    process: asyncio.subprocess.Process
    client: httpx2.AsyncClient

    async def ended(self) -> int:
        """Wait for the exit status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def running(home: Home, mine: Armed | None = None) -> AsyncGenerator[Service]:
    """Run the service on a free port until the block ends; then kill it if it still runs."""
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
    """Start the service, and wait until its mine kills it. Without one, kill it so many seconds after the exec."""
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
