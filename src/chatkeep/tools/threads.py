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
"""How many threads may run at a time. One that hangs counts until it returns."""

_slots = threading.BoundedSemaphore(MAX_THREADS)


class TooManyThreads(Exception):  # noqa: N818  # named for what happened
    """`MAX_THREADS` threads are running already."""


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread, and return or raise what it does.

    Cancelling the caller ends the wait, not the thread: a thread cannot be stopped.

    Raises:
        TooManyThreads: no thread is free, and the function was not called.
    """
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
            _slots.release()

    def resolve(deliver: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if future.done() else deliver())
        except RuntimeError:  # the loop has closed: no caller waits any longer
            return

    if not _slots.acquire(blocking=False):
        raise TooManyThreads(f"{MAX_THREADS} functions are at work already")
    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="chatkeep-tool", daemon=True).start()
    return await future
