"""`chatkeep doctor`: looks for what should not be in a database, and mends what can be mended without a doubt.

1. The file itself, and rows that belong to none (SQLite); indexes that are not valid (PostgreSQL).
2. Sessions: counters and head fit the rows, a message comes after its parent, the key is that of the id.
3. Answers: each can be read, and is what its log amounts to, as long as that is kept (`chat/event_log.py`).
4. Runs in progress whose process is gone. A service that runs ends them, or the next start does.
5. Files: each has all its bytes, in the database or the bucket, and the bucket has no others (`cli/file_checks.py`).

It reads page by page, each of them one unchanging state, so it may run beside the service. `--fix` changes two things:
counters and heads, and answers that differ from a whole log, which is what the clients have seen.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from msgspec import MsgspecError

from chatkeep import clock, ids
from chatkeep.chat.event_log import fold, position_length
from chatkeep.chat.events import Event, RunFinished
from chatkeep.chat.types import Message
from chatkeep.cli.file_checks import examine_files
from chatkeep.cli.findings import Finding
from chatkeep.db import Database, Transaction
from chatkeep.db.migrate import list_missing, load_migrations
from chatkeep.db.open import connect
from chatkeep.db.restore import check_file
from chatkeep.errors import CannotStart
from chatkeep.settings import Settings
from chatkeep.store import events as store_events
from chatkeep.store import examination, kept_logs, search_backlog
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs


async def examine(settings: Settings, on_progress: Callable[[int, int], None], *, fix: bool) -> AsyncGenerator[Finding]:
    """Yield what is found, each as soon as it is known. `on_progress` gets the number of sessions done, and of all.

    Raises:
        CannotStart: the database cannot be used, or has another version's schema.
    """
    path = settings.database_path()
    if path is not None:
        found = await asyncio.to_thread(_examine_file, path)
        yield found
        if found.state == "FAILED":
            return
    db = await connect(settings)
    try:
        if await list_missing(db, load_migrations(db.engine)):
            raise CannotStart(f"{db.name} has an older schema: run `chatkeep migrate` first")
        if path is None:
            yield await _examine_indexes(db)
        faults = sessions = 0
        total = await db.snapshot(examination.count_sessions)
        async for page in _list_sessions(db):
            for session in page:
                async for finding in _examine_session(db, session, fix=fix):
                    faults += 1
                    yield finding
            sessions += len(page)
            on_progress(sessions, total)
        if not faults:
            yield Finding("sessions", "ok", f"{sessions} sessions, their answers and logs")
        yield await _examine_leases(db, settings.lease)
        async for finding in examine_files(db, settings):
            yield finding
    finally:
        await db.close()


def _examine_file(path: Path) -> Finding:
    try:
        check_file(path)
    except CannotStart as error:
        return Finding("file", "FAILED", str(error))
    return Finding("file", "ok", f"{path} is whole, and no row belongs to none")


async def _examine_indexes(db: Database) -> Finding:
    if invalid := await db.snapshot(examination.list_invalid_indexes):
        return Finding("indexes", "FAILED", f"not valid, to be made again by REINDEX INDEX: {', '.join(invalid)}")
    return Finding("indexes", "ok", "all are valid")


async def _list_sessions(db: Database) -> AsyncGenerator[Sequence[examination.SessionRows]]:
    after = -1
    while page := await db.snapshot(lambda tx, after=after: examination.list_sessions(tx, after)):
        yield page
        after = page[-1].session_key


async def _examine_session(db: Database, session: examination.SessionRows, *, fix: bool) -> AsyncGenerator[Finding]:
    name = f"session {session.session_id}"
    if session.session_key != ids.session_key(session.session_id):
        yield Finding("sessions", "FAILED", f"{name} has a key that is not its id's: its messages cannot be found")
        return
    if session.unordered:
        yield Finding("sessions", "FAILED", f"{name}: {session.unordered} messages come before their parent")
    is_behind = session.next_message <= session.last_seq or session.next_run <= session.last_run
    if is_behind or (session.last_seq > 0 and session.head_id is None):
        if fix:
            await db.transaction(lambda tx: examination.mend_session(tx, session.session_key))
        text = "its counters are behind its rows" if is_behind else "it has messages and no head"
        yield Finding("sessions", "mended" if fix else "FAILED", f"{name}: {text}")
    for run in await db.snapshot(lambda tx: examination.list_ended_runs(tx, session.session_id)):
        if finding := await _examine_run(db, run, fix=fix):
            yield finding


async def _examine_run(db: Database, run: examination.RunRow, *, fix: bool) -> Finding | None:
    async def read(tx: Transaction) -> tuple[bool, list[Event] | None, Message | None]:
        is_deleted = await store_runs.find_run(tx, run.key) is None  # since the session's runs were listed
        return is_deleted, await _read_log(tx, run), await _read_message(tx, run)

    is_deleted, log, message = await db.snapshot(read)
    if is_deleted:
        return None
    name = f"run {run.run_id}"
    if log is None:
        text = None if message else "its message cannot be read, and its log is not kept"
    elif (fault := _find_fault(log, run.position)) is not None:
        text = f"its log {fault}"
    elif message is not None and message.parts == fold(log).parts:
        text = None if message == fold(log) else "its message's row contradicts its log"
    else:
        if fix:
            await db.transaction(lambda tx: _mend_answer(tx, fold(log)))
        return Finding("answers", "mended" if fix else "FAILED", f"{name}: its message is not what its log amounts to")
    return Finding("answers", "FAILED", f"{name}: {text}") if text else None


async def _mend_answer(tx: Transaction, message: Message) -> None:
    await store_messages.set_parts(tx, message, None)
    await search_backlog.add_session(tx, message.session_id)


async def _read_log(tx: Transaction, run: examination.RunRow) -> list[Event] | None:
    """Return the run's log; empty if it cannot be read, None if it is not kept."""
    if not await kept_logs.has_log(tx, run.key):
        return None
    try:
        return await store_events.list_events(tx, run.key)
    except MsgspecError:
        return []


async def _read_message(tx: Transaction, run: examination.RunRow) -> Message | None:
    """Return the run's message; None if it cannot be read."""
    try:
        return await store_messages.find_in_session(tx, run.key.session_id, run.message_id)
    except MsgspecError:
        return None


def _find_fault(log: Sequence[Event], position: int) -> str | None:
    """Return what is wrong with the log of a run that has ended at `position`; None if it is whole."""
    if not log:
        return "cannot be read"
    if not isinstance(log[-1], RunFinished) or log[-1].position != position:
        return "does not end where the run has ended"
    before = 0
    for event in log:
        if event.position != before + position_length(event):
            return f"has a gap after position {before}"
        before = event.position
    try:
        fold(log)
    except ValueError as error:
        return f"contradicts itself: {error}"
    return None


async def _examine_leases(db: Database, lease_seconds: float) -> Finding:
    async def read(tx: Transaction) -> int:
        return await examination.count_abandoned(tx, clock.add_seconds(await tx.now(), -2 * lease_seconds))

    if abandoned := await db.snapshot(read):
        text = f"{abandoned} in progress whose process is gone: a service that runs ends them, or the next start does"
        return Finding("runs", "warning", text)
    return Finding("runs", "ok", "none is in progress without a process")
