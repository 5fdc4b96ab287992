"""One run's log in the memory of the process that executes it.

Events go through two places, and never skip one:

    turn ── append ──▶ pending events ── flush (commit) ──▶ newest committed entries ──▶ readers

`RunBuffer` holds both ends: events that wait for a flush, and a window of the newest committed entries. Readers ask
for what comes after a position. Nearly all of them ask for the last flush; one that is further behind than the window
reads the table, because it cannot keep up, or has just come.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from chatkeep import clock, ids
from chatkeep.agent.usage_meter import TurnProgress
from chatkeep.chat import event_log
from chatkeep.chat.events import Delta, Entry, Event, to_entry
from chatkeep.chat.model_call import ModelCall
from chatkeep.chat.types import Run
from chatkeep.db import Transaction
from chatkeep.store import events as store_events
from chatkeep.store import leases as store_leases
from chatkeep.store import model_calls as store_calls

WINDOW_BYTES = 65_536
"""Bytes of JSON up to which the last flush but one is held in memory beside the last."""
MAX_BACKLOG_CHARS = 262_144
"""Characters that may wait for a flush before the turn that brings them has to wait too."""


class Fenced(Exception):  # noqa: N818  # what happened, no fault
    """The run was ended, or taken over, by another worker: this process may write nothing more of it."""


class ReadWindow:
    """The newest committed entries of a log: those of the last flush, and of the one before if it is small."""

    __slots__ = ("_before", "_begin", "_newest", "_size", "committed")

    def __init__(self, entries: Sequence[Entry], position: int) -> None:
        """`entries` are the newest of the log, which has come to `position`."""
        self.committed = position
        self._before: Sequence[Entry] = ()
        self._newest = entries
        self._size = _json_bytes(entries)
        self._begin = begin_position(entries) if entries else position  # of the newest

    @property
    def entries(self) -> list[Entry]:
        """The entries in memory, oldest first."""
        return [*self._before, *self._newest]

    @property
    def is_over(self) -> bool:
        """True if the last entry ends the log, or puts the run to rest until its client answers."""
        return bool(self._newest) and self._newest[-1].event.is_last_of_turn

    def after(self, position: int) -> Sequence[Entry] | None:
        """Return the committed entries after `position`; None when it lies before the window."""
        if position == self._begin:  # nearly every reader has seen what came before the last flush
            return self._newest
        if position >= self.committed:
            return []
        entries = self.entries
        return entries_after(entries, position) if entries and begin_position(entries) <= position else None

    def add(self, entries: Sequence[Entry]) -> None:
        """Show `entries`, which are committed, to readers.

        The answers to two commits may arrive in another order than the commits took place. Then entries are missing
        before these, or these are older than what is shown. Readers that need those read the table: nothing is skipped.
        """
        if not entries or entries[-1].event.position <= self.committed:
            return
        begin, size = begin_position(entries), _json_bytes(entries)
        follows_on = begin == self.committed
        self._before = self._newest if follows_on and self._size + size <= WINDOW_BYTES else ()
        self._newest, self._size, self._begin = entries, size, begin
        self.committed = entries[-1].event.position


class RunBuffer:
    """The log of a run that this process executes. The journal writes it; readers read its `window`.

    `take_progress` returns the turn's progress for a flush, and `cancel_turn` stops the turn; the executor sets both.
    """

    __slots__ = (
        "_backlog", "_calls", "_commit", "_first_token_at", "_is_ending", "_opened_at", "_opened_time", "_pending",
        "_position", "_session_key", "cancel_turn", "failure", "run", "take_progress", "window",
    )  # fmt: skip

    def __init__(self, run: Run, entries: Sequence[Entry], now: str, loop_time: float) -> None:
        """`entries` are the newest of the log. `now` is the database's time, `loop_time` the event loop's."""
        self.run = run
        self.window = ReadWindow(entries, run.position)
        self.failure: Exception | None = None
        self.take_progress: Callable[[], TurnProgress] | None = None
        self.cancel_turn: Callable[[], object] = lambda: None
        self._session_key = ids.session_key(run.session_id)
        self._opened_at, self._opened_time = now, loop_time
        self._position = run.position
        self._pending: list[Event] = []
        self._backlog = 0  # characters of `_pending`
        self._calls: list[ModelCall] = []  # that have ended, and wait for a flush
        self._first_token_at = run.first_token_at
        self._commit: asyncio.Future[None] | None = None  # resolved by the next flush
        self._is_ending = False

    @property
    def position(self) -> int:
        """How far the log has come, pending events included."""
        return self._position

    @property
    def pending(self) -> Sequence[Event]:
        """The events that wait for a flush."""
        return self._pending

    @property
    def is_new(self) -> bool:
        """True until the turn has brought an event."""
        return self._position == self.run.position

    @property
    def is_flushable(self) -> bool:
        """False while the run's end is being written, which takes the pending events along."""
        return not self._is_ending

    @property
    def is_overfull(self) -> bool:
        """True if so much waits for a flush that the turn has to wait too."""
        return self._backlog > MAX_BACKLOG_CHARS

    @property
    def is_broken(self) -> bool:
        """True if the log cannot be written for now; one that another worker has ended is whole."""
        return self.failure is not None and not isinstance(self.failure, Fenced)

    def append(self, events: Sequence[Event], loop_time: float) -> None:
        """Place `events` at the end of the log.

        Raises:
            Fenced: another worker has ended the run.
            StorageFailed, ValueRefused: an earlier flush failed; its events are pending.
        """
        if self.failure is not None:
            raise self.failure
        if self._first_token_at is None and any(isinstance(event, Delta) for event in events):
            self._first_token_at = clock.add_seconds(self._opened_at, loop_time - self._opened_time)
        placed = event_log.assign_positions(events, self._position)
        self._pending += placed
        self._backlog += placed[-1].position - self._position
        self._position = placed[-1].position

    def take_batch(self) -> "FlushBatch":
        """Take the pending events for a flush, with the run's progress at this moment."""
        run = self.run
        turn = self.take_progress() if self.take_progress else TurnProgress(run.usage, 0, run.finish_reason)
        calls = [*self._calls, *turn.ended]
        batch = FlushBatch(self, self._pending, calls, self._progress(turn), self._commit)
        self._pending, self._calls, self._backlog, self._commit = [], [], 0, None
        return batch

    def restore(self, events: list[Event], calls: list[ModelCall]) -> None:
        """Put events and calls that could not be written back before those that came since."""
        self._pending, self._calls = events + self._pending, calls + self._calls

    def simplify(self) -> bool:
        """Give up what the database may not take: the usage, then the pending events. False if there is neither."""
        if self.take_progress is not None:
            self.take_progress, self._calls = None, []
            return True
        self._position, self._backlog = self.window.committed, 0
        has_pending, self._pending = bool(self._pending), []
        return has_pending

    def next_commit(self) -> asyncio.Future[None]:
        """Return a future that resolves when the events that are pending now are committed, or have failed."""
        if self._commit is None:
            self._commit = asyncio.get_running_loop().create_future()
        return self._commit

    def begin_end(self) -> None:
        """Leave the pending events to the transaction that writes the run's end."""
        self._is_ending = True

    def finish_end(self) -> None:
        """That transaction is over, well or not: resume callers that wait for a commit."""
        self._is_ending = False
        commit, self._commit = self._commit, None
        resolve(commit)

    def _progress(self, turn: TurnProgress) -> store_leases.Progress:
        committed, run, usage = self.window.committed, self.run, turn.usage
        return store_leases.Progress(
            self._session_key,
            run.number,
            run.attempt,
            committed,
            self._pending[-1].position if self._pending else committed,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.reasoning_tokens,
            usage.cost,
            usage.estimated,
            turn.input_bytes,
            turn.finish_reason,
            store_calls.call_to_json(turn.open_call).decode() if turn.open_call else None,
            self._first_token_at,
        )


