"""The life of a worker: opened, recovered, drained, closed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from chatkeep import mcp
from chatkeep.agent.assistants import Library
from chatkeep.db import Database
from chatkeep.db.migrate import known, migrate
from chatkeep.db.notifier import Doorbell
from chatkeep.db.open import connect as connect_database
from chatkeep.db.open import present
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.llm import Model, connect
from chatkeep.runs.journal import Journal
from chatkeep.runs.reaper import attend_for_ever, recover
from chatkeep.runs.retention import sweep_for_ever
from chatkeep.runs.runtime import Worker
from chatkeep.runs.tool_outputs import expire_for_ever
from chatkeep.settings import Settings
from chatkeep.toolbox.loading import load
from chatkeep.tools.declaration import Tool

REFRESH_SECONDS = 1.0
"""How soon a changed assistant is seen."""
AGAIN_SECONDS = 5.0
"""How long after a fault of ours a chore begins again."""

_log = logging.getLogger("chatkeep")


@asynccontextmanager
async def working(settings: Settings, model: Model | None = None) -> AsyncGenerator[Worker]:
    """A worker on the database of `settings`; `model` in place of the one they ask for, if given.

    Raises:
        CannotStart: the database, an assistant, or something that functions come from is wrong.
    """
    declared = load_tools(settings)
    library = load_assistants(settings, declared)
    doorbell = Doorbell()
    async with mcp.offering(settings.mcp_servers, declared) as functions, present(settings, doorbell) as presence:
        db = await open_database(settings)
        journal = Journal(db, doorbell, settings.flush_interval_ms / 1000, settings.lease)
        doorbell.heard = journal.check
        try:
            answering = model or connect(settings)
            worker = Worker(settings, db, doorbell, journal, answering, library, functions, presence.name)
            await recover(worker, alone=presence.alone)
            await presence.settle()
            async with _attended(worker):
                yield worker
        finally:
            await db.close()


@asynccontextmanager
async def _attended(worker: Worker) -> AsyncGenerator[None]:
    """What goes on beside the runs, until the block ends; then what is still open is interrupted."""
    chores = [asyncio.create_task(_kept_up(chore, worker)) for chore in CHORES]
    try:
        yield
    finally:
        await drain(worker, grace=0)
        for chore in (*chores, *worker.chores):
            chore.cancel()
        await asyncio.gather(*chores, *worker.chores, return_exceptions=True)
        await worker.model.close()


async def _kept_up(chore: Callable[[Worker], Awaitable[None]], worker: Worker) -> None:
    """Do `chore` until cancelled; begin it again after a fault of ours, which is logged."""
    while True:
        try:
            await chore(worker)
        except Exception:  # noqa: BLE001  # logged
            _log.exception("%s failed; it begins again", chore.__name__)
            await asyncio.sleep(AGAIN_SECONDS)


async def open_database(settings: Settings) -> Database:
    """The database of `settings`, brought to this version's schema.

    Raises:
        CannotStart: it cannot be opened, or is newer than this version.
    """
    db = await connect_database(settings)
    try:
        await migrate(db, known(db.engine))
    except StorageFailed as failure:
        await db.close()
        raise CannotStart(f"cannot use the database {db.name}: {failure}") from failure
    except CannotStart:
        await db.close()
        raise
    return db


async def refresh_for_ever(worker: Worker) -> None:
    """Read the assistants' files again when they are changed, until cancelled."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(worker.assistants.refresh)


CHORES = (attend_for_ever, sweep_for_ever, expire_for_ever, refresh_for_ever)
"""What goes on beside the runs."""


def load_assistants(settings: Settings, functions: dict[str, Tool]) -> Library:
    """The assistants that come with chatkeep, and the operator's.

    Raises:
        CannotStart: a file is wrong, or the default assistant is not among them.
    """
    found = find_assistants(settings, functions)
    if settings.assistant not in found:
        raise CannotStart(f"CHATKEEP_ASSISTANT: there is no assistant {settings.assistant!r}")
    return found


def find_assistants(settings: Settings, functions: Mapping[str, Tool]) -> Library:
    """As `load_assistants`, whether or not the default assistant is there."""
    return Library(settings.assistants_dir, functions, [server.name for server in settings.mcp_servers])


def load_tools(settings: Settings) -> dict[str, Tool]:
    """The functions that come with chatkeep, and those of the modules in CHATKEEP_TOOLS.

    Raises:
        CannotStart: a module cannot be imported, or MCP servers cannot be used beside them.
    """
    declared = load(settings.tools)
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
