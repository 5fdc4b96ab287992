"""The journal: commit before delivery, one transaction for all runs, and the fence of a run ended elsewhere."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from chatkeep.agent.usage_meter import TurnProgress
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, StepStarted, TextDelta, ToolCallRunning, to_entry
from chatkeep.chat.types import RunKey, Session, Usage
from chatkeep.db import Database, Transaction
from chatkeep.db.notifier import Notifier
from chatkeep.errors import StorageFailed, ValueRefused
from chatkeep.runs.flush_schedule import SLICE_SIZE, FlushSchedule
from chatkeep.runs.journal import Journal
from chatkeep.runs.loading import open_database
from chatkeep.runs.run_buffer import MAX_BACKLOG_CHARS, Fenced, ReadWindow, RunBuffer, entries_after
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import Lease
from tests.deletions import delete_now
from tests.service import settings
from tests.values import TIME, message, run, started, uid

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class CountingDatabase:
    """A database that counts its transactions, and can hold or refuse them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.engine, self.name, self.last_failure = db.engine, db.name, db.last_failure
        self.transactions = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusing = False

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        self.transactions += 1
        await self.gate.wait()
        if self.refusing:
            raise StorageFailed("disk full, on purpose")
        return await self._db.transaction(fn, patience_seconds=patience_seconds)

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self._db.snapshot(fn)

    async def close(self) -> None:
        await self._db.close()


@pytest.fixture
async def db(database: str) -> AsyncGenerator[CountingDatabase]:
    db = await open_database(settings(database))
    yield CountingDatabase(db)
    await db.close()


@pytest.fixture
async def journal(db: CountingDatabase) -> Journal:
    return Journal(db, Notifier(), FlushSchedule(0.05))


async def open_run(db: CountingDatabase, journal: Journal, name: str = "r") -> RunBuffer:
    """Store a run in a session of its own, and open its buffer."""
    first = started()
    session_id, user_id, answer_id = uid(f"{name} session"), uid(f"{name} user"), uid(f"{name} answer")
    new_run = run(id=uid(name), session_id=session_id, user_message_id=user_id, message_id=answer_id)

    async def write(tx: Transaction) -> None:
        session = Session(session_id, None, "default", None, {}, "idle", None, 0, TIME, TIME, {}, None, False)
        assert await store_sessions.add_session(tx, "me", session)
        await store_messages.add_message(tx, message("user", "Hi", id=user_id, session_id=session_id, seq=1))
        await store_messages.add_message(tx, message(id=answer_id, session_id=session_id, seq=2))
        await store_runs.add_run(tx, new_run, {}, None, Lease("here", TIME))
        await store_events.add_events(tx, new_run.key, [to_entry(replace(first, position=1))])

    await db.transaction(write)
    db.transactions = 0
    return journal.open(new_run, [to_entry(replace(first, position=1))], TIME)


async def slow_flush(
    db: CountingDatabase, max_gap: float = 3600, slice_size: int = SLICE_SIZE
) -> tuple[Journal, list[RunBuffer]]:
    """Return a journal and runs whose first flush stops at the gate. A gap of an hour follows if it takes any time."""
    journal = Journal(db, Notifier(), FlushSchedule(max_gap, gap_per_flush=1e9, slice_size=slice_size))
    buffers = [await open_run(db, journal, f"r{number}") for number in range(8)]
    db.gate.clear()
    return journal, buffers


async def wait_until_flushing(db: CountingDatabase) -> None:
    """Wait until a flush is under way."""
    async with asyncio.timeout(10):
        while not db.transactions:
            await asyncio.sleep(0)


def key_of(name: str = "r") -> RunKey:
    """The key of the run that `open_run` has stored."""
    return RunKey(uid(f"{name} session"), 1)


async def stored_events(db: CountingDatabase, run: RunKey | None = None) -> list[Event]:
    return (await db.snapshot(lambda tx: store_events.list_events(tx, run or key_of())))[1:]


def text(content: str, index: int = 0) -> list[Event]:
    return [TextDelta(index=index, text=content)]


async def wait_until_committed(buffer: RunBuffer, position: int) -> None:
    """Wait until readers may see the log up to `position`."""
    async with asyncio.timeout(10):
        while buffer.window.committed < position:
            await asyncio.sleep(0.001)


