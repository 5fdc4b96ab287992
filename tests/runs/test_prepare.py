"""A claim is prepared outside of its transaction, and checked again inside of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from chatkeep import ids
from chatkeep.chat.events import RunStarted
from chatkeep.chat.types import Session
from chatkeep.db import Database, Transaction
from chatkeep.errors import IdempotencyMismatch, SessionBusy, TooManyRuns
from chatkeep.runs.claim import KeyUsed, PreparedTurn, SessionChanged, claim_turn
from chatkeep.runs.prepare import prepare_turn
from chatkeep.runs.request import NewMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run
from chatkeep.runs.startup import open_runtime
from chatkeep.store import prompts as store_prompts
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from tests.script import Script, say, stop
from tests.service import settings
from tests.values import TIME, uid

pytestmark = pytest.mark.anyio

T = TypeVar("T")
OWNER, S = "me", uid("s")
HELLO = NewMessage(content="Hello")


class CountingDatabase:
    """A database that counts its transactions, and calls `before` ahead of each."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.engine, self.name, self.last_failure = db.engine, db.name, db.last_failure
        self.transactions = 0
        self.before: Callable[[], Awaitable[object]] | None = None

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        self.transactions += 1
        before, self.before = self.before, None
        if before is not None:
            await before()
        return await self._db.transaction(fn)

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self._db.snapshot(fn)

    async def close(self) -> None:
        await self._db.close()


@pytest.fixture
async def runtime(database: str, script: Script) -> AsyncGenerator[Runtime]:
    async with open_runtime(settings(database, max_runs=1), script) as runtime:
        session = Session(S, None, "default", None, {}, "idle", None, 0, TIME, TIME, {}, None, False)
        await runtime.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, session))
        yield runtime


async def prepare(runtime: Runtime, request: NewMessage = HELLO, key: str | None = None) -> PreparedTurn:
    turn = await prepare_turn(runtime, OWNER, S, request, key, ids.new())
    assert isinstance(turn, PreparedTurn)
    runtime.slots.release(turn.run_id)
    return turn


async def set_title(db: Database, title: str) -> None:
    await db.transaction(lambda tx: store_sessions.set_better_title(tx, S, title, None))


async def ended(runtime: Runtime, run_id: str) -> None:
    async with asyncio.timeout(10):
        while run_id in runtime.tasks:
            await asyncio.wait([runtime.tasks[run_id]])


async def test_a_turn_of_a_changed_session_is_not_claimed(runtime: Runtime) -> None:
    turn = await prepare(runtime)
    await set_title(runtime.db, "Renamed meanwhile")
    with pytest.raises(SessionChanged):
        await runtime.db.transaction(lambda tx: claim_turn(tx, turn))
    assert await runtime.db.snapshot(lambda tx: store_runs.find_last(tx, S)) is None


async def test_a_session_that_changes_meanwhile_is_prepared_anew(runtime: Runtime, script: Script) -> None:
    script.play([say("Hi"), stop()])
    db = runtime.db
    counting = runtime.db = CountingDatabase(db)
    counting.before = lambda: set_title(db, "Renamed meanwhile")
    run = await start_run(runtime, OWNER, S, HELLO, None)
    record = await db.snapshot(lambda tx: store_runs.get_request(tx, run.key))
    assert counting.transactions >= 2
    assert record["untitled"] is False
    await ended(runtime, run.id)


async def test_a_key_that_is_used_meanwhile_gives_its_run(runtime: Runtime, script: Script) -> None:
    turn = await prepare(runtime, key="k")
    run = await start_run(runtime, OWNER, S, HELLO, "k")
    with pytest.raises(KeyUsed) as used:
        await runtime.db.transaction(lambda tx: claim_turn(tx, turn))
    assert used.value.run.id == run.id
    await ended(runtime, run.id)


