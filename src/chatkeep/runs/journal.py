"""Append before deliver: events of all runs are gathered, committed together, and only then shown to readers.

1. No flush is under way twice. What gathers while one runs is the next one: load makes each token cheaper.
2. Between two flushes passes a gap: none with few open runs, then growing with the time a flush takes
   (which includes the event loop's lag), up to CHATKEEP_FLUSH_INTERVAL_MS.
3. A run's first delta, and every event that is no delta, does not wait for the gap; it is flushed without the others.
4. Where there is a gap, a turn that has brought a delta goes on only when the gap is over: what its model said
   meanwhile is then read, decoded and written as one. It comes just before the flush, so nobody waits longer for it.
5. Many turns go on in slices, one after the other, each with a flush of its own: the first need not wait for the last.
6. A flush begins with the fence of each run: events of one that was closed by somebody else are dropped, and its
   turn is stopped. The fence renews the run's lease, so `renew` is a flush without events.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chatkeep import clock
from chatkeep.chat.event_log import assign_positions
from chatkeep.chat.events import Delta, Entry, Event, RunFinished
from chatkeep.chat.types import Run
from chatkeep.db import Database, Transaction
from chatkeep.db.notifier import Notifier
from chatkeep.errors import StorageFailed
from chatkeep.runs.run_buffer import Fenced, Live, Taken
from chatkeep.runs.run_buffer import write as write_all
from chatkeep.store import sessions as store_sessions

QUIET_RUNS = 4
"""Up to so many open runs there is no gap: each commit is cheap, and somebody is waiting."""
GAP_PER_FLUSH = 10
"""The gap in flush times: at the most a tenth of the time is spent flushing, until the interval caps the gap."""
SLICE = 250
"""Turns that go on together when the gap is over. A thousand at once: chunks cost 9 % more, and are a fifth older."""
BACKLOG = 262_144
"""Characters that may wait for a flush before the turn that brings them has to wait too."""
PARTING = 5.0
"""Seconds for which the end of a log that was closed from elsewhere is there for its readers, rows or no rows."""
LEASE = 30.0
"""Seconds for which a flush renews the leases of its runs, unless CHATKEEP_LEASE says otherwise."""


class Journal:
    """The logs of all runs that this process carries."""

    def __init__(self, db: Database, notifier: Notifier, max_gap: float, lease: float = LEASE) -> None:
        """`max_gap`: the most seconds between two flushes; `lease`: for how many seconds a flush renews leases."""
        self._db = db
        self._doorbell = notifier
        self._loop = asyncio.get_running_loop()  # kept: CPython asks for the process's id each time one asks for it
        self._ready = self._loop.create_future()  # for who need not wait
        self._ready.set_result(None)
        self._max_gap = max_gap
        self._lease = lease
        self._lives: dict[str, Live] = {}
        self._parted: dict[str, Live] = {}  # closed by somebody else, perhaps with a session that is deleted now
        self._dirty: dict[str, Live] = {}
        self._urgent: set[str] = set()  # those of them that do not wait for the gap
        self._flush: asyncio.Task[None] | None = None
        self._beginning = False
        self._waiting: list[asyncio.Future[None]] = []  # the turns that wait for the gap to be over
        self._late = 0  # so many of them, the first, waited for a gap that is over and have not gone on yet
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0  # the last flush of everything, in all its slices
        self._ended = 0.0
        self._flush_seconds = 0.0

    def open(self, run: Run, entries: Sequence[Entry], now: str) -> Live:
        """Begin to carry `run`, whose log has come as far as `entries`; `now`: the database's time."""
        live = self._lives[run.id] = Live(run, entries, now, self._loop.time())
        return live

    def find(self, run_id: str) -> Live | None:
        """The run's log, if this process carries it, or has just closed it."""
        return self._lives.get(run_id) or self._parted.get(run_id)

    def append(self, live: Live, events: Sequence[Event]) -> Awaitable[None]:
        """Take `events` into the log. What is returned is to be awaited before there are more: it is over when a flush
        wants them; or, unless all are deltas, when these are committed.

        Raises:
            Fenced: the run was closed by somebody else.
            StorageFailed: an earlier flush failed; what it held is still pending.
        """
        if live.failure is not None:
            raise live.failure
        if live.first_token_at is None and any(isinstance(event, Delta) for event in events):
            live.first_token_at = clock.add_seconds(live.now, self._loop.time() - live.began)
        first = live.position == live.run.position
        placed = assign_positions(events, live.position)
        live.pending += placed
        live.backlog += placed[-1].position - live.position
        live.position = placed[-1].position
        must_commit = not all(isinstance(event, Delta) for event in events)
        self._soil(live, urgent=first or must_commit)
        if must_commit or live.backlog > BACKLOG:
            return self._written(live)
        return self._gap_over() if self._gap() else self._ready

    async def finish(self, live: Live, close: Callable[[Transaction], Awaitable[list[Entry]]]) -> None:
        """Commit what is pending together with what `close` writes (the run's end, or that it waits), then show both.

        Raises:
            Fenced: the run was closed by somebody else.
            StorageFailed: nothing was written; what was pending still is.
        """
        live.finishing = True  # no flush takes it from now on
        if self._flush is not None:  # it may hold events of this run
            await asyncio.wait([self._flush])
        taken = Taken(live)

        async def write(tx: Transaction) -> list[Entry]:
            await store_sessions.touch(tx, live.run.session_id)  # session before run: the order of locks everywhere
            if not await write_all(tx, [taken], self._lease):
                raise Fenced
            return await close(tx)

        try:
            closing = await self._db.transaction(write)
        except StorageFailed:
            taken.undo()
            raise
        finally:
            live.finishing = False
            taken.release()
            live.release()
        self.deliver(live.run.id, [*taken.entries, *closing])

    async def settle(self, session_id: str) -> None:
        """Commit what is pending of the session's run now, if this process carries one: it is about to be closed."""
        for live in [live for live in self._lives.values() if live.run.session_id == session_id]:
            self._soil(live, urgent=True)
            await self._committed(live)

    def renew(self) -> None:
        """Renew the leases of all runs, also of those that have nothing to say."""
        self._dirty |= self._lives
        self._schedule()

    def check(self, run_id: str) -> None:
        """Look whether the run is still ours, if it was: somebody has closed it, perhaps."""
        if live := self._lives.get(run_id):
            self._soil(live, urgent=True)

    @property
    def carried(self) -> frozenset[str]:
        """The ids of the runs that this process carries."""
        return frozenset(self._lives)

    def deliver(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Show entries that somebody else has committed (a cancel, say). A log that is over is let go."""
        live = self._lives.get(run_id)
        if live is not None:
            live.show(entries)
            if live.is_over:
                del self._lives[run_id]
        elif entries and isinstance(end := entries[-1].event, RunFinished):
            self._parted[run_id] = Live(end.run, entries, end.run.created_at, 0)
            self._loop.call_later(PARTING, self._parted.pop, run_id, None)
        self._doorbell.notify(run_id)

    def abandon(self, live: Live, failure: Exception) -> None:
        """Let the readers of a log that cannot be written go; they come back when it can."""
        live.failure = failure
        if self._lives.get(live.run.id) is live:
            del self._lives[live.run.id]
        self._doorbell.notify(live.run.id)

    def _fence(self, live: Live) -> None:
        """The run is no longer ours: its turn ends, and its readers read on in the table."""
        self.abandon(live, Fenced())
        live.stop()

    async def _written(self, live: Live) -> None:
        await self._committed(live)
        if live.failure is not None:
            raise live.failure

    async def _committed(self, live: Live) -> None:
        if live.flushed is None:
            live.flushed = self._loop.create_future()
        await asyncio.shield(live.flushed)

    def _soil(self, live: Live, *, urgent: bool) -> None:
        self._dirty[live.run.id] = live
        if urgent:
            self._urgent.add(live.run.id)
        self._schedule()

    def _schedule(self) -> None:
        """See to it that a flush comes: of everything when the gap is over, of what is urgent now."""
        if self._flush is not None or self._beginning:
            return
        if self._timer is None:
            due = self._ended + self._gap() - self._loop.time()
            if self._late or due <= 0:
                self._start()
                return
            self._timer = self._loop.call_later(due, self._start)
        if self._urgent:
            self._beginning = True
            self._loop.call_soon(self._begin, False)

    def _gap_over(self) -> asyncio.Future[None]:
        turn = self._loop.create_future()
        self._waiting.append(turn)
        return turn

    def _gap(self) -> float:
        if len(self._lives) <= QUIET_RUNS:
            return 0.0
        return min(self._max_gap, self._flush_seconds * GAP_PER_FLUSH)

    def _start(self) -> None:
        """Let a slice of the turns that wait bring what they have in the loop's next round, and flush right after."""
        self._timer = None
        if self._flush is not None or self._beginning:
            return
        self._beginning = True
        if not self._late:
            self._late, self._began = len(self._waiting), self._loop.time()
        ready = self._waiting[: min(self._late, SLICE)]
        for turn in ready:
            if not turn.done():
                turn.set_result(None)
        del self._waiting[: len(ready)]
        self._late -= len(ready)
        self._loop.call_soon(self._begin, True)

    def _begin(self, is_all: bool) -> None:
        self._beginning = False
        if wanted := sorted(self._dirty if is_all else self._urgent):
            self._urgent.difference_update(wanted)  # and no other: more may become urgent before the task begins
            lives = [self._dirty.pop(run_id) for run_id in wanted]
            self._flush = asyncio.ensure_future(self._flush_these(lives, is_all=is_all))
        elif self._late:  # the turns of this slice had nothing to bring; there is another
            self._schedule()

    async def _flush_these(self, lives: Sequence[Live], *, is_all: bool) -> None:
        batch = [Taken(live) for live in lives if not live.finishing]
        try:
            accepted = await self._db.transaction(lambda tx: write_all(tx, batch, self._lease))
            for taken in batch:
                if taken.live.run.id in accepted:
                    self.deliver(taken.live.run.id, taken.entries)
                else:
                    self._fence(taken.live)
        except Exception as failure:  # noqa: BLE001  # every turn of the batch is told, and ends its run with it
            for taken in batch:
                taken.undo()
                self.abandon(taken.live, failure)
        for taken in batch:
            taken.release()
        if is_all and not self._late:
            self._ended = self._loop.time()
            self._flush_seconds += (self._ended - self._began - self._flush_seconds) / 4
        self._flush = None
        self._schedule()  # nothing new, perhaps; but turns may wait for the gap to be over
