"""A plain function in a thread of its own, so that it may wait for whatever it likes.

The threads are daemons and not pooled: one that never comes back keeps neither the others nor the exit waiting,
which the pools of asyncio and anyio would. Their number is bounded all the same.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MAX_THREADS = 256
"""Threads at a time; one that hangs counts until it comes back."""

_slots = threading.BoundedSemaphore(MAX_THREADS)


class TooManyThreads(Exception):  # noqa: N818  # what happened
    """As many threads as there may be are at work."""


async def run_in_thread(function: Callable[[], T]) -> T:
    """What `function` returns or raises. A caller that is cancelled goes on; the thread cannot be stopped.

    Raises:
        TooManyThreads: nothing was begun.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  # handed to the caller
            failure = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error
            resolve(lambda: future.set_exception(failure))
        else:
            resolve(lambda: future.set_result(result))
        finally:
            _slots.release()

    def resolve(deliver: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if future.done() else deliver())
        except RuntimeError:  # the loop has closed: nobody waits any longer
            return

    if not _slots.acquire(blocking=False):
        raise TooManyThreads(f"{MAX_THREADS} functions are at work already")
    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="chatkeep-tool", daemon=True).start()
    return await future
