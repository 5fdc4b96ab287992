"""`chatkeep doctor`: what it finds in a damaged database, what it mends, and what it leaves alone."""

import asyncio
from pathlib import Path
from typing import LiteralString

import pytest

from chatkeep.cli.doctor import examine
from chatkeep.db import Transaction, can_be_repeated
from chatkeep.runs.loading import open_database
from chatkeep.settings import Settings
from tests.cli.test_main import command
from tests.databases import only_sqlite
from tests.script import Script, call, say, stop
from tests.service import serving, settings

pytestmark = pytest.mark.anyio

COUNTERS = "UPDATE sessions SET next_message = 1, next_run = 1"
HEAD = "UPDATE sessions SET head_id = NULL"
ANSWER = """UPDATE messages SET parts = '[{"type":"text","text":"Never said."}]' WHERE role = 'assistant'"""
UNREADABLE = """UPDATE messages SET parts = '{"no":"list"}' WHERE role = 'assistant'"""
GAP = "DELETE FROM run_events WHERE position > 1 AND position < 7"
END = "DELETE FROM run_events WHERE position > 4"
NONSENSE = "UPDATE run_events SET event = '{}'"
GONE = """UPDATE runs SET status = 'in_progress', finished_at = NULL, worker = 'w', lease_until = '2020-01-01T00:00:00Z'
           WHERE number = 1"""
ORDER = "UPDATE messages SET seq = 0 WHERE seq = 4"


@pytest.fixture
async def damaged(database: str, script: Script) -> Settings:
    """A database with a session of two turns, which is whole."""
    used = settings(database)
    joke = call("tell_joke", '{"text": "Ha"}')
    script.play([say("A"), joke, stop("tool_calls")], [say("Abc"), say("def"), stop()])
    async with serving(used, script) as service:
        session = await service.session()
        await service.send(session, "hello")
        await service.send(session, "and again")
    return used


async def damage(used: Settings, sql: LiteralString) -> None:
    db = await open_database(used)

    async def change(tx: Transaction) -> None:
        tx.prove(can_be_repeated)
        await tx.run(sql)

    try:
        await db.transaction(change)
    finally:
        await db.close()


def check_progress(done: int, total: int) -> None:
    assert 0 < done <= total


async def look(used: Settings, *, fix: bool = False) -> list[tuple[str, str]]:
    """Return the name and state of each finding that is not ok."""
    findings = [each async for each in examine(used, check_progress, fix=fix)]
    return [(each.name, each.state) for each in findings if each.state != "ok"]


async def test_a_whole_database_has_no_findings(damaged: Settings) -> None:
    assert await look(damaged, fix=True) == []


@pytest.mark.parametrize("sql", [COUNTERS, HEAD, ANSWER, UNREADABLE], ids=["counters", "head", "answer", "unreadable"])
async def test_what_follows_from_other_rows_is_mended(damaged: Settings, script: Script, sql: LiteralString) -> None:
    async with serving(damaged, script) as service:
        (session,) = (await service.client.get("/api/sessions")).json()["data"]
        before = (await service.client.get(f"/api/sessions/{session['id']}/messages")).json()
    await damage(damaged, sql)
    (state,) = {state for _, state in await look(damaged)}
    assert state == "FAILED"
    (state,) = {state for _, state in await look(damaged, fix=True)}
    assert state == "mended"
    assert await look(damaged) == []
    script.play([say("Still here."), stop()])
    async with serving(damaged, script) as service:
        after = (await service.client.get(f"/api/sessions/{session['id']}/messages")).json()
        assert after == before
        assert (await service.send(session["id"], "go on"))["run"]["status"] == "completed"


@pytest.mark.parametrize("sql", [GAP, END, NONSENSE, ORDER], ids=["gap", "end", "nonsense", "order"])
async def test_what_does_not_follow_is_left_alone(damaged: Settings, sql: LiteralString) -> None:
    await damage(damaged, sql)
    found = await look(damaged, fix=True)
    assert {state for _, state in found} == {"FAILED"}
    assert await look(damaged, fix=True) == found


async def test_a_run_without_a_process_is_reported(damaged: Settings) -> None:
    await damage(damaged, GONE)
    assert await look(damaged, fix=True) == [("runs", "warning")]


@only_sqlite
async def test_a_damaged_file_is_not_opened(damaged: Settings, tmp_path: Path) -> None:
    (tmp_path / "test.db").write_text("no database, and long enough to be looked at" * 100)
    assert await look(damaged) == [("file", "FAILED")]


async def test_the_command_says_what_it_found(damaged: Settings, database: str, tmp_path: Path) -> None:
    def doctor(*options: str) -> tuple[int, str]:
        done = command("doctor", *options, cwd=tmp_path, CHATKEEP_DATABASE_URL=database)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    assert (await asyncio.to_thread(doctor))[0] == 0
    await damage(damaged, HEAD)
    status, text = await asyncio.to_thread(doctor)
    assert status == 1
    assert "it has messages and no head" in text
    assert (await asyncio.to_thread(doctor, "--fix"))[0] == 0
    assert (await asyncio.to_thread(doctor))[0] == 0
