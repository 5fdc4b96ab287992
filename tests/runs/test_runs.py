"""Runs without HTTP: execution, recovery, draining, retention, and a database that fails."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace as replace_fields

from chatkeep.chat.event_log import fold
from chatkeep.chat.events import RunFinished, ToolCallFinished
from chatkeep.chat.types import Run, Session, TextPart
from chatkeep.db import Database, Transaction
from chatkeep.db.process_lock import ProcessLock
from chatkeep.errors import CannotStart, EventsExpired, StorageFailed
from chatkeep.ids import session_key
from chatkeep.runs.follow import check_retention, follow
from chatkeep.runs.request import NewMessage
from chatkeep.runs.retention import delete_old_logs
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run
from chatkeep.runs.startup import drain, open_runtime
from chatkeep.settings import Settings
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from tests.databases import not_plain, only_sqlite
from tests.deletions import delete_now
from tests.script import Script, call, say, stop
from tests.service import settings
from tests.values import TIME, uid

pytestmark = pytest.mark.anyio

OWNER = "me"
T = TypeVar("T")
S = uid("s")
SESSION = Session(S, None, "default", None, {}, "idle", None, 0, TIME, TIME, {}, None, False)


@pytest.fixture
async def runtime(database: str, script: Script) -> AsyncGenerator[Runtime]:
    async with open_runtime(settings(database), script) as runtime:
        await runtime.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        yield runtime


async def ask(runtime: Runtime, content: str = "Hi") -> Run:
    return await start_run(runtime, OWNER, S, NewMessage(content=content), None)


async def ended(runtime: Runtime, run: Run) -> Run:
    """Return the run after its turn has ended."""
    if task := runtime.tasks.get(run.id):
        await asyncio.wait([task])
    return await runtime.db.snapshot(lambda tx: store_runs.get_run(tx, OWNER, run.id))


async def check_laws(runtime: Runtime, run: Run) -> RunFinished:
    """Check law 1, and that `run.finished` is the log's only last event and has the run as it is stored."""

    async def read(tx: Transaction) -> None:
        events = await store_events.list_events(tx, run.key)
        message = await store_messages.get_message(tx, OWNER, run.message_id)
        finished = [event for event in events if isinstance(event, RunFinished)]
        assert finished == events[-1:]
        assert fold(events) == message == finished[0].message
        assert finished[0].run == await store_runs.get_run(tx, OWNER, run.id)
        assert finished[0].position == finished[0].run.position
        found.extend(finished)

    found: list[RunFinished] = []
    await runtime.db.snapshot(read)
    return found[0]


async def test_a_run_is_executed_to_its_end(runtime: Runtime, script: Script) -> None:
    script.play([say("Hello."), stop(tokens=(20, 2))])
    run = await ended(runtime, await ask(runtime))
    assert (run.status, run.finish_reason, run.usage.input_tokens, run.usage.estimated) == (
        "completed",
        "stop",
        20,
        False,
    )
    assert run.first_token_at is not None
    assert run.finished_at is not None
    await check_laws(runtime, run)
    assert runtime.tasks == {}


