"""Runs from within: recovered, closed, swept, and carried through a database that fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatkeep.chat.event_log import fold
from chatkeep.chat.events import RunFinished, ToolCallFinished
from chatkeep.chat.types import Run, Session
from chatkeep.db import Connection
from chatkeep.db.process_lock import LiveLock
from chatkeep.errors import CannotStart, EventsExpired, StorageFailed
from chatkeep.runs import claim
from chatkeep.runs.follow import check_kept, follow
from chatkeep.runs.retention import sweep
from chatkeep.runs.runtime import Worker
from chatkeep.runs.startup import drain, working
from chatkeep.settings import Settings
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from tests.databases import only_sqlite
from tests.script import Script, call, say, stop
from tests.service import settings
from tests.values import TIME, uid

pytestmark = pytest.mark.anyio

OWNER = "me"
S = uid("s")
SESSION = Session(S, None, "default", None, {}, "idle", None, 0, TIME, TIME)


@pytest.fixture
async def worker(database: str, script: Script) -> AsyncGenerator[Worker]:
    async with working(settings(database), script) as worker:
        await worker.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        yield worker


async def ask(worker: Worker, content: str = "Hi") -> Run:
    user = claim.NewMessage(content, claim.AtHead())
    return await claim.claim(worker, OWNER, claim.Wanted(S, user, None, "reject", None, {}))


async def ended(worker: Worker, run: Run) -> Run:
    """The run, after its turn has come to its end."""
    if task := worker.tasks.get(run.id):
        await asyncio.wait([task])
    return await worker.db.snapshot(lambda tx: store_runs.get_run(tx, OWNER, run.id))


async def check_laws(worker: Worker, run: Run) -> RunFinished:
    """Law 1, and: `run.finished` is the log's last event, exactly once, and tells of the run as it is stored."""

    async def read(tx: Connection) -> None:
        events = await store_events.list_events(tx, run.id)
        message = await store_messages.get_message(tx, OWNER, run.message_id)
        finished = [event for event in events if isinstance(event, RunFinished)]
        assert finished == events[-1:]
        assert fold(events) == message == finished[0].message
        assert finished[0].run == await store_runs.get_run(tx, OWNER, run.id)
        assert finished[0].position == finished[0].run.position
        found.extend(finished)

    found: list[RunFinished] = []
    await worker.db.snapshot(read)
    return found[0]


async def test_a_run_is_carried_to_its_end(worker: Worker, script: Script) -> None:
    script.play([say("Hello."), stop(tokens=(20, 2))])
    run = await ended(worker, await ask(worker))
    assert (run.status, run.finish_reason, run.usage.input_tokens, run.usage.estimated) == (
        "completed",
        "stop",
        20,
        False,
    )
    assert run.first_token_at is not None
    assert run.finished_at is not None
    await check_laws(worker, run)
    assert worker.tasks == {}


async def test_what_a_dead_process_left_open_is_interrupted_at_the_next_start(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half an ans"), call("tell_joke", '{"te'), gate])
    async with working(settings(database), script) as worker:
        await worker.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        run = await ask(worker)
        async with asyncio.timeout(10):
            async for entries in follow(worker, run.id, 0):
                if entries and entries[-1].event.position >= 17:
                    break
        # As if the process died here: its tasks stop, nothing of the end is written.
        worker.tasks[run.id].cancel()
        await asyncio.wait([worker.tasks[run.id]])
    async with working(settings(database), Script()) as worker:
        finished = await check_laws(worker, run)
        assert finished.run.status == "interrupted"
        assert [part.text for part in finished.message.parts if hasattr(part, "text")] == ["Half an ans"]  # type: ignore[union-attr]  # text parts
        events = await worker.db.snapshot(lambda tx: store_events.list_events(tx, run.id))
        assert isinstance(events[-2], ToolCallFinished)
        assert events[-2].state == "cancelled"
        again = await ended(worker, await ask(worker, "Are you there?"))
        assert again.status == "completed"


async def test_a_second_process_interrupts_nothing(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Wait"), gate, stop()])
    async with working(settings(database), script) as first:
        await first.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, SESSION))
        run = await ask(first)
        async with working(settings(database), Script()) as second:
            seen = await second.db.snapshot(lambda tx: store_runs.get_run(tx, OWNER, run.id))
            assert seen.status == "in_progress"
            following = asyncio.ensure_future(read_all(second, run))
            gate.set()
            assert (await ended(first, run)).status == "completed"
            assert (await following)[-1] == "run.finished"


async def read_all(worker: Worker, run: Run) -> list[str]:
    names: list[str] = []
    async for entries in follow(worker, run.id, 0):
        names += [entry.event.__struct_config__.tag for entry in entries]  # type: ignore[misc]  # a string for all events
    return names


async def test_draining_interrupts_what_does_not_finish_within_the_grace(worker: Worker, script: Script) -> None:
    script.play([say("Never en"), asyncio.Event()])
    run = await ask(worker)
    await worker.journal.settle(S)
    await drain(worker, grace=0)
    finished = await check_laws(worker, await ended(worker, run))
    assert finished.run.status == "interrupted"


