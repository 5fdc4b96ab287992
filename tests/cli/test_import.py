"""`chatkeep import`: an archive into the database, beside a running service."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.archives import samples
from tests.cli.test_main import command
from tests.script import Script
from tests.service import serving, settings

pytestmark = pytest.mark.anyio


def run_import(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return command("import", *arguments, cwd=tmp_path, CHATKEEP_DATABASE_URL=f"sqlite:///{tmp_path}/test.db")


async def test_an_archive_is_imported_beside_a_service(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(samples.zipped("conversations.json", samples.chatgpt()))
    async with serving(settings(tmp_path), Script()) as service:
        for word in ("taken", "there already"):
            done = run_import(tmp_path, "a.zip")
            assert (done.returncode, done.stderr.strip()) == (0, "")
            lines = [line.split() for line in done.stdout.splitlines()]
            assert lines[0] == ["from", "chatgpt"]
            assert [*word.split(), "message", "5"] in lines
            assert ["not", "taken", "message", "2", "tool:", "t1,", "t2"] in lines
        page = (await service.client.get("/api/sessions")).json()
        assert [each["message_count"] for each in page["data"]] == [5]


def test_a_wrong_import_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "a.json").write_text(json.dumps(samples.claude()))
    for arguments, words in [
        (["missing.json"], "cannot read missing.json"),
        (["x.json"], "no archive of a known form"),
        (["a.json", "--user", "nobody"], "there is no user nobody"),
    ]:
        done = run_import(tmp_path, *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_an_archive_that_breaks_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"type":"chatkeep.export","version":1}\n')
    done = run_import(tmp_path, "a.jsonl")
    assert (done.returncode, done.stdout) == (1, "from chatkeep; it breaks off\n")
