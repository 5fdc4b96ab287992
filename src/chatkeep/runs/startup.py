"""The life of a worker: opened, recovered, drained, closed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from chatkeep import mcp
from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.db import Database
from chatkeep.db.migrate import known, migrate
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import connect as connect_database
from chatkeep.db.open import join_processes
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.llm import Model, connect_model
from chatkeep.runs.journal import Journal
from chatkeep.runs.reaper import maintain_leases, recover
from chatkeep.runs.retention import delete_old_logs_forever
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_outputs import expire_deadlines_forever
from chatkeep.settings import Settings
from chatkeep.toolbox.loading import load
from chatkeep.tools.declaration import Tool

REFRESH_SECONDS = 1.0
"""How soon a changed assistant is seen."""
RESTART_SECONDS = 5.0
"""How long after a fault of ours a chore begins again."""

_log = logging.getLogger("chatkeep")


@asynccontextmanager
async def open_runtime(settings: Settings, model: Model | None = None) -> AsyncGenerator[Runtime]:
    """A worker on the database of `settings`; `model` in place of the one they ask for, if given.

    Raises:
        CannotStart: the database, an assistant, or something that functions come from is wrong.
    """
    declared = load_tools(settings)
    library = load_assistants(settings, declared)
    notifier = Notifier()
    async with (
        mcp.offer_tools(settings.mcp_servers, declared) as functions,
        join_processes(settings, notifier) as process,
    ):
        db = await open_database(settings)
        journal = Journal(db, notifier, settings.flush_interval_ms / 1000, settings.lease)
        notifier.on_remote = journal.check
        try:
            answering = model or connect_model(settings)
            runtime = Runtime(settings, db, notifier, journal, answering, library, functions, process.name)
            await recover(runtime, alone=process.alone)
            await process.confirm()
            async with _background(runtime):
                yield runtime
        finally:
            await db.close()


@asynccontextmanager
async def _background(runtime: Runtime) -> AsyncGenerator[None]:
    """What goes on beside the runs, until the block ends; then what is still open is interrupted."""
    background_tasks = [asyncio.create_task(_keep_running(chore, runtime)) for chore in CHORES]
    try:
        yield
    finally:
        await drain(runtime, grace=0)
        for chore in (*background_tasks, *runtime.background_tasks):
            chore.cancel()
        await asyncio.gather(*background_tasks, *runtime.background_tasks, return_exceptions=True)
        await runtime.model.close()


async def _keep_running(chore: Callable[[Runtime], Awaitable[None]], runtime: Runtime) -> None:
    """Do `chore` until cancelled; begin it again after a fault of ours, which is logged."""
    while True:
        try:
            await chore(runtime)
        except Exception:  # noqa: BLE001  # logged
            _log.exception("%s failed; it begins again", chore.__name__)
            await asyncio.sleep(RESTART_SECONDS)


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


async def refresh_assistants_forever(runtime: Runtime) -> None:
    """Read the assistants' files again when they are changed, until cancelled."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(runtime.assistants.refresh)


CHORES = (maintain_leases, delete_old_logs_forever, expire_deadlines_forever, refresh_assistants_forever)
"""What goes on beside the runs."""


def load_assistants(settings: Settings, functions: dict[str, Tool]) -> AssistantLibrary:
    """The assistants that come with chatkeep, and the operator's.

    Raises:
        CannotStart: a file is wrong, or the default assistant is not among them.
    """
    found = find_assistants(settings, functions)
    if settings.assistant not in found:
        raise CannotStart(f"CHATKEEP_ASSISTANT: there is no assistant {settings.assistant!r}")
    return found


def find_assistants(settings: Settings, functions: Mapping[str, Tool]) -> AssistantLibrary:
    """As `load_assistants`, whether or not the default assistant is there."""
    return AssistantLibrary(settings.assistants_dir, functions, [server.name for server in settings.mcp_servers])


def load_tools(settings: Settings) -> dict[str, Tool]:
    """The functions that come with chatkeep, and those of the modules in CHATKEEP_TOOLS.

    Raises:
        CannotStart: a module cannot be imported, or MCP servers cannot be used beside them.
    """
    declared = load(settings.tools)
    mcp.check_servers(settings.mcp_servers, declared)
    return declared


async def drain(runtime: Runtime, grace: float) -> None:
    """Take no new work, let readers go, give open runs `grace` seconds, and interrupt those that remain."""
    runtime.draining = True
    runtime.notifier.notify_all()
    if runtime.tasks:
        await asyncio.wait(tuple(runtime.tasks.values()), timeout=grace)
    runtime.interrupting = True
    while runtime.tasks:
        await asyncio.sleep(0)  # a task that was cancelled before its first step would write nothing
        for task in tuple(runtime.tasks.values()):
            task.cancel()
        await asyncio.wait(tuple(runtime.tasks.values()))
