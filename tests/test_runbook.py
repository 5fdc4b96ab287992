"""Every command of docs/runbook.md is run, beside the real service, and does what the page says."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.api.test_process import running
from tests.cli.test_main import environment
from tests.pages import ROOT, blocks
from tests.service import read_events

pytestmark = pytest.mark.anyio

RUNBOOK = (ROOT / "docs/runbook.md").read_text("utf-8")
BESIDE = [block for block in blocks(RUNBOOK, "sh") if "restore" not in block and "systemctl" not in block]
RESTORING = [block for block in blocks(RUNBOOK, "sh") if block not in BESIDE]


async def shell(block: str, folder: Path, url: str, **more: str) -> str:
    """Run a block of the page in `folder`, and return what it has printed."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "systemctl").write_text("#!/bin/sh\nexit 0\n")
    (folder / "bin" / "systemctl").chmod(0o755)
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    address = url.removeprefix("http://").rstrip("/")
    text = block.replace("http://localhost:8000", f"http://{address}").replace("localhost:8000", address)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", text),
        cwd=folder,
        env=environment(PATH=path, **more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, (block, errors.decode())
    return output.decode()


async def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    (tmp_path / "chatkeep.db.before-0002").write_text("old")
    async with running(tmp_path, f"sqlite:///{tmp_path}/chatkeep.db") as service:
        url = str(service.client.base_url)
        session = (await service.client.post("/api/sessions", json={})).json()["id"]
        body = {"content": "why did the chicken cross the road?"}
        async with service.client.stream("POST", f"/api/sessions/{session}/messages", json=body) as answer:
            assert [event["type"] async for event in read_events(answer)][-1] == "run.finished"
        printed = {block: await shell(block, tmp_path, url, SESSION=session) for block in BESIDE[-1:] + BESIDE[:-1]}
        assert (await service.client.get("/api/sessions")).json()["data"] == []
        await service.stopped(signal.SIGTERM)
    found = next(text for block, text in printed.items() if "search" in block)
    assert session in found
    assert not (tmp_path / "chatkeep.db.before-0002").exists()
    assert (tmp_path / "openai-api-key").read_text() == "sk-the-new-one\n"
    for block in RESTORING:
        await shell(block, tmp_path, url)
    async with running(tmp_path, f"sqlite:///{tmp_path}/chatkeep.db") as service:
        (restored,) = (await service.client.get("/api/sessions")).json()["data"]
    assert restored["id"] == session


def test_the_page_has_a_way_out_of_each_alert() -> None:
    alerts = (ROOT / "deploy/alerts.yml").read_text("utf-8")
    named = [line.split(": ")[1] for line in alerts.splitlines() if "- alert: " in line]
    assert [name for name in named if f"`{name}`" not in RUNBOOK] == []