async def test_refusals_and_repeats_write_nothing(runtime: Runtime, script: Script) -> None:
    gate = asyncio.Event()
    script.play([gate, stop()])
    run = await start_run(runtime, OWNER, S, HELLO, "k")
    counting = runtime.db = CountingDatabase(runtime.db)
    assert (await start_run(runtime, OWNER, S, HELLO, "k")).id == run.id
    with pytest.raises(IdempotencyMismatch):
        await start_run(runtime, OWNER, S, NewMessage(content="Other"), "k")
    with pytest.raises(SessionBusy):
        await start_run(runtime, OWNER, S, HELLO, None)
    assert counting.transactions == 0
    gate.set()
    await ended(runtime, run.id)


async def test_an_interrupted_run_leaves_its_slot(runtime: Runtime, script: Script) -> None:
    script.play([asyncio.Event()], [say("Hi"), stop()])
    await start_run(runtime, OWNER, S, HELLO, None)
    run = await start_run(runtime, OWNER, S, NewMessage(content="Stop!", on_busy="interrupt"), None)
    await ended(runtime, run.id)
    assert not runtime.slots.has_reserved


async def test_a_refused_turn_gives_its_slot_back(runtime: Runtime, script: Script) -> None:
    other = Session(uid("other"), None, "default", None, {}, "idle", None, 0, TIME, TIME, {}, None, False)
    await runtime.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, other))
    gate = asyncio.Event()
    script.play([gate, stop()])
    run = await start_run(runtime, OWNER, S, HELLO, None)
    with pytest.raises(TooManyRuns):
        await start_run(runtime, OWNER, other.id, HELLO, None)
    assert not runtime.slots.has_reserved
    gate.set()
    await ended(runtime, run.id)


async def test_a_known_prompt_is_not_stored_again(runtime: Runtime, script: Script) -> None:
    run = await start_run(runtime, OWNER, S, HELLO, None)
    await ended(runtime, run.id)
    other = Session(uid("other"), None, "default", None, {}, "idle", None, 0, TIME, TIME, {}, None, False)
    await runtime.db.transaction(lambda tx: store_sessions.add_session(tx, OWNER, other))
    turn: Any = await prepare_turn(runtime, OWNER, other.id, HELLO, None, ids.new())
    assert turn.snapshot is None
    stored = await runtime.db.snapshot(lambda tx: store_prompts.get_prompt(tx, other.id, turn.prompt_hash))
    assert stored == turn.spec.snapshot()


async def test_a_message_claimed_after_another_sees_it(runtime: Runtime, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()])
    late = await prepare(runtime, NewMessage(content="Second"))
    first = await start_run(runtime, OWNER, S, HELLO, None)
    await ended(runtime, first.id)
    claim = await runtime.db.transaction(
        lambda tx: claim_turn(tx, late._replace(session=late.session._replace(title="Hello")))
    )
    assert claim.has_moved
    started = claim.entry.event
    assert isinstance(started, RunStarted)
    assert started.user_message.parent_id == first.message_id


async def test_the_model_is_given_the_whole_branch(runtime: Runtime, script: Script) -> None:
    script.play([say("One."), stop()], [say("Two."), stop()], [say("Three."), stop()])
    for content in ("First", "Second"):
        await ended(runtime, (await start_run(runtime, OWNER, S, NewMessage(content=content), None)).id)
    given = [(message["role"], message["content"]) for message in script.prompts[-1].messages[1:]]
    assert given == [("user", "First"), ("assistant", "One."), ("user", "Second")]


async def test_an_interrupted_answer_is_part_of_the_history(runtime: Runtime, script: Script) -> None:
    script.play([say("Half an answer"), asyncio.Event()], [say("Two."), stop()])
    first = await start_run(runtime, OWNER, S, HELLO, None)
    async with asyncio.timeout(10):
        while (buffer := runtime.journal.find(first.id)) is None or buffer.window.committed < 10:
            await asyncio.sleep(0.001)
    again = NewMessage(content="Wait", on_busy="interrupt")
    await ended(runtime, (await start_run(runtime, OWNER, S, again, None)).id)
    given = [(message["role"], message["content"]) for message in script.prompts[-1].messages[1:]]
    assert given == [("user", "Hello"), ("assistant", "Half an answer"), ("user", "Wait")]
