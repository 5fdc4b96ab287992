"""Durability in a power cut: data is synced before its commit is acknowledged, as system calls show.

A killed process loses nothing that it has written. A machine does, unless it was synced. So strace records in
which order the marker was written to the log file (WAL), the file was synced, and a caller or reader was answered.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import commit_once
from tests.faults.process import PATIENCE, Home, running
from tests.faults.upstream import ECHO, Upstream

pytestmark = pytest.mark.anyio

MARKER = "xMARKERx"
CALLS = "openat,fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
SYNCS = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]*)>(?P<rest>.*)")


def strace(trace: Path) -> list[str]:
    """Return the command that traces another one into `trace`. Without strace the test is skipped, but not in CI."""
    command = ["strace", "-D", "-f", "-y", "-s", "8192", "-e", f"trace={CALLS}", "-o", str(trace)]
    works = shutil.which("strace") and subprocess.run([*command, "true"], capture_output=True, check=False)
    if not works or works.returncode != 0:
        assert os.environ.get("CI") != "true", "strace is missing, or may not trace"
        pytest.skip("strace is missing (the Debian package strace), or may not trace")
    return command


def test_a_transaction_is_synced_before_its_caller_goes_on(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    program = [sys.executable, str(Path(commit_once.__file__)), str(tmp_path / "once.db"), MARKER]
    done = subprocess.run([*strace(trace), *program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "promised\n"
    lines = trace.read_text("utf-8", "replace").splitlines()
    written = first(lines, r"pwrite64\(\d+<[^>]*-wal>.*" + MARKER)
    announced = first(lines, r"write\(1<.*promised")
    assert written < announced
    assert synced(lines[written + 1 : announced], "once.db-wal")
    assert synced(lines[:written], tmp_path.name), "the file's name in its directory is synced too"


async def test_no_reader_sees_unsynced_data(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    async with Upstream(0) as upstream:
        home = Home(
            tmp_path,
            f"sqlite:///{tmp_path}/faults.db",
            {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "x"},
            strace(trace),
        )
        async with running(home) as service:
            session_id = (await service.client.post("/api/sessions")).json()["id"]
            path = f"/api/sessions/{session_id}/messages"
            answer = await service.client.post(path, json={"content": f"{ECHO} {MARKER}"})
            assert MARKER.upper() in answer.text
            service.process.terminate()
            assert service.process.stdout is not None
            assert await service.ended() == 0
            async with asyncio.timeout(PATIENCE):
                await service.process.stdout.read()  # strace, which is not our child, has it open as well
    lines = trace.read_text("utf-8", "replace").splitlines()
    written = first(lines, r"pwrite64\(\d+<[^>]*-wal>.*" + MARKER.upper())
    announced = first(lines, r"(?:write|writev|sendto|sendmsg)\(\d+<(?:socket|TCP).*" + MARKER.upper())
    assert written < announced
    assert synced(lines[written + 1 : announced], "faults.db-wal")


def first(lines: Sequence[str], pattern: str) -> int:
    """Return the number of the first line that matches."""
    return next(number for number, line in enumerate(lines) if re.search(pattern, line))


def synced(lines: Sequence[str], name: str) -> bool:
    """Return True if a sync of the file whose name ends with `name` starts and succeeds within these lines."""
    started: set[str] = set()
    for line in lines:
        process = line.partition(" ")[0]
        if (sync := SYNCS.search(line)) and sync["path"].endswith(name):
            if re.search(r"\) += 0$", sync["rest"]):
                return True
            started.add(process)
        elif process in started and re.search(r"f(data)?sync resumed>\) += 0$", line):
            return True
    return False
