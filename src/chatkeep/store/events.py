"""The table `run_events`: the logs of the runs, a row for each entry.

The rows name their log by the session's key and the run's number: with numbers, an entry of the index is small.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chatkeep import ids
from chatkeep.chat.events import Entry, Event, decode
from chatkeep.chat.types import RunKey
from chatkeep.db import Transaction
from chatkeep.store.sessions import lock

PAGE_ENTRIES = 500
"""The most entries that `list_after` returns."""


class Log(NamedTuple):
    """Entries that come next in a run's log."""

    run: RunKey
    entries: Sequence[Entry]


async def add_events(tx: Transaction, run: RunKey, entries: Sequence[Entry]) -> None:
    """Add rows: append `entries` to the log of one run."""
    await add_logs(tx, [Log(run, entries)])


async def add_logs(tx: Transaction, logs: Sequence[Log]) -> None:
    """Add rows: append entries to several logs. They are the proof that the transaction has taken place.

    A log grows by one writer at a time, and no two write the same event. So if one of the last events is there, byte
    for byte, this transaction was committed. If none is, it was not; or all these logs are gone since, and a repetition
    finds that.
    """
    rows = [
        (ids.session_key(run.session_id), run.number, entry.event.position, entry.json.decode())
        for run, entries in logs
        for entry in entries
    ]
    await tx.many("INSERT INTO run_events (session_key, run_number, position, event) VALUES ($1, $2, $3, $4)", rows)
    if rows:
        tx.prove(lambda again: _is_one_stored(again, logs))


async def _is_one_stored(tx: Transaction, logs: Sequence[Log]) -> bool:
    for run, entries in logs:
        if entries and await _is_stored(tx, run, entries[-1]):
            return True
    return False


async def _is_stored(tx: Transaction, run: RunKey, entry: Entry) -> bool:
    """Return True if the entry is in the log. Waits for transactions that have locked the session or the run."""
    session_key = ids.session_key(run.session_id)
    await lock(tx, run.session_id)
    await tx.run("UPDATE runs SET attempt = attempt WHERE session_key = $1 AND number = $2", session_key, run.number)
    row = await tx.one(
        """SELECT 1 FROM run_events
            WHERE session_key = $1 AND run_number = $2 AND position = $3 AND CAST(event AS TEXT) = $4""",
        session_key,
        run.number,
        entry.event.position,
        entry.json.decode(),
    )
    return row is not None


async def list_events(tx: Transaction, run: RunKey) -> list[Event]:
    """Return the events of a run's whole log, in order; none if the log is no longer kept."""
    rows = await tx.all(
        "SELECT event FROM run_events WHERE session_key = $1 AND run_number = $2 ORDER BY position",
        ids.session_key(run.session_id),
        run.number,
    )
    return [decode(row[0]) for row in rows]


async def list_after(tx: Transaction, run: RunKey, position: int) -> list[Entry]:
    """Return the run's entries that end after `position`, in order: the first `PAGE_ENTRIES` of them.

    The first one may begin before `position`: a delta that spans it is not cut here.
    """
    rows = await tx.all(
        """SELECT event FROM run_events
            WHERE session_key = $1 AND run_number = $2 AND position > $3 ORDER BY position LIMIT $4""",
        ids.session_key(run.session_id),
        run.number,
        position,
        PAGE_ENTRIES,
    )
    return [Entry(decode(row[0]), row[0].encode()) for row in rows]


async def delete_events(tx: Transaction, runs: Iterable[RunKey]) -> None:
    """Delete the rows of the whole logs of `runs`."""
    keys = [(ids.session_key(run.session_id), run.number) for run in runs]
    await tx.many("DELETE FROM run_events WHERE session_key = $1 AND run_number = $2", keys)
