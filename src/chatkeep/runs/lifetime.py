"""The life of a worker: opened, recovered, drained, closed."""

import asyncio
import importlib
import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from chatkeep import mcp, tools
from chatkeep.assistants import Library
from chatkeep.config import Settings
from chatkeep.db.doorbell import Doorbell
from chatkeep.db.live import LiveLock
from chatkeep.db.sqlite import Sqlite
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.journal import Journal
from chatkeep.llm import Model, connect
from chatkeep.migrate import known, migrate
from chatkeep.runs.close import recover
from chatkeep.runs.resume import expire_for_ever
from chatkeep.runs.sweep import sweep_for_ever
from chatkeep.runs.worker import Worker

REFRESH_SECONDS = 1.0
"""How soon a changed assistant is seen."""

_log = logging.getLogger("chatkeep")


@asynccontextmanager
async def working(settings: Settings, model: Model | None = None) -> AsyncGenerator[Worker]:
    """A worker on the database of `settings`; `model` in place of the one they ask for, if given.

    Raises:
        CannotStart: the database, an assistant, or something that functions come from is wrong.
    """
    declared = load_tools(settings)
    assistants = load_assistants(settings, declared)
    async with (
        mcp.offering(settings.mcp_servers, declared) as functions,
        _on_database(settings, model, assistants, functions) as worker,
    ):
        yield worker


@asynccontextmanager
async def _on_database(
    settings: Settings, model: Model | None, assistants: Library, functions: Mapping[str, tools.Tool]
) -> AsyncGenerator[Worker]:
    path = settings.database_path()
    db = await open_database(path)
    doorbell = Doorbell()
    journal = Journal(db, doorbell, settings.flush_interval_ms / 1000)
    lock = LiveLock(path)
    try:
        worker = Worker(settings, db, doorbell, journal, model or connect(settings), assistants, functions)
        if lock.alone() and (count := await recover(worker)):
            _log.warning("runs interrupted when the service last stopped: %d", count)
        await asyncio.to_thread(lock.share)
        chores = [asyncio.create_task(chore(worker)) for chore in (sweep_for_ever, expire_for_ever, refresh_for_ever)]
        try:
            yield worker
        finally:
            await drain(worker, grace=0)
            for chore in (*chores, *worker.chores):
                chore.cancel()
            await asyncio.gather(*chores, *worker.chores, return_exceptions=True)
            await worker.model.close()
    finally:
        await db.close()
        lock.release()


async def open_database(path: Path) -> Sqlite:
    """The database at `path`, brought to this version's schema.

    Raises:
        CannotStart: it cannot be opened, or is newer than this version.
    """
    db = Sqlite(path)
    try:
        await migrate(db, known("sqlite"))
    except StorageFailed as failure:
        await db.close()
        raise CannotStart(f"cannot use the database {path}: {failure}") from failure
    except CannotStart:
        await db.close()
        raise
    return db


async def refresh_for_ever(worker: Worker) -> None:
    """Read the assistants' files again when they are changed, until cancelled."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(worker.assistants.refresh)


def load_assistants(settings: Settings, functions: dict[str, tools.Tool]) -> Library:
    """The assistants that come with chatkeep, and the operator's.

    Raises:
        CannotStart: a file is wrong, or the default assistant is not among them.
    """
    found = library(settings, functions)
    if settings.assistant not in found:
        raise CannotStart(f"CHATKEEP_ASSISTANT: there is no assistant {settings.assistant!r}")
    return found


def library(settings: Settings, functions: Mapping[str, tools.Tool]) -> Library:
    """As `load_assistants`, whether or not the default assistant is there."""
    return Library(settings.assistants_dir, functions, [server.name for server in settings.mcp_servers])


def load_tools(settings: Settings) -> dict[str, tools.Tool]:
    """The functions that come with chatkeep, and those of the modules in CHATKEEP_TOOLS.

    Raises:
        CannotStart: a module cannot be imported, or MCP servers cannot be used beside them.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for module in ("chatkeep.toolbox", *settings.tools):
        try:
            importlib.import_module(module)
        except Exception as error:
            raise CannotStart(f"CHATKEEP_TOOLS: {module} cannot be imported: {error}") from error
    declared = tools.declared()
    mcp.check(settings.mcp_servers, declared)
    return declared


async def drain(worker: Worker, grace: float) -> None:
    """Take no new work, let readers go, give open runs `grace` seconds, and interrupt those that remain."""
    worker.draining = True
    worker.doorbell.ring_all()
    if worker.tasks:
        await asyncio.wait(tuple(worker.tasks.values()), timeout=grace)
    worker.interrupting = True
    while worker.tasks:
        await asyncio.sleep(0)  # a task that was cancelled before its first step would write nothing
        for task in tuple(worker.tasks.values()):
            task.cancel()
        await asyncio.wait(tuple(worker.tasks.values()))
