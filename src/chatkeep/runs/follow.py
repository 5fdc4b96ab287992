"""Following: what a log holds after a position, then whatever comes. Live reading, resuming and replay are one thing.

What this process carries is read from memory, committed entries only; everything else from the table, woken by
the doorbell or, when another process writes, by looking again.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import NamedTuple

from chatkeep.chat.events import Entry, Event, RunFinished, RunWaiting
from chatkeep.chat.types import Run, Session, has_ended
from chatkeep.db import Transaction
from chatkeep.db.notifier import Subscription
from chatkeep.errors import EventsExpired
from chatkeep.runs.run_buffer import Live, after
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

RUN_POLL_SECONDS, SESSION_POLL_SECONDS = 0.5, 2.0
"""Seconds after which a log, or a session, that another process may write is looked at again."""


class SessionChange(NamedTuple):
    """Between the runs of a session: it was changed (`session`), or is gone (None)."""

    session: Session | None


class RunEvents(NamedTuple):
    """Entries of one of a session's runs; none when it has been quiet."""

    run: Run
    entries: Sequence[Entry]


class _Page(NamedTuple):
    entries: Sequence[Entry]
    is_last: bool  # nothing comes after `entries`: the run has ended with them, or waits for the client
    ended: bool


class _Heartbeat:
    """Counts how long nothing came, to say every ping's interval that the line is still up."""

    __slots__ = ("_bell", "_interval", "_loop", "_since")

    def __init__(self, subscription: Subscription, interval: float) -> None:
        self._bell = subscription
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()

    def wait(self, at_most: float) -> Awaitable[bool]:
        """Wait for a ring, no longer than `at_most` seconds, nor past the time to say something; whether there was one,
        which is what `is_due` wants.
        """
        return self._bell.wait(min(at_most, self._since + self._interval - self._loop.time()))

    def is_due(self, *, notified: bool) -> bool:
        """Whether it is time to say something, after a wait."""
        now = self._loop.time()
        is_time = not notified and now - self._since >= self._interval
        if notified or is_time:
            self._since = now
        return is_time


async def follow(runtime: Runtime, run_id: str, position: int) -> AsyncGenerator[Sequence[Entry]]:
    """What comes after `position` of the run's log, as it comes; an empty sequence whenever nothing did for a while.

    Ends after `run.finished`, and after a `run.waiting` that nothing came after; without them when the service
    drains, when the log cannot be written for now, or when the run or its log is gone. The reader then comes back.
    """
    live: Live | None = None
    with runtime.notifier.subscribe(run_id) as subscription:
        heartbeat = _Heartbeat(subscription, runtime.settings.ping_interval)
        while not runtime.draining:
            live = runtime.journal.find(run_id) or live
            page = _read_buffer(live, position) or await _read_table(runtime, live, run_id, position)
            if page.entries:
                yield page.entries
                if page.is_last:
                    return
                position = page.entries[-1].event.position
                if live is None or position < live.committed:
                    continue  # there may be more already
            elif page.ended:
                return
            poll = RUN_POLL_SECONDS if live is None or live.failure else runtime.settings.ping_interval
            if heartbeat.is_due(notified=await heartbeat.wait(poll)):
                yield ()


async def follow_session(
    runtime: Runtime, owner: str, session: Session, number: int, position: int
) -> AsyncGenerator[RunEvents | SessionChange | None]:
    """The session's log after `position` of run `number`, for as long as the reader stays; None when it is quiet.

    `session`: as it was at that position; what changed since is told.
    """
    session_id = session.id
    with runtime.notifier.subscribe(session_id) as subscription:
        heartbeat = _Heartbeat(subscription, runtime.settings.ping_interval)
        while not runtime.draining:
            if run := await _next_run(runtime, session_id, number, position):
                begin = position if run.number == number else 0
                last: Event | None = None
                async for entries in follow(runtime, run.id, begin):
                    yield RunEvents(run, entries)
                    last = entries[-1].event if entries else last
                if isinstance(last, RunWaiting):  # it goes on when the client has answered
                    number, position = run.number, last.position
                    continue
                ended = await _find_run(runtime, run.id)
                if ended is not None and not has_ended(ended.status):
                    return
                number, position = run.number, ended.position if ended else run.position
                continue
            now = await _find_session(runtime, owner, session_id)
            if now is None:
                yield SessionChange(None)
                return
            if now != session:
                session = now
                yield SessionChange(session)
            if heartbeat.is_due(notified=await heartbeat.wait(SESSION_POLL_SECONDS)):
                yield None


async def wait_until_at_rest(runtime: Runtime, run: Run) -> bool:
    """Wait until `run` has ended or waits: True; False when that is not to be seen here (the service drains, say)."""
    if run.status != "in_progress":
        return True
    last: Event | None = None
    async for entries in follow(runtime, run.id, run.position):
        last = entries[-1].event if entries else last
    return isinstance(last, RunFinished | RunWaiting)


async def check_retention(tx: Transaction, session_id: str, number: int, position: int) -> None:
    """Refuse to follow a session from a place whose future is not all kept.

    Raises:
        EventsExpired: part of it is gone.
    """
    if run := await store_runs.find_expired(tx, session_id, number, position):
        raise EventsExpired("part of what follows is no longer kept", run_id=run.id, message_id=run.message_id)


def _read_buffer(live: Live | None, position: int) -> _Page | None:
    if live is None or live.failure is not None or (entries := live.after(position)) is None:
        return None
    return _Page(entries, live.is_over, False)


async def _read_table(runtime: Runtime, live: Live | None, run_id: str, position: int) -> _Page:
    async def read(tx: Transaction) -> _Page:
        entries = await store_events.list_after(tx, run_id, position)
        run = await store_runs.find_run(tx, run_id)
        last = entries[-1].event if entries else None
        waits = isinstance(last, RunWaiting) and run is not None and last.position == run.position
        return _Page(
            after(entries, position), waits or isinstance(last, RunFinished), run is None or has_ended(run.status)
        )

    page = await runtime.db.snapshot(read)
    return page._replace(ended=page.ended or (live is not None and live.is_broken))


async def _next_run(runtime: Runtime, session_id: str, number: int, position: int) -> Run | None:
    """The run that goes on after `position` of run `number`: that one itself, or the next."""

    async def read(tx: Transaction) -> Run | None:
        for run in await store_runs.list_from(tx, session_id, number, 2):
            if run.number > number or run.position > position or not has_ended(run.status):
                return run
        return None

    return await runtime.db.snapshot(read)


async def _find_run(runtime: Runtime, run_id: str) -> Run | None:
    return await runtime.db.snapshot(lambda tx: store_runs.find_run(tx, run_id))


async def _find_session(runtime: Runtime, owner: str, session_id: str) -> Session | None:
    return await runtime.db.snapshot(lambda tx: store_sessions.find_session(tx, owner, session_id))
