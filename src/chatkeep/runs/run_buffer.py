"""The log of a run that this process carries: what waits to be committed, what a flush holds, and the newest rows."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import astuple

from chatkeep import clock
from chatkeep.chat import event_log
from chatkeep.chat.events import Delta, Entry, Event, RunFinished, RunWaiting, to_entry
from chatkeep.chat.types import Run
from chatkeep.db import Transaction
from chatkeep.store import events as store_events
from chatkeep.store import leases as store_leases

WINDOW = 65_536
"""Bytes of JSON up to which the last flush but one is kept in memory beside the last.
Who is further behind reads the table: it cannot keep up, or has just come."""
_LAST = (RunFinished, RunWaiting)
"""What this process has nothing to add to."""


class Fenced(Exception):  # noqa: N818  # what happened, no error of anybody
    """The run was closed by somebody else: nothing more of it may be written."""


class Live:
    """The log of a run that this process carries: what waits to be committed, and the newest of what is."""

    def __init__(self, run: Run, entries: Sequence[Entry], now: str, began: float) -> None:
        """`entries`: the newest of the log. `now`: when this process began to carry it; `began`: the same, in the event
        loop's time.
        """
        self.run = run
        self.now = now
        self.began = began
        self.position = run.position
        self.measure: Callable[[], tuple[int, int, bool, int, str | None]] = lambda: (
            *astuple(run.usage),
            0,
            run.finish_reason,
        )
        self.first_token_at = run.first_token_at
        self.stop: Callable[[], object] = lambda: None
        self.pending: list[Event] = []
        self.backlog = 0
        self.committed = run.position
        self.failure: Exception | None = None
        self.flushed: asyncio.Future[None] | None = None
        self.finishing = False
        self._before: Sequence[Entry] = ()
        self._newest = entries
        self._size = _size(entries)
        self._begin = begin(entries) if entries else run.position  # of the newest

    @property
    def entries(self) -> list[Entry]:
        """What memory holds: what the last flush wrote, and the one before if it is little."""
        return [*self._before, *self._newest]

    @property
    def is_over(self) -> bool:
        """Whether this process has nothing more to write: the run has ended, or waits for the client."""
        # not isinstance(): it looks ten times as long at a struct, and every reader asks for every event
        return bool(self._newest) and type(self._newest[-1].event) in _LAST

    @property
    def is_broken(self) -> bool:
        """Whether the log cannot be written for now; one that was merely closed by somebody else is whole."""
        return self.failure is not None and not isinstance(self.failure, Fenced)

    def after(self, position: int) -> Sequence[Entry] | None:
        """The committed entries after `position`; None when it lies before what memory holds."""
        if position == self._begin:  # nearly every reader's: it has seen what came before the last flush
            return self._newest
        if position >= self.committed:
            return []
        entries = self.entries
        return after(entries, position) if entries and begin(entries) <= position else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Let readers see `entries`, which are committed."""
        if entries:
            self._begin, self.committed = self.committed, entries[-1].event.position
            size = _size(entries)
            self._before = self._newest if self._size + size <= WINDOW else ()
            self._newest, self._size = entries, size

    def release(self) -> None:
        """Let whoever waits for a commit go on."""
        if self.flushed is not None and not self.flushed.done():
            self.flushed.set_result(None)
        self.flushed = None


class Taken:
    """What a flush holds of one run: taken in one moment, so that the row says what the log has."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.waiter, live.flushed = live.flushed, None
        self.events, live.pending, live.backlog = live.pending, [], 0
        self.entries = [to_entry(event) for event in event_log.merge(self.events)]
        position = self.events[-1].position if self.events else live.committed
        run = live.run
        self.progress = store_leases.Progress(
            run.id, run.attempt, live.committed, position, *live.measure(), live.first_token_at
        )

    def undo(self) -> None:
        """Put the events back before those that came since."""
        self.live.pending = self.events + self.live.pending

    def release(self) -> None:
        """Let the turn that waits for this commit go on."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


async def write(tx: Transaction, batch: Sequence[Taken], lease: float) -> Collection[str]:
    """Write what was taken, of the runs that are still ours: their ids."""
    lease_until = clock.add_seconds(await tx.now(), lease)
    logs = await store_leases.advance(tx, [taken.progress for taken in batch], lease_until)
    accepted = [taken for taken in batch if taken.live.run.id in logs]
    await store_events.add_logs(tx, [(logs[taken.live.run.id], taken.entries) for taken in accepted])
    return logs


def after(entries: Sequence[Entry], position: int) -> Sequence[Entry]:
    """`entries` after `position`, adjacent deltas as one; what stays as it is keeps the bytes all readers share."""
    if not entries:
        return entries
    has_neighbours = len(entries) > 1 and any(isinstance(entry.event, Delta) for entry in entries)
    if begin(entries) >= position and not has_neighbours:
        return entries
    kept = {id(entry.event): entry for entry in entries}
    merged = event_log.merge(event_log.after((entry.event for entry in entries), position))
    return [kept.get(id(event)) or to_entry(event) for event in merged]


def _size(entries: Sequence[Entry]) -> int:
    return sum([len(entry.json) for entry in entries])


def begin(entries: Sequence[Entry]) -> int:
    """The position that the first of `entries` comes after."""
    first = entries[0].event
    return first.position - event_log.position_length(first)
