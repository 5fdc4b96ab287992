"""The service with a mine in it: the process is killed when it passes a chosen point for the n-th time.

    python tests/faults/armed.py POINT COUNT TRIGGER serve --port 0

A mine is a SIGKILL that waits at one point of the code. The file TRIGGER arms it: passings are counted from then on.

This harness is the one place of the tests that patches the package: it wraps functions of the service, in a process of
its own. A kill has to hit between two statements of a transaction, where no seam belongs in the product. Nothing is
replaced: every wrapped function is called as usual, and SQLite's own layer writes the files. The mine only watches.
"""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import apsw

LOAD_POINTS = (
    "claim stored",  # inside a claim's transaction
    "claim committed",  # stored for good, and not yet answered
    "claim dispatched",  # between the claim and the first event of the turn
    "flush fenced",  # inside a flush: the run's row is written, its events are not
    "events written",  # inside a claim, a flush or a close: its events are
    "flush committed",  # stored for good, and no reader has seen it yet
    "close begun",  # between the last event and the end of the run
    "close ended",  # inside the closing transaction: the row says ended, the log does not
    "close written",  # all of it written, not committed
    "close committed",  # ended for good, and no reader knows it yet
    "file torn",  # a write to a database file that is cut in its middle
    "file unsynced",  # before a file is synced
    "file synced",  # right after
)
START_POINTS = (
    *("close ended", "close written", "close committed"),  # the recovery, in a transaction and between two
    *("file torn", "file unsynced", "file synced"),
    "starting",  # recovered, before the port is open
    "ready",  # right after the line that says so
)


class Mine:
    """Kills the process when `point` is reached for the `count`-th time since the file `trigger` exists."""

    def __init__(self, point: str, count: int, trigger: Path) -> None:
        self._point = point
        self._left = count
        self._trigger = trigger
        self._armed = False

    def is_due(self, point: str) -> bool:
        """Count if this is the point. Return True if it is time to kill."""
        if point != self._point:
            return False
        self._armed = self._armed or self._trigger.exists()
        self._left -= self._armed
        return self._left <= 0

    def reach(self, point: str) -> None:
        """Kill the process, if it is time."""
        if self.is_due(point):
            self.explode()

    def explode(self) -> NoReturn:
        """Kill this process at once, with SIGKILL."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise SystemExit("survived SIGKILL")


class File(apsw.VFSFile):
    """A database file, between SQLite and the disk."""

    def __init__(self, mine: Mine, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._mine = mine

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802  # SQLite's name
        if self._mine.is_due("file torn"):
            super().xWrite(data[: len(data) // 2], offset)
            self._mine.explode()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        self._mine.reach("file unsynced")
        super().xSync(flags)
        self._mine.reach("file synced")


class Files(apsw.VFS):
    """SQLite's own access to its files, watched by the mine."""

    def __init__(self, mine: Mine) -> None:
        super().__init__("armed", "unix", makedefault=True)
        self._mine = mine

    def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: N802  # SQLite's name
        return File(self._mine, name, flags)


class Transactions:
    """Records the writes of the current transaction, to know which kind of commit it ends with."""

    def __init__(self, mine: Mine) -> None:
        self._mine = mine
        self._about: set[str] = set()

    def touches(self, point: str) -> None:
        """Record a write in the current transaction."""
        self._about.add(point.partition(" ")[0])
        self._mine.reach(point)

    def committed(self) -> None:
        """Pass the points after a commit."""
        about, self._about = self._about, set()
        for each in sorted(about):
            self._mine.reach(f"{each} committed")

    def watch(self, connection: apsw.Connection) -> None:
        """Watch every COMMIT of the connection; its end is seen before the caller continues."""

        def ended(statement: dict[str, Any]) -> None:
            if statement["sql"] == "COMMIT":
                self.committed()

        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, ended)


def watch(mine: Mine) -> Files:
    """Wrap the watched functions of the service, so that each call passes the mine."""
    from chatkeep.cli.serve import Server
    from chatkeep.db.postgres import Postgres
    from chatkeep.runs import start as starting
    from chatkeep.store import events, leases, runs, usage

    transactions = Transactions(mine)
    apsw.connection_hooks.append(transactions.watch)
    engine: Any = Postgres
    write = engine._write

    async def written(*args: Any, **named: Any) -> Any:
        result = await write(*args, **named)
        transactions.committed()
        return result

    engine._write = written
    runs.add_run = after(runs.add_run, "claim stored", transactions.touches)
    leases.advance = after(leases.advance, "flush fenced", transactions.touches)
    events.add_events = after(events.add_events, "events written", transactions.touches)
    events.add_logs = after(events.add_logs, "events written", transactions.touches)
    runs.end_run = after(before(runs.end_run, "close begun", mine.reach), "close ended", transactions.touches)
    usage.add_usage = after(usage.add_usage, "close written", transactions.touches)
    Server.startup = after(before(Server.startup, "starting", mine.reach), "ready", mine.reach)
    start = starting.start_execution

    def dispatched(*args: Any) -> None:
        mine.reach("claim dispatched")
        start(*args)

    starting.start_execution = dispatched
    return Files(mine)


def before(function: Callable[..., Awaitable[Any]], point: str, reach: Callable[[str], None]) -> Any:
    """Return `function`, passing `point` before each call."""

    async def passing(*args: Any, **named: Any) -> Any:
        reach(point)
        return await function(*args, **named)

    return passing


def after(function: Callable[..., Awaitable[Any]], point: str, reach: Callable[[str], None]) -> Any:
    """Return `function`, passing `point` after each call."""

    async def passing(*args: Any, **named: Any) -> Any:
        result = await function(*args, **named)
        reach(point)
        return result

    return passing


def main() -> int:
    """Run the service's command with a mine in it."""
    point, count, trigger, *command = sys.argv[1:]
    assert point in LOAD_POINTS + START_POINTS, point
    files = watch(Mine(point, int(count), Path(trigger)))
    from chatkeep.cli.main import main as run

    status = run(command)
    files.unregister()
    return status


if __name__ == "__main__":
    sys.exit(main())
