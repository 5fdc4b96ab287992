"""The task in which a run is executed, known to its runtime while it lasts."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context

from chatkeep.chat.types import Run
from chatkeep.runs.runtime import Runtime
from chatkeep.watch import context, metrics


def start_run_task(
    runtime: Runtime, run: Run, work: Coroutine[None, None, None], on_done: Callable[[asyncio.Task[None]], None]
) -> asyncio.Task[None]:
    """Do `work` in a task of its own, and call `on_done` after it. Its lines in the log and its traces name the run."""
    task_context = copy_context()
    task_context.run(context.run_id.set, run.id)
    task_context.run(context.session_id.set, run.session_id)
    task = asyncio.create_task(work, name=f"run {run.id}", context=task_context)
    runtime.tasks[run.id] = task
    runtime.slots.begin(run.id)
    metrics.RUNS_OPEN.inc()

    def end(task: asyncio.Task[None]) -> None:
        if runtime.tasks.get(run.id) is task:  # a run that waited may be resumed before this is called
            del runtime.tasks[run.id]
            runtime.slots.end(run.id)
        metrics.RUNS_OPEN.dec()
        on_done(task)

    task.add_done_callback(end)
    return task
