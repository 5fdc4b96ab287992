"""A process that is killed in the middle of an import leaves nothing half, and the next import goes on."""

import asyncio
from pathlib import Path

import pytest

from tests.archives.test_import import bring, export
from tests.faults.process import PATIENCE, Home, running
from tests.filled_database import add_session
from tests.script import Script
from tests.service import serving, settings
from tests.values import uid

pytestmark = pytest.mark.anyio


async def test_a_killed_import_leaves_nothing_half(tmp_path: Path, database: str) -> None:
    async with serving(settings(f"sqlite:///{tmp_path}/other.db"), Script()) as other:
        for name in ("a", "b"):
            await other.runtime.db.transaction(lambda tx, name=name: add_session(tx, uid(name), 1_500))
        archive = await export(other)
    home = Home(tmp_path, database, {})
    async with running(home) as service:
        reading = asyncio.create_task(service.client.post("/api/import", content=archive))
        async with asyncio.timeout(PATIENCE):
            messages = 0
            while not 3_100 < messages < 5_900:  # of the second session
                assert not reading.done()
                await asyncio.sleep(0.01)
                with home.remains() as query:
                    messages = len(query("SELECT seq FROM messages"))
        service.process.kill()
        await asyncio.gather(reading, return_exceptions=True)
    async with serving(settings(database), Script()) as again:
        page = (await again.client.get("/api/sessions")).json()["data"]
        assert [each["message_count"] for each in page] in ([], [3_000])
        report = await bring(again, archive)
        assert report["not_taken"] == []
        assert report["complete"]
        assert await export(again) == archive
