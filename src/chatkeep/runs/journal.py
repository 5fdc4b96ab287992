"""The journal: append before deliver. Events of all runs are gathered, committed together, and only then shown.

1. At most one flush is in flight. Events that come meanwhile are the next one: load makes each token cheaper.
2. Between two flushes is a gap (`runs/flush_schedule.py`). While there is one, a turn that has brought a delta is
   resumed only when the gap is over, so that what its model sent meanwhile is read, decoded and written as one.
3. A run's first delta, and every event that is no delta, is urgent: it is flushed at once, without the others.
4. A flush begins with the fence of each run. Events of a run that another worker has ended are dropped, and its turn
   is stopped. The same statement renews the lease, so renewing is a flush without events.
5. A server that is away, as in a failover, is waited for as long as the lease lasts. Readers see nothing meanwhile.
6. A value that the database refuses fails the run that brought it, and no other: the flush is repeated in halves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chatkeep.chat.events import Delta, Entry, Event, RunFinished
from chatkeep.chat.types import Run
from chatkeep.db import Database, Transaction
from chatkeep.db.notifier import Notifier
from chatkeep.errors import StorageFailed
from chatkeep.runs.flush_schedule import FlushSchedule
from chatkeep.runs.run_buffer import Fenced, FlushBatch, RunBuffer, resolve, write_batches
from chatkeep.store import sessions as store_sessions
from chatkeep.watch import metrics

CLOSED_LINGER_SECONDS = 5.0
"""How long a log that was ended elsewhere stays in memory, so that its readers can still see the end."""
LEASE_SECONDS = 30.0
"""How long a flush renews the leases of its runs for, unless CHATKEEP_LEASE says otherwise."""


class Journal:
    """The logs of all runs that this process executes."""

    def __init__(
        self, db: Database, notifier: Notifier, schedule: FlushSchedule, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._db = db
        self._notifier = notifier
        self._schedule = schedule
        self._lease_seconds = lease_seconds
        self._loop = asyncio.get_running_loop()  # stored: get_running_loop() is a system call on CPython 3.11
        self._done = self._loop.create_future()  # for callers that need not wait
        self._done.set_result(None)
        self._buffers: dict[str, RunBuffer] = {}
        self._recently_closed: dict[str, RunBuffer] = {}  # ended elsewhere, perhaps with a session that is deleted now
        self._unflushed: dict[str, RunBuffer] = {}
        self._urgent: set[str] = set()  # the unflushed that do not wait for the gap
        self._flush: asyncio.Task[None] | None = None
        self._is_starting = False  # a flush is about to start, in the loop's next round
        self._waiting_turns: list[asyncio.Future[None]] = []  # for the gap to be over
        self._timer: asyncio.TimerHandle | None = None

    def open(self, run: Run, entries: Sequence[Entry], now: str) -> RunBuffer:
        """Begin to write the log of `run`. `entries` are its newest, all committed; `now` is the database's time."""
        buffer = self._buffers[run.id] = RunBuffer(run, entries, now, self._loop.time())
        return buffer

    def find(self, run_id: str) -> RunBuffer | None:
        """Return the run's log, if this process executes it, or has seen it ended a moment ago."""
        return self._buffers.get(run_id) or self._recently_closed.get(run_id)

    @property
    def run_ids(self) -> frozenset[str]:
        """The ids of the runs that this process executes."""
        return frozenset(self._buffers)

    def append(self, buffer: RunBuffer, events: Sequence[Event]) -> Awaitable[None]:
        """Add events. Await the result before adding more.

        For deltas it resolves when the next flush is due, for anything else after the commit.

        Raises:
            Fenced: another worker has ended the run.
            StorageFailed, ValueRefused: an earlier flush failed; its events are pending.
        """
        is_first = buffer.is_new
        buffer.append(events, self._loop.time())
        must_commit = not all(isinstance(event, Delta) for event in events)
        self._schedule_flush(buffer, urgent=is_first or must_commit)
        if must_commit or buffer.is_overfull:
            return self._wait_for_write(buffer)
        return self._wait_for_gap() if self._schedule.gap(len(self._buffers)) else self._done

    async def finish(self, buffer: RunBuffer, write: Callable[[Transaction], Awaitable[list[Entry]]]) -> None:
        """Commit the pending events and what `write` adds (the run's end, or that it waits), then show both.

        Raises:
            Fenced: another worker has ended the run.
            StorageFailed, ValueRefused: nothing was written; the events are still pending.
        """
        buffer.begin_end()  # no flush takes its events from now on
        if self._flush is not None:  # it may hold events of this run
            await asyncio.wait([self._flush])
        batch = buffer.take_batch()

        async def write_all(tx: Transaction) -> list[Entry]:
            await store_sessions.touch(tx, buffer.run.session_id)  # session before run: the order of locks everywhere
            if not await write_batches(tx, [batch], self._lease_seconds):
                raise Fenced
            return await write(tx)

        try:
            last = await self._db.transaction(write_all)
        except Exception:
            batch.undo()
            raise
        finally:
            batch.release()
            buffer.finish_end()
        self.publish(buffer.run.id, [*batch.entries, *last])

    async def flush_session(self, session_id: str) -> None:
        """Commit the pending events of the session's runs now: one is about to be ended."""
        for buffer in [buffer for buffer in self._buffers.values() if buffer.run.session_id == session_id]:
            self._schedule_flush(buffer, urgent=True)
            await asyncio.shield(buffer.next_commit())

    def renew_leases(self) -> None:
        """Renew the leases of all runs, also of those that have no new events."""
        self._unflushed |= self._buffers
        self._schedule_next()

    def check_ownership(self, run_id: str) -> None:
        """Find out whether the run is still this worker's, if it was: another one may have ended it."""
        if buffer := self._buffers.get(run_id):
            self._schedule_flush(buffer, urgent=True)

    def publish(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Show committed entries to readers. A log that is over leaves the journal."""
        buffer = self._buffers.get(run_id)
        if buffer is not None:
            buffer.window.add(entries)
            if buffer.window.is_over:
                del self._buffers[run_id]
                _count_end(entries)
        elif entries and isinstance(end := entries[-1].event, RunFinished):
            _count_end(entries)
            self._recently_closed[run_id] = RunBuffer(end.run, entries, end.run.created_at, 0)
            self._loop.call_later(CLOSED_LINGER_SECONDS, self._recently_closed.pop, run_id, None)
        self._notifier.notify(run_id)

    def abandon(self, buffer: RunBuffer, failure: Exception) -> None:
        """Take a log that cannot be written out of the journal. Its readers leave, and come back when it can."""
        buffer.failure = failure
        if self._buffers.get(buffer.run.id) is buffer:
            del self._buffers[buffer.run.id]
        self._notifier.notify(buffer.run.id)

    async def _wait_for_write(self, buffer: RunBuffer) -> None:
        await asyncio.shield(buffer.next_commit())
        if buffer.failure is not None:
            raise buffer.failure

    def _wait_for_gap(self) -> asyncio.Future[None]:
        turn = self._loop.create_future()
        self._waiting_turns.append(turn)
        return turn

    def _schedule_flush(self, buffer: RunBuffer, *, urgent: bool) -> None:
        self._unflushed[buffer.run.id] = buffer
        if urgent:
            self._urgent.add(buffer.run.id)
        self._schedule_next()

    def _schedule_next(self) -> None:
        """See to it that a flush comes: of everything when the gap is over, of urgent events at once."""
        if self._flush is not None or self._is_starting:
            return
        if self._timer is None:
            due_in = self._schedule.due_in(self._loop.time(), len(self._buffers))
            if due_in <= 0:
                self._start_slice()
                return
            self._timer = self._loop.call_later(due_in, self._start_slice)
        if self._urgent:
            self._is_starting = True
            self._loop.call_soon(self._start_flush, False)

    def _start_slice(self) -> None:
        """Resume a slice of the waiting turns: they bring their events in the loop's next round, right before a flush.

        So no turn's events wait longer than without the gap.
        """
        self._timer = None
        if self._flush is not None or self._is_starting:
            return
        self._is_starting = True
        size = self._schedule.next_slice(len(self._waiting_turns), self._loop.time())
        for turn in self._waiting_turns[:size]:
            resolve(turn)
        del self._waiting_turns[:size]
        self._loop.call_soon(self._start_flush, True)

    def _start_flush(self, is_all: bool) -> None:
        self._is_starting = False
        if run_ids := sorted(self._unflushed if is_all else self._urgent):
            self._urgent.difference_update(run_ids)  # no other: more may become urgent before the task begins
            buffers = [self._unflushed.pop(run_id) for run_id in run_ids]
            self._flush = asyncio.ensure_future(self._flush_buffers(buffers, is_all=is_all))
        elif self._schedule.has_more_slices:  # the turns of this slice brought nothing; there is another
            self._schedule_next()

    async def _flush_buffers(self, buffers: Sequence[RunBuffer], *, is_all: bool) -> None:
        batches = [batch for buffer in buffers if (batch := self._take_batch(buffer))]
        began_at = self._loop.time()
        await self._write(batches)
        metrics.FLUSH_SECONDS.observe(self._loop.time() - began_at)
        for batch in batches:
            batch.release()
        if is_all:
            self._schedule.on_flushed(self._loop.time())
        self._flush = None
        self._schedule_next()  # even without new events: turns may wait for the gap to be over

    def _take_batch(self, buffer: RunBuffer) -> FlushBatch | None:
        """Return the run's share of a flush; None if its end is being written, or its events cannot be encoded."""
        try:
            return buffer.take_batch() if buffer.is_flushable else None
        except Exception as failure:  # noqa: BLE001  # its turn is told, and ends its run with it
            self.abandon(buffer, failure)
            buffer.finish_end()
            return None

    async def _write(self, batches: Sequence[FlushBatch]) -> None:
        """Commit `batches` and show them. If a value is refused, find its run by halving: only that one fails."""
        try:
            accepted = await self._db.transaction(
                lambda tx: write_batches(tx, batches, self._lease_seconds), patience_seconds=self._lease_seconds
            )
            self._show(batches, accepted=frozenset(accepted))
        except Exception as failure:  # noqa: BLE001  # every turn that it concerns is told, and ends its run with it
            if len(batches) > 1 and not isinstance(failure, StorageFailed):
                middle = len(batches) // 2
                await self._write(batches[:middle])
                await self._write(batches[middle:])
                return
            metrics.FLUSH_FAILURES.inc()
            for batch in batches:
                batch.undo()
                self.abandon(batch.buffer, failure)

    def _show(self, batches: Sequence[FlushBatch], accepted: frozenset[str]) -> None:
        """Show what was committed to readers; stop the turns of runs that are no longer this worker's."""
        for batch in batches:
            if batch.buffer.run.id in accepted:
                self.publish(batch.buffer.run.id, batch.entries)
            else:
                self.abandon(batch.buffer, Fenced())  # its readers read on in the table
                batch.buffer.cancel_turn()


def _count_end(entries: Sequence[Entry]) -> None:
    """Count the run that `entries` end, if they do: each end is shown once, by the process that has committed it."""
    if entries and isinstance(end := entries[-1].event, RunFinished):
        run, usage = end.run, end.run.usage
        tokens = {
            "input": usage.input_tokens,
            "cached_input": usage.cached_input_tokens,
            "output": usage.output_tokens,
            "reasoning": usage.reasoning_tokens,
        }
        metrics.count_run(run.status, run.model, tokens, run.created_at, run.finished_at)
        metrics.count_first_token(run.created_at, run.first_token_at)
