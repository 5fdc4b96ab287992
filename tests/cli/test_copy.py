"""`chatkeep copy`: everything is copied to the other engine, and is the same there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkeep import clock
from chatkeep.chat.limits import Limits
from chatkeep.chat.people import LOCAL_USER
from chatkeep.cli.copy import copy
from chatkeep.errors import CannotStart
from chatkeep.runs import people
from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from chatkeep.store import copying as store_copying
from chatkeep.store import limits as store_limits
from chatkeep.store import sign_ins as store_sign_ins
from tests.databases import new_database, only_sqlite
from tests.postgres import Server
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


ASSISTANTS = ("default", "named", "default")
NAMED = """---
name: named
description: Knows what the session is called.
---
This is "{{ session_title }}".
"""


@pytest.fixture
def source(database: str, tmp_path: Path) -> Settings:
    """Return settings of a service that has the assistant `named`."""
    folder = tmp_path / "assistants"
    folder.mkdir()
    (folder / "named.md").write_text(NAMED)
    return settings(database, assistants_dir=folder)


@pytest.fixture
def target(database: str, tmp_path: Path, postgres: Server) -> Iterator[Settings]:
    """An empty database of the other engine."""
    if database.startswith("postgres"):
        yield settings(f"sqlite:///{tmp_path}/other.db")
    else:
        with new_database(postgres, empty=True) as url:
            yield settings(url)


async def fill(service: Service, script: Script) -> list[str]:
    """Create sessions of every kind: branches, calls, failures, a waiting run, and a title that the prompt contains."""
    title, metadata = "naïve 鸡 🐔", {"b": "1", "a": "2"}
    session_ids = [await service.session(title=title, metadata=metadata, assistant=name) for name in ASSISTANTS]
    script.play([say("One."), stop(tokens=(7, 3))], [call("tell_joke", '{"text": "Ha"}'), stop("tool_calls")])
    await service.runtime.db.transaction(lambda tx: store_limits.set_own(tx, LOCAL_USER, Limits(open_runs=9)))
    first = await service.send(session_ids[0], "Hi", parent_id=None)
    await service.send(session_ids[0], "Again", parent_id=None)
    token, _ = await people.create_token(service.runtime.db, LOCAL_USER, "script", "chat", 7, actor=LOCAL_USER)
    assert await people.revoke_token(service.runtime.db, LOCAL_USER, token.id, actor=LOCAL_USER)
    await service.runtime.db.transaction(lambda tx: store_sign_ins.add_sign_in(tx, "0" * 64, LOCAL_USER, clock.now()))
    brought = await service.client.post("/api/files", content=bytes(range(256)) * 3_000)
    assert brought.status_code == 201
    notes = await service.client.post("/api/files", content=b"some notes")
    script.play([say("I see."), stop()])
    await service.send(session_ids[0], [{"type": "file", "file_id": notes.json()["id"]}])
    script.play([say("Half"), ValueError("on purpose")])
    await service.send(session_ids[1], "Fail")
    script.play([call("pick", "{}"), stop("tool_calls")])
    tool = {"name": "pick", "description": "Picks.", "parameters": {"type": "object"}}
    waiting = await service.send(session_ids[2], "Pick one", tools=[tool])
    assert (first["run"]["status"], waiting["run"]["status"]) == ("completed", "requires_action")
    return session_ids


async def read_everything(service: Service, session_ids: list[str]) -> list[Any]:
    """Return all that the service shows of its sessions, with every log."""
    answers: list[Any] = [(await service.client.get("/api/sessions")).json()]
    for session_id in session_ids:
        page = (await service.client.get(f"/api/sessions/{session_id}/messages?branches=all")).json()
        answers.append(page)
        answers += [await service.events(each["run_id"]) for each in page["data"] if each["run_id"]]
    return answers


@pytest.mark.parametrize("page_size", [1, 2, store_copying.PAGE_SIZE])
async def test_everything_is_the_same_on_the_other_engine(
    source: Settings, target: Settings, script: Script, page_size: int
) -> None:
    """This holds too when a page ends in the middle of a log."""
    async with serving(source, script) as service:
        session_ids = await fill(service, script)
        before = await read_everything(service, session_ids)
    copied = await copy(source, target, resume=False, page_size=page_size)
    assert copied["sessions"].rows == copied["heads of sessions"].rows == 3
    assert all(each.rows for name, each in copied.items() if name not in ("facts", "former ids"))
    async with serving(target, script) as service:
        assert await read_everything(service, session_ids) == before
        assert (await service.send(session_ids[0], "Go on"))["run"]["status"] == "completed"


async def test_an_interrupted_copy_resumes(source: Settings, target: Settings, script: Script) -> None:
    async with serving(source, script) as service:
        await fill(service, script)
    here, there = await open_database(source), await open_database(target)
    sessions = store_copying.TABLES[0]
    rows = await here.snapshot(lambda tx: store_copying.list_page(tx, sessions, sessions.first_key, 500))
    await there.transaction(lambda tx: store_copying.add_page(tx, sessions, rows[:1]))
    await asyncio.gather(here.close(), there.close())
    with pytest.raises(CannotStart, match="--resume"):
        await copy(source, target, resume=False)
    copied = await copy(source, target, resume=True)
    assert copied == await copy(source, target, resume=True)


async def test_a_difference_is_found(source: Settings, target: Settings, script: Script) -> None:
    async with serving(source, script) as service:
        session_ids = await fill(service, script)
    await copy(source, target, resume=False)
    there = await open_database(target)
    await there.transaction(lambda tx: tx.run("UPDATE sessions SET title = 'x' WHERE id = $1", session_ids[0]))
    await there.close()
    with pytest.raises(CannotStart, match="sessions differ after the copy"):
        await copy(source, target, resume=True)


async def test_the_database_of_a_running_service_is_not_copied(database: str, target: Settings, script: Script) -> None:
    script.play([say("Going on"), asyncio.Event()])
    async with serving(settings(database), script) as service:
        await service.start(await service.session(), "Hi")
        with pytest.raises(CannotStart, match=r"in progress|a service runs on"):
            await copy(settings(database), target, resume=False)


@only_sqlite
async def test_a_file_that_is_open_or_missing_is_not_copied(database: str, tmp_path: Path, script: Script) -> None:
    target = settings(f"sqlite:///{tmp_path}/new.db")
    async with serving(settings(database), script):
        with pytest.raises(CannotStart, match="a service runs on"):
            await copy(settings(database), target, resume=False)
    with pytest.raises(CannotStart, match="there is no database"):
        await copy(settings(f"sqlite:///{tmp_path}/typo.db"), target, resume=False)
    assert {file.name for file in tmp_path.iterdir() if file.suffix == ".db"} == {"test.db"}  # noqa: ASYNC240  # nothing else runs here
