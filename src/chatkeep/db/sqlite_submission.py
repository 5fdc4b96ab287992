"""A piece of work that an event loop gives to a thread of `sqlite.py`, and the way of its outcome back."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import apsw

from chatkeep.db import Transaction
from chatkeep.errors import ChatkeepError, StatementFailed, StorageFailed, ValueRefused

Work = Callable[[Transaction], Awaitable[Any]]
_VALUE_ERRORS = (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError, apsw.RangeError)


class Submission:
    """A transaction or a snapshot that a thread runs, and its outcome for the caller's event loop."""

    __slots__ = ("error", "fn", "future", "loop", "result")

    def __init__(self, fn: Work) -> None:
        self.fn = fn
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Note why it failed. An error of SQLite is translated to one of ours."""
        self.error = error
        if isinstance(error, apsw.Error):
            self.error = _translate(error)
            self.error.__cause__ = error

    def resolve(self) -> None:
        """Give the caller the outcome. For the event loop's thread only."""
        if self.future.done():  # the caller was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def resolve_all(group: Sequence[Submission]) -> None:
    """Give all callers of the group their outcomes, with one call into their event loop."""

    def resolve() -> None:
        for submission in group:
            submission.resolve()

    try:
        group[0].loop.call_soon_threadsafe(resolve)
    except RuntimeError:  # the loop is closed, so no caller waits any more
        return


def _translate(error: apsw.Error) -> ChatkeepError:
    if isinstance(error, _VALUE_ERRORS):
        return ValueRefused(str(error))
    return (StatementFailed if isinstance(error, apsw.SQLError) else StorageFailed)(str(error))
