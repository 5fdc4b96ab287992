"""SIGTERM, SIGHUP and Ctrl-C: the service drains first, while it still answers, and then uvicorn exits.

1. Uvicorn waits for open responses before it runs the lifespan's end, and tells no stream to end. So its own signal
   handler is called only when the streams have ended and the runs are written.
2. SIGHUP, the end of the terminal, is taken for SIGTERM: uvicorn does not handle it, and it would kill the process.
   Where it is ignored, as `nohup` has it, it stays so.
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

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def drain_on_signals(runtime: Runtime) -> Generator[None]:
    """Drain `runtime` on SIGTERM, SIGHUP and SIGINT, then call the handler of SIGTERM or SIGINT that was there before.

    A second SIGTERM or SIGHUP changes nothing; a second Ctrl-C ends the grace period.
    """
    if threading.current_thread() is not threading.main_thread():  # signals can be handled in the main thread only
        yield
        return
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    if previous[signal.SIGHUP] is signal.SIG_IGN:
        del previous[signal.SIGHUP]
    tasks: list[asyncio.Task[None]] = []

    async def drain_and_exit(number: int) -> None:
        await drain(runtime, runtime.settings.shutdown_grace)
        as_number = signal.SIGTERM if number == signal.SIGHUP else number
        _call(previous[as_number], as_number)

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
def stop_with_supervisor() -> Generator[None]:
    """Stop this process when its supervisor (`--workers`, `--reload`) is gone: no other process would."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        yield
        return
    loop, sentinel = asyncio.get_running_loop(), supervisor.sentinel

    def stop() -> None:
        loop.remove_reader(sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(sentinel, stop)
    try:
        yield
    finally:
        loop.remove_reader(sentinel)


def _call(handler: Any, number: int) -> None:
    if callable(handler):
        handler(number, None)