@not_plain
async def test_a_start_interrupts_the_runs_of_a_dead_process(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half an ans"), call("tell_joke", '{"te'), gate])
    async with open_runtime(settings(database), script) as runtime:
        await runtime.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        run = await ask(runtime)
        async with asyncio.timeout(10):
            async for entries in follow(runtime, run, 0):
                if entries and entries[-1].event.position >= 17:
                    break
        # As if the process died here: its tasks stop, nothing of the end is written.
        runtime.tasks[run.id].cancel()
        await asyncio.wait([runtime.tasks[run.id]])
    async with open_runtime(settings(database), Script()) as runtime:
        finished = await check_laws(runtime, run)
        assert finished.run.status == "interrupted"
        assert [part.text for part in finished.message.parts if hasattr(part, "text")] == ["Half an ans"]  # type: ignore[union-attr]  # text parts
        events = await runtime.db.snapshot(lambda tx: store_events.list_events(tx, run.key))
        assert isinstance(events[-2], ToolCallFinished)
        assert events[-2].state == "cancelled"
        again = await ended(runtime, await ask(runtime, "Are you there?"))
        assert again.status == "completed"


@only_sqlite
async def test_one_row_that_is_refused_stops_no_recovery(database: str, script: Script) -> None:
    script.play(*[[say("Half an ans"), asyncio.Event()]] * 3)
    sessions = [replace_fields(SESSION, id=uid(f"s{number}")) for number in range(3)]
    async with open_runtime(settings(database), script) as runtime:
        for session in sessions:
            await runtime.db.transaction(lambda tx, session=session: store_sessions.add_session(tx, OWNER, session))
        runs = [await start_run(runtime, OWNER, each.id, NewMessage(content="Hi"), None) for each in sessions]
        await runtime.db.transaction(
            lambda tx: tx.run(f"""CREATE TRIGGER refuse BEFORE UPDATE OF status ON runs WHEN new.number = 1
                                   AND new.session_key = {session_key(uid("s1"))}
                                 BEGIN SELECT RAISE(ABORT, 'on purpose'); END""")  # type: ignore[arg-type]  # of ours
        )
        for run in runs:
            runtime.tasks[run.id].cancel()  # as if the process died here
        await asyncio.wait(tuple(runtime.tasks.values()))
    async with open_runtime(settings(database), Script()) as runtime:
        statuses = [(await ended(runtime, run)).status for run in runs]
    assert statuses == ["interrupted", "in_progress", "interrupted"]


async def test_a_second_process_interrupts_nothing(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Wait"), gate, stop()])
    async with open_runtime(settings(database), script) as first:
        await first.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        run = await ask(first)
        async with open_runtime(settings(database), Script()) as second:
            seen = await second.db.snapshot(lambda tx: store_runs.get_run(tx, OWNER, run.id))
            assert seen.status == "in_progress"
            following = asyncio.ensure_future(read_all(second, run))
            gate.set()
            assert (await ended(first, run)).status == "completed"
            assert (await following)[-1] == "run.finished"


async def read_all(runtime: Runtime, run: Run) -> list[str]:
    names: list[str] = []
    async for entries in follow(runtime, run, 0):
        names += [entry.event.__struct_config__.tag for entry in entries]  # type: ignore[misc]  # a string for all events
    return names


async def test_draining_interrupts_runs_beyond_the_grace_period(runtime: Runtime, script: Script) -> None:
    script.play([say("Never en"), asyncio.Event()])
    run = await ask(runtime)
    await runtime.journal.flush_session(S)
    await drain(runtime, grace=0)
    finished = await check_laws(runtime, await ended(runtime, run))
    assert finished.run.status == "interrupted"


async def test_draining_waits_for_runs_within_the_grace_period(runtime: Runtime, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Almost "), gate, say("done."), stop()])
    run = await ask(runtime)
    draining = asyncio.ensure_future(drain(runtime, grace=30))
    await asyncio.sleep(0)
    gate.set()
    await draining
    assert (await ended(runtime, run)).status == "completed"


@only_sqlite
async def test_a_full_disk_fails_the_run_once_it_can_be_written(runtime: Runtime, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Some text, then "), gate, say("x" * 400_000), gate, stop()], [say("Space again."), stop()])
    run = await ask(runtime)
    await runtime.journal.flush_session(S)
    pages = await runtime.db.transaction(lambda tx: tx.one("PRAGMA page_count"))
    assert pages is not None
    await runtime.db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 1"))  # SQLite: no fewer than it has
    reading = asyncio.ensure_future(read_all(runtime, run))
    await asyncio.sleep(0)
    gate.set()
    assert (await reading)[-1] != "run.finished"  # its reader's stream ends without an end of the run
    while True:
        with suppress(StorageFailed):  # refused with the others of its group while the run tries to be written
            await runtime.db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 1000000"))
            break
    failed = await ended(runtime, run)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "internal"
    await check_laws(runtime, run)
    assert (await ended(runtime, await ask(runtime))).status == "completed"


async def test_an_internal_error_fails_the_run_and_nothing_else(runtime: Runtime, script: Script) -> None:
    script.play([say("Well, "), ZeroDivisionError("a bug, on purpose")])
    failed = await ended(runtime, await ask(runtime))
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.retryable) == ("failed", "internal", True)
    assert "bug" not in failed.error.message
    assert failed.usage.estimated
    await check_laws(runtime, failed)


class DeletingDatabase:
    """A database on which another process deletes the session right before each read, once `is_deleting` is set."""

    def __init__(self, db: Database) -> None:
        self.is_deleting = False
        self._db = db
        self.engine, self.name, self.last_failure = db.engine, db.name, db.last_failure

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        return await self._db.transaction(fn)

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        if self.is_deleting:
            await self._db.transaction(lambda tx: delete_now(tx, OWNER, S))
        return await self._db.snapshot(fn)

    async def close(self) -> None:
        await self._db.close()


async def test_a_session_deleted_elsewhere_is_no_error(
    runtime: Runtime, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    script.play([call("no_such_function", "{}"), gate, stop("tool_calls")])
    db = DeletingDatabase(runtime.db)
    runtime = replace(runtime, db=db)
    run = await ask(runtime)
    async with asyncio.timeout(10):
        async for entries in follow(runtime, run, 0):
            if entries and entries[-1].event.position >= 2:
                break
    task = runtime.tasks[run.id]
    db.is_deleting = True
    gate.set()
    await asyncio.wait([task])
    assert len(script.prompts) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_expired_logs_are_deleted_and_messages_stay(runtime: Runtime, script: Script) -> None:
    run = await ended(runtime, await ask(runtime))
    assert await delete_old_logs(runtime) == 0
    impatient = replace(runtime, settings=runtime.settings.model_copy(update={"events_retention": 1e-6}))
    assert await delete_old_logs(impatient) == 1
    assert await delete_old_logs(impatient) == 0
    assert await runtime.db.snapshot(lambda tx: store_events.list_events(tx, run.key)) == []
    message = await runtime.db.snapshot(lambda tx: store_messages.get_message(tx, OWNER, run.message_id))
    assert message.parts != ()
    assert [entries async for entries in follow(runtime, run, 1)] == []
    with pytest.raises(EventsExpired):
        await runtime.db.snapshot(lambda tx: check_retention(tx, S, 1, 1))
    await runtime.db.snapshot(lambda tx: check_retention(tx, S, 1, run.position))


@only_sqlite
async def test_the_running_process_holds_the_process_lock(runtime: Runtime) -> None:
    path = runtime.settings.database_path()
    assert path is not None
    lock = ProcessLock(path)
    assert not lock.try_exclusive()
    lock.release()


async def test_the_providers_count_calibrates_the_estimates(runtime: Runtime, script: Script) -> None:
    script.play([say("Hi."), stop(tokens=(100, 2))], [say("Hi "), asyncio.Event()])
    counted = await ended(runtime, await ask(runtime))
    ratio = (await runtime.db.snapshot(lambda tx: store_runs.get_bytes_per_token(tx, S))).get(counted.model)
    assert ratio is not None
    await ask(runtime)
    while len(script.prompts) < 2:
        await asyncio.sleep(0.001)
    await drain(runtime, grace=0)
    last = await runtime.db.snapshot(lambda tx: store_runs.find_last(tx, S))
    assert last is not None
    assert last.usage.estimated
    assert last.usage.input_tokens > 100  # more text than in the first turn, at the same bytes a token


async def test_a_token_count_comes_from_the_last_ten_runs(runtime: Runtime, script: Script) -> None:
    """A provider that never counts would otherwise make every turn read all runs of the session."""
    script.play([say("Hi."), stop(tokens=(100, 2))], *[[say("Hi."), stop()] for _ in range(10)])
    known: list[bool] = []
    for _ in range(11):
        run = await ended(runtime, await ask(runtime))
        ratio = (await runtime.db.snapshot(lambda tx: store_runs.get_bytes_per_token(tx, S))).get(run.model)
        known.append(ratio is not None)
    assert known == [True] * 10 + [False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"assistant": "nobody"}, "CHATKEEP_ASSISTANT"),
        ({"tools": ("no_such_module",)}, "CHATKEEP_TOOLS: no_such_module"),
        ({"assistants_dir": Path("/no/such/folder")}, "CHATKEEP_ASSISTANTS_DIR"),
        ({"database_url": "mysql://localhost/x"}, "CHATKEEP_DATABASE_URL"),
    ],
)
async def test_a_wrong_setting_is_one_clear_line_at_start(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    wrong: Settings = settings(tmp_path, **changes)
    with pytest.raises(CannotStart, match=message):
        async with open_runtime(wrong, Script()):
            pass


async def test_an_end_that_is_refused_becomes_a_failure(runtime: Runtime, script: Script) -> None:
    script.play([say("Fine weather."), stop(tokens=(2**63, 1))], [say("Again."), stop()])  # no column holds it
    run = await ended(runtime, await ask(runtime))
    assert (run.status, run.error and run.error.code, run.usage.input_tokens) == ("failed", "internal", 0)
    assert (await check_laws(runtime, run)).message.parts == (TextPart("Fine weather."),)
    assert (await ended(runtime, await ask(runtime))).status == "completed"
