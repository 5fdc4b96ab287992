"""The table `run_events`: the logs of the runs, a row for each entry.

`runs.log` is the number of a run's log. The rows name their log by it, since a number makes the index smaller than
the run's id does: 12 bytes an entry, not 45.
"""

from collections.abc import Iterable

from chatkeep.chat.events import Entry, Event, decode
from chatkeep.db import Transaction

PAGE_ENTRIES = 500
"""The most entries that `list_after` returns."""

_LOG = "(SELECT log FROM runs WHERE id = $1)"


async def add_events(tx: Transaction, run_id: str, entries: Iterable[Entry]) -> None:
    """Add rows: append `entries` to the log of one run."""
    await tx.many(
        f"INSERT INTO run_events (log, position, event) VALUES ({_LOG}, $2, $3)",
        [(run_id, entry.event.position, entry.json.decode()) for entry in entries],
    )


async def add_logs(tx: Transaction, logs: Iterable[tuple[int, Iterable[Entry]]]) -> None:
    """Add rows: append entries to several logs, each named by its number (which `leases.advance` returns)."""
    await tx.many(
        "INSERT INTO run_events (log, position, event) VALUES ($1, $2, $3)",
        [(number, entry.event.position, entry.json.decode()) for number, entries in logs for entry in entries],
    )


async def list_events(tx: Transaction, run_id: str) -> list[Event]:
    """Return the events of a run's whole log, in order; none if the log is no longer kept."""
    rows = await tx.all(f"SELECT event FROM run_events WHERE log = {_LOG} ORDER BY position", run_id)
    return [decode(row[0]) for row in rows]


async def list_after(tx: Transaction, run_id: str, position: int) -> list[Entry]:
    """Return the run's entries that end after `position`, in order: the first `PAGE_ENTRIES` of them.

    The first one may begin before `position`: a delta that spans it is not cut here.
    """
    rows = await tx.all(
        f"SELECT event FROM run_events WHERE log = {_LOG} AND position > $2 ORDER BY position LIMIT $3",
        run_id,
        position,
        PAGE_ENTRIES,
    )
    return [Entry(decode(row[0]), row[0].encode()) for row in rows]


async def delete_events(tx: Transaction, run_id: str) -> None:
    """Delete the rows of a run's whole log."""
    await tx.run(f"DELETE FROM run_events WHERE log = {_LOG}", run_id)
