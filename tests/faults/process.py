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
from tests.faults.looking import Look, at_postgres, at_sqlite

PATIENCE = 40.0
"""Seconds after which something that should have happened counts as not happening."""
READY = "chatkeep is ready: "


class Armed(NamedTuple):
    """A mine: where, and at which passing of it. `trigger` is the file that arms it."""

    point: str
    passing: int
    trigger: Path


class Home(NamedTuple):
    """Where a service lives: its directory and database, its own settings, and what is put before its command."""

    directory: Path
    url: str
    settings: dict[str, str]
    wrapper: Sequence[str] = ()
    program: Sequence[str] = ("-m", "chatkeep")

    @property
    def engine(self) -> str:
        return "sqlite" if self.url.startswith("sqlite:") else "postgres"

    @property
    def database(self) -> Path:
        """The file, if it is SQLite."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def complaints(self) -> str:
        """All that its processes ever wrote to stderr."""
        return (self.directory / "stderr.txt").read_text("utf-8")

    async def launch(self, mine: Armed | None = None) -> asyncio.subprocess.Process:
        """A process of the service that has just been started."""
        program = self.program
        if mine is not None:
            program = [str(Path(armed.__file__)), mine.point, str(mine.passing), str(mine.trigger)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
        with (self.directory / "stderr.txt").open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                *(*self.wrapper, sys.executable, *program, "serve", "--port", "0"),
                cwd=self.directory,
                env={**kept, "CHATKEEP_DATABASE_URL": self.url, **self.settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )

    @contextmanager
    def remains(self) -> Generator[Look]:
        """The database as a dead process left it; of a SQLite file a copy, so that the original stays untouched."""
        if self.engine == "postgres":
            with at_postgres(self.url) as check_ownership:
                yield check_ownership
            return
        place = self.directory / "remains"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file in self.directory.glob(self.database.name + "*"):
            shutil.copy(file, place)
        with at_sqlite(
            place / self.database.name, "rwc"
        ) as check_ownership:  # it may have died before there was a file
            yield check_ownership

    @contextmanager
    def looked_at(self) -> Generator[Look]:
        """The database while the service runs."""
        with at_postgres(self.url) if self.engine == "postgres" else at_sqlite(self.database) as check_ownership:
            yield check_ownership


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
