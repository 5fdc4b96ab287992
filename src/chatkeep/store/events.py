"""The table `run_events`: the logs."""

from collections.abc import Iterable

from chatkeep.chat.events import Entry, Event, decode
from chatkeep.db import Transaction

PAGE = 500
"""Rows that a reader takes at once."""

_LOG = "(SELECT log FROM runs WHERE id = $1)"


async def add_events(tx: Transaction, run_id: str, entries: Iterable[Entry]) -> None:
    """Append `entries` to the run's log."""
    await tx.many(
        f"INSERT INTO run_events (log, position, event) VALUES ({_LOG}, $2, $3)",
        [(run_id, entry.event.position, entry.json.decode()) for entry in entries],
    )


async def add_logs(tx: Transaction, logs: Iterable[tuple[int, Iterable[Entry]]]) -> None:
    """Append entries to several logs, each by its number (`leases.advance`)."""
    await tx.many(
        "INSERT INTO run_events (log, position, event) VALUES ($1, $2, $3)",
        [(number, entry.event.position, entry.json.decode()) for number, entries in logs for entry in entries],
    )


async def list_events(tx: Transaction, run_id: str) -> list[Event]:
    """The run's whole log."""
    rows = await tx.all(f"SELECT event FROM run_events WHERE log = {_LOG} ORDER BY position", run_id)
    return [decode(row[0]) for row in rows]


async def list_after(tx: Transaction, run_id: str, position: int) -> list[Entry]:
    """The next entries of the run's log that end after `position`, at most a page of them."""
    rows = await tx.all(
        f"SELECT event FROM run_events WHERE log = {_LOG} AND position > $2 ORDER BY position LIMIT $3",
        run_id,
        position,
        PAGE,
    )
    return [Entry(decode(row[0]), row[0].encode()) for row in rows]


async def delete_events(tx: Transaction, run_id: str) -> None:
    """Delete the run's whole log."""
    await tx.run(f"DELETE FROM run_events WHERE log = {_LOG}", run_id)
