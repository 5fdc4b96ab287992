"""SIGTERM and Ctrl-C: the service drains first, still answering, and then lets uvicorn exit.

Uvicorn waits for open responses before it runs the lifespan's end, and nothing tells a stream that it should
end; so its handler is put off until the streams are gone and the runs are written.
"""

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from chatkeep.runs.runtime import Runtime
from chatkeep.runs.startup import drain


@contextmanager
def draining_on_signals(runtime: Runtime) -> Generator[None]:
    """Drain `runtime` before whatever handled SIGTERM and SIGINT so far handles them.

    A second SIGTERM changes nothing; a second Ctrl-C does not wait for the grace any longer.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are not ours to handle there
        yield
        return
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    tasks: list[asyncio.Task[None]] = []

    async def drain_and_exit(number: int) -> None:
        await drain(runtime, runtime.settings.shutdown_grace)
        _call(previous[number], number)

    def begin(number: int) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(drain_and_exit(number), name="drain"))
        elif number == signal.SIGINT:
            _call(previous[number], number)

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        loop.call_soon_threadsafe(begin, number)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def ending_with_supervisor() -> Generator[None]:
    """Stop when the process of `--workers` or `--reload` is gone that started this one: nobody else would stop it."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        yield
        return
    loop, its_end = asyncio.get_running_loop(), supervisor.sentinel

    def stop() -> None:
        loop.remove_reader(its_end)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(its_end, stop)
    try:
        yield
    finally:
        loop.remove_reader(its_end)


def _call(handler: Any, number: int) -> None:
    if callable(handler):
        handler(number, None)
