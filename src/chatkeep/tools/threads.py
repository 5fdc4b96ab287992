"""Runs a plain `def` function in a thread of its own, so that it may block.

The threads are daemons and not pooled. A function that never returns delays neither the others nor the exit of the
process; in the pools of asyncio and anyio it would. The number of threads is bounded all the same.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MAX_THREADS = 256
"""How many threads this process runs at a time."""


class TooManyThreads(Exception):  # noqa: N818  # named for what happened
    """All threads that a `ThreadLimit` allows are running already."""


class ThreadLimit:
    """Runs functions in threads, at most `max_threads` at a time. One that hangs counts until it returns."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._slots = threading.BoundedSemaphore(max_threads)

    async def run(self, function: Callable[[], T]) -> T:
        """See `run_in_thread`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001  # raised in the caller
                failure = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error
                resolve(lambda: future.set_exception(failure))
            else:
                resolve(lambda: future.set_result(result))
            finally:
                self._slots.release()

        def resolve(deliver: Callable[[], None]) -> None:
            try:
                loop.call_soon_threadsafe(lambda: None if future.done() else deliver())
            except RuntimeError:  # the loop has closed: no caller waits any longer
                return

        if not self._slots.acquire(blocking=False):
            raise TooManyThreads(f"{self._max_threads} functions are at work already")
        threading.Thread(target=contextvars.copy_context().run, args=(work,), name="chatkeep-tool", daemon=True).start()
        return await future


_process_limit = ThreadLimit(MAX_THREADS)


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread, and return or raise what it does.

    Cancelling the caller ends the wait, not the thread: a thread cannot be stopped.

    Raises:
        TooManyThreads: no thread is free, and the function was not called.
    """
    return await _process_limit.run(function)
