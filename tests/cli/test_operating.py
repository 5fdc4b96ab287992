"""`chatkeep check`, `backup --keep`, `restore` and `usage`, as an operator runs them."""

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.api.test_process import running
from tests.cli.test_main import command
from tests.provider import Provider, refuses, streams, text_chunks
from tests.service import read_events

pytestmark = pytest.mark.anyio


def findings(text: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in text.splitlines()]


async def use(directory: Path, content: str) -> None:
    """Answer a message in the database of `directory`."""
    async with running(directory, f"sqlite:///{directory}/chatkeep.db") as service:
        session = (await service.client.post("/api/sessions", json={})).json()["id"]
        async with service.client.stream(
            "POST", f"/api/sessions/{session}/messages", json={"content": content}
        ) as answer:
            assert [event["type"] async for event in read_events(answer)][-1] == "run.finished"
        await service.stopped(signal.SIGTERM)


def replaced(directory: Path) -> list[Path]:
    return list(directory.glob("chatkeep.db.replaced-*Z"))


async def chats(directory: Path) -> int:
    async with running(directory, f"sqlite:///{directory}/chatkeep.db") as service:
        return len((await service.client.get("/api/sessions")).json()["data"])


def test_check_of_a_fresh_folder_makes_nothing(tmp_path: Path) -> None:
    done = command("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    expected = [("ok", "settings"), ("ok", "disk"), ("ok", "database"), ("warning", "provider")]
    assert findings(done.stdout) == expected
    assert list(tmp_path.iterdir()) == []


def test_check_reports_a_wrong_setting_and_no_more(tmp_path: Path) -> None:
    done = command("check", cwd=tmp_path, CHATKEEP_LEASE="never")
    assert (done.returncode, findings(done.stdout)) == (1, [("FAILED", "settings")])


async def test_check_asks_the_provider(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("ok")), refuses(401, {"error": {"message": "no \x1b[2J"}})]
    (tmp_path / "key").write_text("sk-x")
    (tmp_path / "key").chmod(0o644)

    def check(*options: str) -> subprocess.CompletedProcess[str]:
        return command("check", *options, cwd=tmp_path, OPENAI_BASE_URL=provider.url, OPENAI_API_KEY_FILE="key")

    well, badly = [await asyncio.to_thread(check) for _ in range(2)]
    assert findings(well.stdout)[-1] == ("ok", "provider")
    assert ("warning", "files") in findings(well.stdout)
    assert (well.returncode, badly.returncode) == (0, 1)
    assert findings(badly.stdout)[-1] == ("FAILED", "provider")
    assert "\x1b" not in badly.stdout
    offline = await asyncio.to_thread(check, "--offline")
    assert "provider" not in offline.stdout


async def test_a_backup_is_restored_and_the_old_one_kept(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "notes.db").write_text("not ours")
    await use(tmp_path, "count to 3")
    for _ in range(3):
        assert command("backup", "backups", "--keep", "2", cwd=tmp_path).returncode == 0
    kept = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert len(kept) == 3
    await use(tmp_path, "count to 3")
    assert await chats(tmp_path) == 2
    done = command("restore", f"backups/{kept[0]}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert await chats(tmp_path) == 1
    (aside,) = replaced(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    aside.rename(tmp_path / "elsewhere" / "chatkeep.db")
    assert await chats(tmp_path / "elsewhere") == 2


async def test_restore_changes_nothing_while_a_service_runs(tmp_path: Path) -> None:
    await use(tmp_path, "count to 3")
    command("backup", "copy.db", cwd=tmp_path)
    async with running(tmp_path, f"sqlite:///{tmp_path}/chatkeep.db"):
        done = await asyncio.to_thread(command, "restore", "copy.db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chatkeep: a service runs on chatkeep.db: stop it first\n"
    assert replaced(tmp_path) == []


@pytest.mark.parametrize("damage", ["nothing", "text", "page"])
async def test_a_damaged_backup_is_refused(tmp_path: Path, damage: str) -> None:
    await use(tmp_path, "count to 3")
    before = (tmp_path / "chatkeep.db").read_bytes()
    if damage == "text":
        (tmp_path / "copy.db").write_text("no database")
    if damage == "page":
        command("backup", "copy.db", cwd=tmp_path)
        content = bytearray((tmp_path / "copy.db").read_bytes())
        content[8192:60_000] = b"\xff" * (60_000 - 8192)
        (tmp_path / "copy.db").write_bytes(content)
    done = command("restore", "copy.db", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("chatkeep: ")
    assert (tmp_path / "chatkeep.db").read_bytes() == before


async def test_usage_sums_tokens_by_day_and_model(tmp_path: Path) -> None:
    await use(tmp_path, "count to 3")
    await use(tmp_path, "fail")
    done = command("usage", "--days", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    head, day, total, *_ = done.stdout.splitlines()
    assert head.split()[:4] == ["day", "model", "runs", "failed"]
    assert re.match(r"\d{4}-\d\d-\d\d practice +2 ", day)
    assert total.split()[:2] == ["sum", "2"]
