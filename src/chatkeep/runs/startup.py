"""Opens and closes a runtime: settings to assistants, tools and database; recovery, background tasks, draining."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from chatkeep import mcp
from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.db import Database
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import connect as connect_database
from chatkeep.db.open import join_processes
from chatkeep.errors import CannotStart, StorageFailed
from chatkeep.llm import Model, connect_model
from chatkeep.runs.flush_schedule import FlushSchedule
from chatkeep.runs.journal import Journal
from chatkeep.runs.reaper import maintain_leases, recover
from chatkeep.runs.retention import delete_old_logs_forever
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_outputs import expire_deadlines_forever
from chatkeep.settings import Settings
from chatkeep.toolbox.loading import load
from chatkeep.tools.declaration import Tool

REFRESH_SECONDS = 1.0
"""Seconds until a changed assistant's file is read."""
RESTART_SECONDS = 5.0
"""Seconds after which a background task that failed is started again."""

_log = logging.getLogger("chatkeep")


@asynccontextmanager
async def open_runtime(settings: Settings, model: Model | None = None) -> AsyncGenerator[Runtime]:
    """Open a runtime on the database of `settings`, until the block ends. `model` replaces the one they ask for.

    Raises:
        CannotStart: the database, an assistant, or a source of tools is wrong.
    """
    declared = load_tools(settings)
    library = load_assistants(settings, declared)
    notifier = Notifier()
    async with mcp.offer_tools(settings.mcp_servers, declared) as tools, join_processes(settings, notifier) as process:
        db = await open_database(settings)
        journal = Journal(db, notifier, FlushSchedule(settings.flush_interval_ms / 1000), settings.lease)
        notifier.on_remote = journal.check_ownership
        try:
            model = model or connect_model(settings)
            runtime = Runtime(settings, db, notifier, journal, model, library, tools, process.name)
            await recover(runtime, alone=process.is_alone)
            await process.admit_others()
            async with _background_tasks(runtime):
                yield runtime
        finally:
            await db.close()


@asynccontextmanager
async def _background_tasks(runtime: Runtime) -> AsyncGenerator[None]:
    """Run the background tasks until the block ends; then interrupt the runs that are still open."""
    tasks = [asyncio.create_task(_run_forever(work, runtime)) for work in BACKGROUND_WORK]
    try:
        yield
    finally:
        await drain(runtime, grace=0)
        for task in (*tasks, *runtime.background_tasks):
            task.cancel()
        await asyncio.gather(*tasks, *runtime.background_tasks, return_exceptions=True)
        await runtime.model.close()


async def _run_forever(work: Callable[[Runtime], Awaitable[None]], runtime: Runtime) -> None:
    """Do `work` until cancelled; start it again after a fault of ours, which is logged."""
    while True:
        try:
            await work(runtime)
        except Exception:  # noqa: BLE001  # logged
            _log.exception("%s failed; it begins again", work.__name__)
            await asyncio.sleep(RESTART_SECONDS)


async def refresh_assistants_forever(runtime: Runtime) -> None:
    """Read the assistants' files again when they are changed, until cancelled."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(runtime.assistants.refresh)


BACKGROUND_WORK = (maintain_leases, delete_old_logs_forever, expire_deadlines_forever, refresh_assistants_forever)
"""The background tasks of every runtime."""


async def drain(runtime: Runtime, grace: float) -> None:
    """Take no new work, end streams, give open runs `grace` seconds, and interrupt those that remain."""
    runtime.is_draining = True
    runtime.notifier.notify_all()
    if runtime.tasks:
        await asyncio.wait(tuple(runtime.tasks.values()), timeout=grace)
    runtime.is_interrupting = True
    while runtime.tasks:
        await asyncio.sleep(0)  # a task that was cancelled before its first step would write nothing
        for task in tuple(runtime.tasks.values()):
            task.cancel()
        await asyncio.wait(tuple(runtime.tasks.values()))


async def open_database(settings: Settings) -> Database:
    """Open the database of `settings` and bring it to this version's schema.

    Raises:
        CannotStart: it cannot be opened, or is newer than this version.
    """
    db = await connect_database(settings)
    try:
        await migrate(db, load_migrations(db.engine))
    except StorageFailed as failure:
        await db.close()
        raise CannotStart(f"cannot use the database {db.name}: {failure}") from failure
    except CannotStart:
        await db.close()
        raise
    return db


def load_assistants(settings: Settings, tools: Mapping[str, Tool]) -> AssistantLibrary:
    """Load the assistants that come with chatkeep, and the operator's. They may name `tools`.

    Raises:
        CannotStart: a file is wrong, or the default assistant is not among them.
    """
    library = find_assistants(settings, tools)
    if settings.assistant not in library:
        raise CannotStart(f"CHATKEEP_ASSISTANT: there is no assistant {settings.assistant!r}")
    return library


def find_assistants(settings: Settings, tools: Mapping[str, Tool]) -> AssistantLibrary:
    """As `load_assistants`, but the default assistant may be missing."""
    return AssistantLibrary(settings.assistants_dir, tools, [server.name for server in settings.mcp_servers])


def load_tools(settings: Settings) -> dict[str, Tool]:
    """Load the tools that come with chatkeep, and those of the modules in CHATKEEP_TOOLS.

    Raises:
        CannotStart: a module cannot be imported, or MCP servers cannot be used beside them.
    """
    tools = load(settings.tools)
    mcp.check_servers(settings.mcp_servers, tools)
    return tools
