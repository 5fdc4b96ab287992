"""Opens and closes a runtime: recovery, background tasks, draining."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from chatkeep import mcp
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import join_processes
from chatkeep.llm import Model, ModelLibrary, connect_model
from chatkeep.runs.bucket_bytes import find_file_bytes
from chatkeep.runs.flush_schedule import FlushSchedule
from chatkeep.runs.journal import Journal
from chatkeep.runs.loading import load_assistants, load_tools, open_database
from chatkeep.runs.loop_lag import watch_loop_lag_forever
from chatkeep.runs.reaper import maintain_leases, recover
from chatkeep.runs.retention import UPKEEP
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_outputs import expire_deadlines_forever
from chatkeep.settings import Settings

REFRESH_SECONDS = 1.0
"""Seconds until a changed file of models or assistants is read."""
CLAIM_SECONDS = 0.02
"""Seconds between two looks whether a turn that is being stored has begun."""
RESTART_SECONDS = 5.0
"""Seconds after which a background task that failed is started again."""

_log = logging.getLogger("chatkeep")


@asynccontextmanager
async def open_runtime(settings: Settings, model: Model | None = None) -> AsyncGenerator[Runtime]:
    """Open a runtime on the database of `settings`, until the block ends. `model` replaces the one they ask for.

    Raises:
        CannotStart: the database, a model, an assistant, or a source of tools is wrong.
    """
    declared = load_tools(settings)
    models = ModelLibrary(settings)
    library = load_assistants(settings, declared, models)
    notifier = Notifier()
    async with mcp.offer_tools(settings.mcp_servers, declared) as tools, join_processes(settings, notifier) as process:
        db = await open_database(settings)
        journal = Journal(db, notifier, FlushSchedule(settings.flush_interval_ms / 1000), settings.lease)
        notifier.on_remote = journal.check_ownership
        try:
            model = model or connect_model(models, settings)
            file_bytes = find_file_bytes(settings, db)
            runtime = Runtime(settings, db, notifier, journal, model, models, library, tools, process, file_bytes)
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
        await runtime.file_reader.close()


async def _run_forever(work: Callable[[Runtime], Awaitable[None]], runtime: Runtime) -> None:
    """Do `work` until cancelled; start it again after a fault of ours, which is logged."""
    while True:
        try:
            await work(runtime)
        except Exception:  # noqa: BLE001  # logged
            _log.exception("%s failed; it begins again", work.__name__)
            await asyncio.sleep(RESTART_SECONDS)


async def refresh_files_forever(runtime: Runtime) -> None:
    """Read the files of models and assistants again when they are changed, until cancelled."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await runtime.models.refresh()  # first: an assistant may name a new one
        await asyncio.to_thread(runtime.assistants.refresh)


BACKGROUND_WORK = (maintain_leases, *UPKEEP, expire_deadlines_forever, refresh_files_forever, watch_loop_lag_forever)
"""The background tasks of every runtime."""


async def drain(runtime: Runtime, grace: float) -> None:
    """Take no new work, end streams, give open runs `grace` seconds, and interrupt those that remain."""
    runtime.is_draining = True
    runtime.notifier.notify_all()
    ends_at = asyncio.get_running_loop().time() + grace
    while (left := ends_at - asyncio.get_running_loop().time()) > 0:
        if runtime.tasks:
            await asyncio.wait(tuple(runtime.tasks.values()), timeout=left)
        elif runtime.slots.has_reserved:  # by turns that were admitted before, and are being stored
            await asyncio.sleep(CLAIM_SECONDS)
        else:
            break
    runtime.is_interrupting = True
    while runtime.tasks:
        await asyncio.sleep(0)  # a task that was cancelled before its first step would write nothing
        for task in tuple(runtime.tasks.values()):
            task.cancel()
        await asyncio.wait(tuple(runtime.tasks.values()))
