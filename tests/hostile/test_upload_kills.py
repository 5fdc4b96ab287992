"""Processes that are killed in the middle of uploads: nothing is half there, and nothing stays.

UPLOAD_KILLS: how many there are for each engine and place of bytes.
"""

import asyncio
import hashlib
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatkeep.db import Transaction
from chatkeep.runs.file_sweeping import sweep_files
from tests.api.test_files import FILES, count_rows
from tests.s3 import environment
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("UPLOAD_KILLS", "2"))
SEED = 7


async def start(database: str, folder: Path, place: dict[str, Any]) -> tuple[Process, str]:
    """Start a service as a process of its own; return it and its URL."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
    url = place.get("files_url")
    bucket = environment(f"{url}?endpoint={url.endpoint}") if url else {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep", "serve", "--port", "0"),
        cwd=folder,
        env={**inherited, **bucket, "CHATKEEP_DATABASE_URL": database},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().split()[-1].rstrip("/")


async def upload_until_killed(url: str, acknowledged: dict[str, bytes], chance: random.Random) -> None:
    """Upload files of up to 3 MB, one after the other; add those that were acknowledged."""
    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        while True:
            content = chance.randbytes(chance.randrange(1, 3_000_000))
            try:
                answer = await client.post("/api/files", content=content)
            except httpx2.TransportError:
                return
            assert answer.status_code == 201, answer.text
            acknowledged[answer.json()["id"]] = hashlib.sha256(content).digest()


async def list_complete(service: Service) -> list[tuple[str, str, int]]:
    """Return id, hash and size of every file that reads find."""

    async def read(tx: Transaction) -> list[Any]:
        return await tx.all("SELECT id, sha256, bytes FROM files WHERE media_type IS NOT NULL")

    return await service.runtime.db.snapshot(read)


async def test_a_killed_process_leaves_no_half_a_file(
    database: str, tmp_path: Path, each_place: dict[str, Any]
) -> None:
    chance = random.Random(SEED)
    acknowledged: dict[str, bytes] = {}
    for _ in range(KILLS):
        process, url = await start(database, tmp_path, each_place)
        before = len(acknowledged)
        uploads = [asyncio.create_task(upload_until_killed(url, acknowledged, chance)) for _ in range(3)]
        while len(acknowledged) < before + 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.random() / 4)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*uploads)
    async with serving(settings(database, **each_place), Script()) as service:
        complete = await list_complete(service)
        assert acknowledged.keys() <= {file_id for file_id, _, _ in complete}
        for file_id, sha256, size in complete:
            content = (await service.client.get(f"/api/files/{file_id}/content")).content
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, size)
    async with serving(settings(database, files_grace=0.01, **each_place), Script()) as service:
        async with asyncio.timeout(60):
            while await count_rows(service) != dict.fromkeys(FILES, 0):
                await sweep_files(service.runtime)
                await asyncio.sleep(0.02)