async def test_draining_lets_what_finishes_within_the_grace_finish(worker: Worker, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Almost "), gate, say("done."), stop()])
    run = await ask(worker)
    draining = asyncio.ensure_future(drain(worker, grace=30))
    await asyncio.sleep(0)
    gate.set()
    await draining
    assert (await ended(worker, run)).status == "completed"


@only_sqlite
async def test_a_disk_that_is_full_fails_the_run_as_soon_as_that_can_be_written(worker: Worker, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Some text, then "), gate, say("x" * 400_000), gate, stop()], [say("Space again."), stop()])
    run = await ask(worker)
    await worker.journal.settle(S)
    pages = await worker.db.transaction(lambda tx: tx.one("PRAGMA page_count"))
    assert pages is not None
    await worker.db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 1"))  # SQLite: no fewer than it has
    reading = asyncio.ensure_future(read_all(worker, run))
    await asyncio.sleep(0)
    gate.set()
    assert (await reading)[-1] != "run.finished"  # its reader is let go without an end
    while True:
        with suppress(StorageFailed):  # refused with the others of its group while the run tries to be written
            await worker.db.transaction(lambda tx: tx.run("PRAGMA max_page_count = 1000000"))
            break
    failed = await ended(worker, run)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "internal"
    await check_laws(worker, run)
    assert (await ended(worker, await ask(worker))).status == "completed"


async def test_a_fault_of_ours_fails_the_run_and_nothing_else(worker: Worker, script: Script) -> None:
    script.play([say("Well, "), ZeroDivisionError("a bug, on purpose")])
    failed = await ended(worker, await ask(worker))
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.retryable) == ("failed", "internal", True)
    assert "bug" not in failed.error.message
    assert failed.usage.estimated
    await check_laws(worker, failed)


async def test_a_session_that_another_process_deletes_between_two_steps_is_no_fault(
    worker: Worker, script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    script.play([call("no_such_function", "{}"), gate, stop("tool_calls")])
    run = await ask(worker)
    async with asyncio.timeout(10):
        async for entries in follow(worker, run.id, 0):
            if entries and entries[-1].event.position >= 2:
                break
    look = worker.db.snapshot

    async def look_too_late(fn: Any) -> Any:
        await worker.db.transaction(lambda tx: store_sessions.delete_session(tx, OWNER, S))
        return await look(fn)

    task = worker.tasks[run.id]
    monkeypatch.setattr(worker.db, "snapshot", look_too_late)
    gate.set()
    await asyncio.wait([task])
    monkeypatch.undo()
    assert len(script.prompts) == 1
    assert caplog.records == []


async def test_old_logs_are_swept_and_messages_stay(worker: Worker, script: Script) -> None:
    run = await ended(worker, await ask(worker))
    assert await sweep(worker) == 0
    impatient = replace(worker, settings=worker.settings.model_copy(update={"events_retention": 1e-6}))
    assert await sweep(impatient) == 1
    assert await sweep(impatient) == 0
    assert await worker.db.snapshot(lambda tx: store_events.list_events(tx, run.id)) == []
    message = await worker.db.snapshot(lambda tx: store_messages.get_message(tx, OWNER, run.message_id))
    assert message.parts != ()
    assert [entries async for entries in follow(worker, run.id, 1)] == []
    with pytest.raises(EventsExpired):
        await worker.db.snapshot(lambda tx: check_kept(tx, S, 1, 1))
    await worker.db.snapshot(lambda tx: check_kept(tx, S, 1, run.position))


@only_sqlite
async def test_the_running_process_holds_the_live_lock(worker: Worker) -> None:
    path = worker.settings.database_path()
    assert path is not None
    lock = LiveLock(path)
    assert not lock.alone()
    lock.release()


async def test_the_providers_count_calibrates_the_estimates(worker: Worker, script: Script) -> None:
    script.play([say("Hi."), stop(tokens=(100, 2))], [say("Hi "), asyncio.Event()])
    counted = await ended(worker, await ask(worker))
    ratio = await worker.db.snapshot(lambda tx: store_runs.bytes_per_token(tx, S, counted.model))
    assert ratio is not None
    await ask(worker)
    while len(script.prompts) < 2:
        await asyncio.sleep(0.001)
    await drain(worker, grace=0)
    last = await worker.db.snapshot(lambda tx: store_runs.find_last(tx, S))
    assert last is not None
    assert last.usage.estimated
    assert last.usage.input_tokens > 100  # more was said than in the first turn, at the same bytes a token


async def test_a_count_is_looked_for_in_the_last_ten_runs(worker: Worker, script: Script) -> None:
    """However long the session is: of a provider that never counts, every run would be looked at for each turn."""
    script.play([say("Hi."), stop(tokens=(100, 2))], *[[say("Hi."), stop()] for _ in range(10)])
    known: list[bool] = []
    for _ in range(11):
        run = await ended(worker, await ask(worker))
        ratio = await worker.db.snapshot(lambda tx, model=run.model: store_runs.bytes_per_token(tx, S, model))
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
async def test_a_wrong_setting_is_one_clear_sentence_at_start(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    wrong: Settings = settings(tmp_path, **changes)
    with pytest.raises(CannotStart, match=message):
        async with working(wrong, Script()):
            pass
