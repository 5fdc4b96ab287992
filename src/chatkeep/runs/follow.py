"""Following a log: what it holds after a position, then what happens. Live reading, resuming and replay are one thing.

A reader is a position and nothing else. Each round it asks for what comes after that position, sends it, and waits:

    run executes here    memory (`RunBuffer.window`): the newest committed entries
    everywhere else      the table `run_events`, a page at a time

Notifications wake it. Where another process writes, and its notifications may be lost, it also looks by itself after
`run_poll_seconds`. So a notification makes a reader fast, and is never needed for it to be right.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import NamedTuple

from chatkeep.chat.events import Entry, Event, RunFinished, RunWaiting
from chatkeep.chat.types import Run, RunKey, Session, has_ended
from chatkeep.db import Transaction
from chatkeep.db.notifier import Subscription
from chatkeep.errors import EventsExpired
from chatkeep.runs.run_buffer import RunBuffer, entries_after
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import kept_logs
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


class SessionChange(NamedTuple):
    """Between the runs of a session: the session as it is now; None if it was deleted."""

    session: Session | None


class RunEvents(NamedTuple):
    """Entries of one of a session's runs; empty when it was quiet for a while."""

    run: Run
    entries: Sequence[Entry]


class _Page(NamedTuple):
    """Entries after a position. `is_last`: they end the log, or put the run to rest. `has_ended`: the run has."""

    entries: Sequence[Entry]
    is_last: bool
    has_ended: bool


class _Heartbeat:
    """Counts how long a stream was silent, so that it can say every ping interval that it is still there."""

    __slots__ = ("_interval", "_loop", "_since", "_subscription")

    def __init__(self, subscription: Subscription, interval: float) -> None:
        self._subscription = subscription
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()

    def wait(self, max_seconds: float) -> Awaitable[bool]:
        """Wait for a notification, at most `max_seconds` and until the next ping. True if notified, False if not."""
        return self._subscription.wait(min(max_seconds, self._since + self._interval - self._loop.time()))

    def is_due(self, *, notified: bool) -> bool:
        """Return True if a ping is due after a wait, which returned `notified`."""
        now = self._loop.time()
        is_due = not notified and now - self._since >= self._interval
        if notified or is_due:
            self._since = now
        return is_due


async def follow(runtime: Runtime, run: Run, position: int) -> AsyncGenerator[Sequence[Entry]]:
    """Yield the entries after `position` of the run's log as they come, and an empty sequence when a ping is due.

    Ends after `run.finished`, and after a `run.waiting` that is the log's last event. Ends without them when the
    service drains, when the log cannot be written for now, or when the run or its log is gone: the reader comes back.
    """
    buffer: RunBuffer | None = None
    with runtime.notifier.subscribe(run.id) as subscription:
        heartbeat = _Heartbeat(subscription, runtime.settings.ping_interval)
        while not runtime.is_draining:
            buffer = runtime.journal.find(run.id) or buffer
            page = _read_buffer(buffer, position) or await _read_table(runtime, buffer, run.key, position)
            if page.entries:
                yield page.entries
                if page.is_last:
                    return
                position = page.entries[-1].event.position
                if buffer is None or position < buffer.window.committed:
                    continue  # there may be more already
            elif page.has_ended:
                return
            is_local = buffer is not None and buffer.failure is None
            max_seconds = runtime.settings.ping_interval if is_local else runtime.run_poll_seconds
            if heartbeat.is_due(notified=await heartbeat.wait(max_seconds)):
                yield ()


async def follow_session(
    runtime: Runtime, owner: str, session: Session, number: int, position: int
) -> AsyncGenerator[RunEvents | SessionChange | None]:
    """Yield the session's events after `position` of run `number`, for as long as the reader stays.

    `session` is the session as it was at that position; later changes are yielded. None means that a ping is due.
    """
    with runtime.notifier.subscribe(session.id) as subscription:
        heartbeat = _Heartbeat(subscription, runtime.settings.ping_interval)
        while not runtime.is_draining:
            if run := await _next_run(runtime, session.id, number, position):
                last: Event | None = None
                async for entries in follow(runtime, run, position if run.number == number else 0):
                    yield RunEvents(run, entries)
                    last = entries[-1].event if entries else last
                place = await _place_after(runtime, run, last)
                if place is None:
                    return
                number, position = place
                continue
            current = await _find_session(runtime, owner, session.id)
            if current != session:
                yield SessionChange(current)
            if current is None:
                return
            session = current
            if heartbeat.is_due(notified=await heartbeat.wait(runtime.session_poll_seconds)):
                yield None


async def wait_until_at_rest(runtime: Runtime, run: Run) -> bool:
    """Wait until `run` has ended or waits for its client. False if this process cannot see that: it drains, say."""
    if run.status != "in_progress":
        return True
    last: Event | None = None
    async for entries in follow(runtime, run, run.position):
        last = entries[-1].event if entries else last
    return isinstance(last, RunFinished | RunWaiting)


async def check_retention(tx: Transaction, session_id: str, number: int, position: int) -> None:
    """Refuse to follow a session from a place if a log after it is no longer there.

    Raises:
        EventsExpired: one is not.
    """
    if run := await kept_logs.find_expired(tx, session_id, number, position):
        raise EventsExpired("part of what follows is no longer kept", run_id=run.id, message_id=run.message_id)


def _read_buffer(buffer: RunBuffer | None, position: int) -> _Page | None:
    if buffer is None or buffer.failure is not None or (entries := buffer.window.after(position)) is None:
        return None
    return _Page(entries, buffer.window.is_over, False)


async def _read_table(runtime: Runtime, buffer: RunBuffer | None, key: RunKey, position: int) -> _Page:
    async def read(tx: Transaction) -> _Page:
        entries = await store_events.list_after(tx, key, position)
        run = await store_runs.find_run(tx, key)
        last = entries[-1].event if entries else None
        waits = isinstance(last, RunWaiting) and run is not None and last.position == run.position
        is_last = waits or isinstance(last, RunFinished)
        return _Page(entries_after(entries, position), is_last, run is None or has_ended(run.status))

    page = await runtime.db.snapshot(read)
    return page._replace(has_ended=page.has_ended or (buffer is not None and buffer.is_broken))


async def _next_run(runtime: Runtime, session_id: str, number: int, position: int) -> Run | None:
    """Return the run to follow after `position` of run `number`: that one if it goes on, else the next."""

    async def read(tx: Transaction) -> Run | None:
        for run in await store_runs.list_from(tx, session_id, number, 2):
            if run.number > number or run.position > position or not has_ended(run.status):
                return run
        return None

    return await runtime.db.snapshot(read)


async def _place_after(runtime: Runtime, run: Run, last: Event | None) -> tuple[int, int] | None:
    """Return the place (number, position) to go on from after `last` of `run`; None if its stream broke off."""
    if isinstance(last, RunWaiting):  # it goes on when the client has answered
        return run.number, last.position
    ended = await runtime.db.snapshot(lambda tx: store_runs.find_run(tx, run.key))
    if ended is not None and not has_ended(ended.status):
        return None
    return run.number, ended.position if ended else run.position


async def _find_session(runtime: Runtime, owner: str, session_id: str) -> Session | None:
    return await runtime.db.snapshot(lambda tx: store_sessions.find_session(tx, owner, session_id))
