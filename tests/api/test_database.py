"""A database that refuses work: a clear error, a process that goes on, and service again once the cause is gone."""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a buffer type that Python 3.11 does not have)

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import LiteralString, cast

import apsw
import pytest

from chatkeep.errors import StorageFailed
from tests.api.shapes import problem
from tests.databases import only_sqlite
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


async def limit_pages(service: Service, pages: int) -> None:
    """Stop the database from growing, as a full disk does; or allow it again."""
    statement = f"PRAGMA max_page_count = {pages}"
    while True:
        with suppress(StorageFailed):  # refused with the others of its group
            await service.runtime.db.transaction(lambda tx: tx.run(cast("LiteralString", statement)))
            return


@only_sqlite
async def test_a_full_disk_refuses_messages_until_there_is_space(service: Service, script: Script) -> None:
    session_id = await service.session()
    await limit_pages(service, 1)
    big = "x" * 200_000
    for _ in range(2):
        answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": big})
        problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert (await service.client.get("/healthz")).status_code == 200
    assert (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"] == []
    await limit_pages(service, 1_000_000)
    script.play([say("Space again."), stop()])
    assert (await service.send(session_id, big))["run"]["status"] == "completed"


async def test_the_service_waits_for_another_writer(tmp_path: Path, script: Script) -> None:
    async with serving(settings(tmp_path), script) as service:
        session_id = await service.session()
        other = apsw.Connection(str(tmp_path / "test.db"))
        other.execute("BEGIN IMMEDIATE")
        sending = asyncio.create_task(service.send(session_id, "Hi"))
        for _ in range(20):
            assert (await service.client.get(f"/api/sessions/{session_id}")).status_code == 200  # reading goes on
        assert not sending.done()
        other.execute("ROLLBACK")
        assert (await sending)["run"]["status"] == "completed"
        other.close()


@only_sqlite
async def test_a_lock_held_for_too_long_is_told_and_retryable(service: Service, script: Script) -> None:
    session_id = await service.session()
    path = service.runtime.settings.database_path()
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": "Hi"})
    problem(answer, 503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    other.execute("ROLLBACK")
    other.close()
    assert (await service.send(session_id, "Hi"))["run"]["status"] == "completed"


@only_sqlite
async def test_a_deleted_database_is_not_ready(service: Service) -> None:
    path = service.runtime.settings.database_path()
    assert path is not None
    away = path.rename(path.with_suffix(".away"))
    async with asyncio.timeout(10):
        while (answer := await service.client.post("/api/sessions")).status_code == 201:
            await asyncio.sleep(0.01)
    problem(answer, 503, "database_unavailable")
    ready = await service.client.get("/readyz")
    assert ready.status_code == 503
    assert "deleted or replaced" in ready.json()["checks"]["database"]
    away.rename(path)
    assert (await service.client.post("/api/sessions")).status_code == 201
