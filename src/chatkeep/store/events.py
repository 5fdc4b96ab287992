"""The table `run_events`: the logs."""

from collections.abc import Iterable

from chatkeep.db import Connection
from chatkeep.events import Entry, Event, decode

PAGE = 500
"""Rows that a reader takes at once."""


_ADD = "INSERT INTO run_events (run_id, position, event) VALUES ($1, $2, $3)"


async def add_events(tx: Connection, run_id: str, entries: Iterable[Entry]) -> None:
    """Append `entries` to the run's log."""
    await add_logs(tx, [(run_id, entries)])


async def add_logs(tx: Connection, logs: Iterable[tuple[str, Iterable[Entry]]]) -> None:
    """Append entries to the logs of several runs."""
    await tx.many(_ADD, [(run_id, entry.event.position, entry.json.decode()) for run_id, log in logs for entry in log])


async def list_events(tx: Connection, run_id: str) -> list[Event]:
    """The run's whole log."""
    rows = await tx.all("SELECT event FROM run_events WHERE run_id = $1 ORDER BY position", run_id)
    return [decode(row[0]) for row in rows]


async def list_after(tx: Connection, run_id: str, position: int) -> list[Entry]:
    """The next entries of the run's log that end after `position`, at most a page of them."""
    rows = await tx.all(
        "SELECT event FROM run_events WHERE run_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        run_id,
        position,
        PAGE,
    )
    return [Entry(decode(row[0]), row[0].encode()) for row in rows]


async def delete_events(tx: Connection, run_id: str) -> None:
    """Delete the run's whole log."""
    await tx.run("DELETE FROM run_events WHERE run_id = $1", run_id)