class FlushBatch:
    """One run's share of a flush: its events, merged and encoded, and its progress at the moment they were taken."""

    def __init__(
        self,
        buffer: RunBuffer,
        events: list[Event],
        calls: list[ModelCall],
        progress: store_leases.Progress,
        commit: asyncio.Future[None] | None,
    ) -> None:
        self.buffer = buffer
        self.entries = [to_entry(event) for event in event_log.merge(events)]
        self.calls = calls
        self.progress = progress
        self._events = events
        self._commit = commit

    def undo(self) -> None:
        """Give the events and calls back to the buffer: they could not be written."""
        self.buffer.restore(self._events, self.calls)

    def release(self) -> None:
        """Resume the turn that waits for this commit."""
        resolve(self._commit)


async def write_batches(tx: Transaction, batches: Sequence[FlushBatch], lease_seconds: float) -> Collection[str]:
    """Write the batches of those runs that are still this worker's, and return their ids."""
    lease_until = clock.add_seconds(await tx.now(), lease_seconds)
    accepted_ids = await store_leases.advance(tx, [batch.progress for batch in batches], lease_until)
    accepted = [batch for batch in batches if batch.buffer.run.id in accepted_ids]
    if calls := [(batch.buffer.run.key, batch.calls) for batch in accepted if batch.calls]:
        await store_calls.add_calls(tx, calls)
    await store_events.add_logs(tx, [store_events.Log(batch.buffer.run.key, batch.entries) for batch in accepted])
    return accepted_ids


def entries_after(entries: Sequence[Entry], position: int) -> Sequence[Entry]:
    """Return the entries after `position`, adjacent deltas as one. An entry that stays whole keeps its shared bytes."""
    if not entries:
        return entries
    has_neighbours = len(entries) > 1 and any(isinstance(entry.event, Delta) for entry in entries)
    if begin_position(entries) >= position and not has_neighbours:
        return entries
    by_event = {id(entry.event): entry for entry in entries}
    merged = event_log.merge(event_log.after((entry.event for entry in entries), position))
    return [by_event.get(id(event)) or to_entry(event) for event in merged]


def begin_position(entries: Sequence[Entry]) -> int:
    """Return the position that the first of `entries` comes after."""
    first = entries[0].event
    return first.position - event_log.position_length(first)


def resolve(future: asyncio.Future[Any] | None) -> None:
    """Resolve `future` with None, if it is there and still waits."""
    if future is not None and not future.done():
        future.set_result(None)


def _json_bytes(entries: Sequence[Entry]) -> int:
    return sum([len(entry.json) for entry in entries])
