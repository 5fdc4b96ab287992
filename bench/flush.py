"""Measures what one flush costs the service: CPU of a flush of 200 runs, and bytes of a log.

    python bench/flush.py                                 a SQLite file
    python bench/flush.py --url postgresql://…/EMPTY      CPU of the service alone, not of the server

The same file runs against an older checkout: `PYTHONPATH=CHECKOUT/src python bench/flush.py`. Rounds of both in turn
tell more than one long run of each.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from chatkeep import clock, ids
from chatkeep.chat.events import RunStarted, TextDelta, to_entry
from chatkeep.chat.types import Message, Run, Session, TextPart, Usage
from chatkeep.db import Database, Transaction
from chatkeep.runs.loading import open_database
from chatkeep.runs.run_buffer import RunBuffer, write_batches
from chatkeep.settings import Settings
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.leases import Lease

RUNS = 200
TEXT = "The chicken crossed the road, "
NEW_IN: Any = getattr(ids, "new_in", lambda _: ids.new())
"""Makes ids of a session; an older checkout has `ids.new` alone."""


async def open_run(db: Database) -> RunBuffer:
    """Store a run in a session of its own, and return its buffer."""
    now, session_id = clock.now(), ids.new()
    session = Session(session_id, None, "default", None, {}, "idle", None, 0, now, now, {}, None)
    question = Message(NEW_IN(session_id), session_id, None, 1, "user", (TextPart("Why?"),), None, "completed", now)
    run_id, answer_id = NEW_IN(session_id), NEW_IN(session_id)
    answer = Message(answer_id, session_id, question.id, 2, "assistant", (), run_id, "in_progress", now)
    state: tuple[Any, ...] = ("in_progress", "m", None, None, Usage(), 1, 1, now, now, None, None)
    run = Run(run_id, session_id, 1, question.id, answer_id, *state)
    entry = to_entry(RunStarted(position=1, run=run, user_message=question, message=answer))

    async def write(tx: Transaction) -> None:
        await store_sessions.add_session(tx, "local", session)
        await store_messages.add_message(tx, question)
        await store_messages.add_message(tx, answer)
        await store_runs.add_run(tx, run, {}, None, "", Lease("bench", now))
        key: Any = getattr(run, "key", run.id)  # an older checkout finds a log by its run's id
        await store_events.add_events(tx, key, [entry])

    await db.transaction(write)
    return RunBuffer(run, [entry], now, asyncio.get_running_loop().time())


async def flush(db: Database, buffers: list[RunBuffer]) -> None:
    """Append a delta to each run, and commit them together."""
    loop_time = asyncio.get_running_loop().time()
    for buffer in buffers:
        buffer.append([TextDelta(index=0, text=TEXT)], loop_time)
    batches = [buffer.take_batch() for buffer in buffers]
    accepted = await db.transaction(lambda tx: write_batches(tx, batches, 30))
    assert len(accepted) == len(buffers), "every run goes on"
    for batch in batches:
        batch.buffer.window.add(batch.entries)


async def measure(url: str, flushes: int) -> float:
    """Return the median CPU of a flush, in ms: of all threads of this process."""
    db = await open_database(Settings.model_construct().model_copy(update={"database_url": url}))
    try:
        buffers = [await open_run(db) for _ in range(RUNS)]
        taken: list[float] = []
        for _ in range(flushes):
            began = time.process_time()
            await flush(db, buffers)
            taken.append((time.process_time() - began) * 1000)
        return statistics.median(taken)
    finally:
        await db.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flushes", type=int, default=300)
    parser.add_argument("--url", default=None, help="an empty PostgreSQL database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-flush-") as folder:
        file = Path(folder) / "flush.db"
        cost = uvloop.run(measure(given.url or f"sqlite:///{file}", given.flushes))
        size = f", {file.stat().st_size / RUNS / given.flushes:.0f} bytes a run and flush" if file.exists() else ""
        print(f"a flush of {RUNS} runs: {cost:.2f} ms of CPU, {cost * 1000 / RUNS:.1f} µs a run{size}")


if __name__ == "__main__":
    main()
