"""The log of a run that this process carries: what waits to be committed, what a flush holds, and the newest rows."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from chatkeep import clock
from chatkeep.db import Connection
from chatkeep.events import Entry, Event, RunFinished, RunWaiting, enter
from chatkeep.log import merge, units
from chatkeep.store import events as store_events
from chatkeep.store import leases as store_leases
from chatkeep.types import Run, Usage

NEWEST, WINDOW = 12, 65_536
"""So many entries of a run, and bytes of their JSON, are kept in memory for its readers, and all of the last flush.
Who is further behind reads the table: it cannot keep up, or has just come."""


class Fenced(Exception):  # noqa: N818  # what happened, no error of anybody
    """The run was closed by somebody else: nothing more of it may be written."""


class Live:
    """The log of a run that this process carries: what waits to be committed, and the newest of what is."""

    def __init__(self, run: Run, entries: Iterable[Entry]) -> None:
        self.run = run
        self.position = run.position
        self.measure: Callable[[], tuple[Usage, int]] = lambda: (run.usage, 0)
        self.first_token_at = run.first_token_at
        self.stop: Callable[[], object] = lambda: None
        self.pending: list[Event] = []
        self.backlog = 0
        self.entries: deque[Entry] = deque(entries)
        self.committed = run.position
        self.failure: Exception | None = None
        self.flushed: asyncio.Future[None] | None = None
        self.finishing = False
        self._size = 0

    @property
    def is_over(self) -> bool:
        """Whether this process has nothing more to write: the run has ended, or waits for the client."""
        return bool(self.entries) and isinstance(self.entries[-1].event, RunFinished | RunWaiting)

    @property
    def is_broken(self) -> bool:
        """Whether the log cannot be written for now; one that was merely closed by somebody else is whole."""
        return self.failure is not None and not isinstance(self.failure, Fenced)

    def after(self, position: int) -> list[Entry] | None:
        """The committed entries that end after `position`; None when it lies before what memory holds."""
        if position >= self.committed:
            return []
        found: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.event.position <= position:
                break
            found.append(entry)
        found.reverse()
        return found if found and found[0].event.position - units(found[0].event) <= position else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Let readers see `entries`, which are committed."""
        self.entries.extend(entries)
        self.committed = entries[-1].event.position if entries else self.committed
        for entry in entries:
            self._size += len(entry.json)
        least = max(1, len(entries))
        while len(self.entries) > (least if self._size > WINDOW else max(least, NEWEST)):
            self._size -= len(self.entries.popleft().json)

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
        self.entries = [enter(event) for event in merge(self.events)]
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


async def write(tx: Connection, batch: Sequence[Taken], lease: float) -> set[str]:
    """Write what was taken, of the runs that are still ours: their ids."""
    lease_until = clock.later(await tx.now(), lease)
    accepted = await store_leases.advance(tx, [taken.progress for taken in batch], lease_until)
    logs = [(taken.live.run.id, taken.entries) for taken in batch if taken.live.run.id in accepted]
    await store_events.add_logs(tx, logs)
    return accepted