async def test_no_event_is_shown_before_its_commit(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.gate.clear()
    await journal.append(buffer, text("Hello"))
    await asyncio.sleep(0)
    assert (buffer.position, buffer.window.committed) == (6, 1)
    assert buffer.window.after(1) == []
    db.gate.set()
    await wait_until_committed(buffer, 6)
    entries = buffer.window.after(1)
    assert entries is not None
    assert (
        [entry.event for entry in entries] == await stored_events(db) == [TextDelta(position=6, index=0, text="Hello")]
    )


async def test_append_waits_for_the_commit_of_other_events(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    await journal.append(buffer, [StepStarted(index=0)])
    assert buffer.window.committed == 2
    assert len(await stored_events(db)) == 1


async def test_events_gathered_during_a_flush_are_merged_in_the_next(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.gate.clear()
    await journal.append(buffer, text("a"))
    await wait_until_flushing(db)
    for letter in "bcdef":
        await journal.append(buffer, text(letter))
    db.gate.set()
    await wait_until_committed(buffer, 7)
    assert [event.text for event in await stored_events(db) if isinstance(event, TextDelta)] == ["a", "bcdef"]
    assert db.transactions == 2


async def test_one_transaction_serves_all_runs(db: CountingDatabase, journal: Journal) -> None:
    buffers = [await open_run(db, journal, name) for name in ("r1", "r2", "r3")]
    for buffer in buffers:
        await journal.append(buffer, text("x"))
    for buffer in buffers:
        await wait_until_committed(buffer, 2)
    assert db.transactions == 1


async def test_the_row_of_a_run_matches_its_log_during_a_flush(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.gate.clear()
    await journal.append(buffer, text("abc"))
    await wait_until_flushing(db)
    await journal.append(buffer, text("defgh"))
    positions: list[Any] = []
    db.gate.set()
    await wait_until_committed(buffer, 4)
    positions.append(await db.snapshot(lambda tx: store_runs.find_run(tx, key_of())))
    await wait_until_committed(buffer, 9)
    positions.append(await db.snapshot(lambda tx: store_runs.find_run(tx, key_of())))
    assert positions[-1].position == 9
    assert positions[0].position in (4, 9)


async def test_a_run_ended_elsewhere_accepts_no_events(db: CountingDatabase, journal: Journal) -> None:
    closed, other = await open_run(db, journal, "r1"), await open_run(db, journal, "r2")
    await db.transaction(lambda tx: store_runs.end_run(tx, key_of("r1"), "cancelled", None))
    with pytest.raises(Fenced):
        await asyncio.gather(
            journal.append(closed, [StepStarted(index=0)]), journal.append(other, [StepStarted(index=0)])
        )
    assert await stored_events(db, key_of("r1")) == []
    assert len(await stored_events(db, key_of("r2"))) == 1
    with pytest.raises(Fenced):
        await journal.append(closed, text("more"))


async def test_a_deleted_session_does_not_fail_the_flush_of_others(db: CountingDatabase, journal: Journal) -> None:
    deleted, other = await open_run(db, journal, "r1"), await open_run(db, journal, "r2")
    await db.transaction(lambda tx: delete_now(tx, "me", uid("r1 session")))
    await journal.append(deleted, text("x"))
    await journal.append(other, [StepStarted(index=0)])
    assert len(await stored_events(db, key_of("r2"))) == 1
    assert isinstance(deleted.failure, Fenced)


async def test_a_failed_flush_keeps_its_events_and_fails_every_turn(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.refusing = True
    await journal.append(buffer, text("lost?"))
    with pytest.raises(StorageFailed):
        await journal.append(buffer, [StepStarted(index=1)])
    assert buffer.is_broken
    db.refusing = False

    async def nothing_more(tx: Transaction) -> list[Any]:
        return []

    await journal.finish(buffer, nothing_more)
    assert [type(event) for event in await stored_events(db)] == [TextDelta, StepStarted]


async def test_a_refused_value_fails_its_own_run_only(db: CountingDatabase, journal: Journal) -> None:
    buffers = [await open_run(db, journal, f"r{number}") for number in range(5)]
    buffers[2].take_progress = lambda: TurnProgress(Usage(None), 0, None)  # type: ignore[arg-type]  # on purpose: no column takes it
    outcomes = await asyncio.gather(
        *(journal.append(buffer, [StepStarted(index=0)]) for buffer in buffers), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [ValueRefused] + [type(None)] * 2
    assert [len(await stored_events(db, buffer.run.key)) for buffer in buffers] == [1, 1, 0, 1, 1]
    assert list(buffers[2].pending) == [StepStarted(position=2, index=0)]
    await journal.append(buffers[3], text("goes on"))
    await wait_until_committed(buffers[3], 9)


async def test_a_batch_that_cannot_be_made_stops_no_flush(db: CountingDatabase, journal: Journal) -> None:
    broken, other = await open_run(db, journal, "r1"), await open_run(db, journal, "r2")
    broken.take_progress = lambda: 1 / 0  # type: ignore[assignment,return-value]  # on purpose: it fails
    outcomes = await asyncio.wait_for(
        asyncio.gather(
            *(journal.append(buffer, [StepStarted(index=0)]) for buffer in (broken, other)), return_exceptions=True
        ),
        10,
    )
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, type(None)]
    assert len(await stored_events(db, key_of("r2"))) == 1


async def test_the_end_and_pending_events_are_one_commit(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.gate.clear()
    await journal.append(buffer, text("a"))
    await wait_until_flushing(db)
    await journal.append(buffer, text("b"))

    async def fail(tx: Transaction) -> list[Any]:
        raise StorageFailed("on purpose")

    finishing = asyncio.ensure_future(journal.finish(buffer, fail))
    await asyncio.sleep(0)
    db.gate.set()
    with pytest.raises(StorageFailed):
        await finishing
    assert [event.text for event in await stored_events(db) if isinstance(event, TextDelta)] == ["a"]
    assert [event.text for event in buffer.pending if isinstance(event, TextDelta)] == ["b"]


async def test_with_many_runs_turns_resume_just_before_the_flush(db: CountingDatabase, journal: Journal) -> None:
    buffers = [await open_run(db, journal, f"r{number}") for number in range(8)]
    await asyncio.gather(*(journal.append(buffer, text("a")) for buffer in buffers))  # measures a first flush

    async def speak(buffer: RunBuffer) -> None:
        for letter in "bcdef":
            await journal.append(buffer, text(letter))

    async with asyncio.timeout(10):
        await asyncio.gather(*map(speak, buffers))
        for buffer in buffers:
            await wait_until_committed(buffer, 7)
    assert db.transactions <= 8  # not one for each delta of each run
    for buffer in buffers:
        assert (
            "".join(event.text for event in await stored_events(db, buffer.run.key) if isinstance(event, TextDelta))
            == "abcdef"
        )


async def test_urgent_events_are_committed_without_others_deltas(db: CountingDatabase) -> None:
    journal, buffers = await slow_flush(db)
    await asyncio.gather(*(journal.append(buffer, text("a")) for buffer in buffers))
    await asyncio.sleep(0.02)  # the flush takes that long, by a clock of milliseconds: a gap of an hour follows
    db.gate.set()
    for buffer in buffers:
        await wait_until_committed(buffer, 2)
    waiting = asyncio.ensure_future(journal.append(buffers[0], text("b")))
    await asyncio.sleep(0)
    await asyncio.wait_for(journal.append(buffers[1], [StepStarted(index=0)]), 10)
    assert (buffers[1].window.committed, buffers[0].position, buffers[0].window.committed) == (3, 3, 2)
    assert len(await stored_events(db, key_of("r0"))) == 1
    assert not waiting.done()
    await journal.flush_session(uid("r0 session"))
    assert buffers[0].window.committed == 3
    waiting.cancel()


async def test_an_event_urgent_as_a_flush_begins_skips_the_next_gap(db: CountingDatabase) -> None:
    journal, buffers = await slow_flush(db)
    await journal.append(buffers[0], text("a"))
    ended = asyncio.ensure_future(
        journal.append(buffers[1], [StepStarted(index=0)])
    )  # runs just before the flush's task
    await asyncio.sleep(0.02)
    db.gate.set()
    async with asyncio.timeout(10):
        await ended
    assert buffers[1].window.committed == 2


async def test_many_turns_are_resumed_in_slices(db: CountingDatabase) -> None:
    journal, buffers = await slow_flush(db, max_gap=1, slice_size=3)
    await asyncio.gather(*(journal.append(buffer, text("a")) for buffer in buffers))
    await asyncio.sleep(0.02)  # the flush takes that long, by a clock of milliseconds: the whole gap follows
    db.gate.set()
    for buffer in buffers:
        await wait_until_committed(buffer, 2)
    db.transactions = 0
    db.gate.clear()
    turns = [asyncio.ensure_future(journal.append(buffer, text("b"))) for buffer in buffers]
    await wait_until_flushing(db)
    assert [turn.done() for turn in turns] == [True] * 3 + [False] * 5
    db.gate.set()
    async with asyncio.timeout(10):  # the later slices add no events, and are resumed all the same
        await asyncio.gather(*turns)
    for buffer in buffers:
        await wait_until_committed(buffer, 3)


async def test_waiting_turns_resume_without_new_events(db: CountingDatabase, journal: Journal) -> None:
    buffers = [await open_run(db, journal, f"r{number}") for number in range(8)]
    async with asyncio.timeout(10):
        for _ in range(3):  # each round waits for a gap at whose end no other run adds events
            for buffer in buffers:
                await journal.append(buffer, text("x"))


async def test_a_turn_that_is_too_fast_waits_for_the_commits(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    db.gate.clear()
    await journal.append(buffer, text("x"))
    await wait_until_flushing(db)
    flood = asyncio.ensure_future(journal.append(buffer, text("x" * (MAX_BACKLOG_CHARS + 1))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not flood.done()
    db.gate.set()
    await flood
    assert buffer.window.committed == buffer.position


async def test_memory_holds_the_newest_entries_only(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    for _ in range(5):
        await journal.append(buffer, text("x" * 50_000))
        await wait_until_committed(buffer, buffer.position)
    assert sum(len(entry.json) for entry in buffer.window.entries) < 150_000
    assert buffer.window.after(1) is None
    newest = buffer.window.after(buffer.position - 10)
    assert newest is not None
    assert len(newest) == 1


async def test_commits_that_answer_out_of_order_hide_nothing() -> None:
    first, second, third = [[to_entry(TextDelta(position=n, index=0, text="abc"))] for n in (4, 7, 10)]
    window = ReadWindow(first, 4)
    window.add(third)
    assert (window.committed, window.after(7), window.after(10)) == (10, third, [])
    assert window.after(4) is None, "the table has what is missing here"
    window.add(second)
    assert (window.committed, window.after(7), window.after(4)) == (10, third, None)


async def test_commits_that_follow_on_stay_in_memory() -> None:
    first, second = [[to_entry(TextDelta(position=n, index=0, text="abc"))] for n in (4, 7)]
    window = ReadWindow(first, 4)
    window.add(second)
    assert [entry.event for entry in window.after(1) or ()] == [TextDelta(position=7, index=0, text="abcabc")]


async def test_a_reader_gets_all_events_after_any_position() -> None:
    events = [StepStarted(index=0), ToolCallRunning(index=1), *text("ab", 2), ToolCallRunning(index=3), *text("c", 4)]
    for some in (events, events[:2]):
        entries = [to_entry(event) for event in event_log.assign_positions(some, 10)]
        for position in range(8, entries[-1].event.position + 1):
            rest = [entry.event for entry in entries_after(entries, position)]
            assert rest == event_log.after([entry.event for entry in entries], position), position


async def test_flush_session_commits_its_pending_events(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    await journal.append(buffer, text("a"))
    await journal.flush_session(uid("r session"))
    assert buffer.window.committed == 2
    await journal.flush_session("nobody")


async def test_flushing_and_ending_at_once_do_not_deadlock(db: CountingDatabase, journal: Journal) -> None:
    buffer = await open_run(db, journal)
    await journal.append(buffer, text("a"))
    await wait_until_flushing(db)
    await journal.append(buffer, text("b"))

    async def close(tx: Transaction) -> list[Any]:
        await store_runs.end_run(tx, key_of(), "completed", None)
        return []

    async with asyncio.timeout(10):
        await asyncio.gather(
            journal.flush_session(uid("r session")),
            journal.finish(buffer, close),
            journal.flush_session(uid("r session")),
        )
    assert "".join(event.text for event in await stored_events(db) if isinstance(event, TextDelta)) == "ab"
