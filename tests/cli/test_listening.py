"""`chatkeep serve --host unix:PATH`."""

import asyncio
import signal
import socket
import stat
from pathlib import Path

import httpx2
import pytest
import uvicorn

from chatkeep.cli.listening import check_address, listening
from chatkeep.errors import CannotStart
from tests.api.streams import PATIENCE
from tests.api.test_process import READY, started

pytestmark = pytest.mark.anyio


def client_of(path: Path) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE)


async def stopped(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


async def test_a_unix_socket_serves(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    process = await started(tmp_path, 0, "--host", f"unix:{path}")
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert (await process.stdout.readline()).decode() == f"{READY}unix:{path}\n"
        assert stat.S_IMODE(path.lstat().st_mode) == 0o660
        async with client_of(path) as client:
            session = (await client.post("/api/sessions")).json()
            answer = await client.post(f"/api/sessions/{session['id']}/messages", json={"content": "count to 3"})
            assert answer.text.count("run.finished") == 1
            assert (await client.get("/api/sessions", headers={"host": "evil.example"})).status_code == 400
        assert await stopped(process) == (0, "")
        assert not path.exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    process = await started(tmp_path, 0, "--host", f"unix:{path}", "--workers", "2")
    try:
        async with asyncio.timeout(PATIENCE), client_of(path) as client:
            while not path.exists() or not await is_alive(client):
                await asyncio.sleep(0.05)
            for _ in range(5):
                assert (await client.post("/api/sessions")).status_code == 201
        returncode, _ = await stopped(process)
        assert returncode == 0
        assert not path.exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def is_alive(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def config(path: Path) -> uvicorn.Config:
    return uvicorn.Config("none:none", f"unix:{path}", log_level="warning")


def test_a_file_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    check_address(f"unix:{path}", 0)
    with listening(config(path)) as bound:
        bound.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        with pytest.raises(CannotStart, match="in use"):
            check_address(f"unix:{path}", 0)
        bound.close()
    assert not path.exists()


def test_the_file_of_a_later_process_stays(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with listening(config(path)) as first:
        first.close()  # it drains, and listens no more
        with listening(config(path)) as second:
            second.listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
            second.close()
    path = tmp_path / "other.sock"
    with listening(config(path)) as first:
        first.close()
        path.unlink()
        with socket.socket(socket.AF_UNIX) as second:
            second.bind(str(path))
    assert path.is_socket()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file", "a file that is no socket is there"),
        ("link", "a file that is no socket is there"),
        ("folder/chat.sock", "there is no such folder"),
        ("x" * 120, "too long"),
    ],
)
def test_no_other_file_is_touched(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CannotStart, match=why), listening(config(tmp_path / name)):
        pass
    assert (tmp_path / "file").read_text() == "kept"
    assert (tmp_path / "link").is_symlink()


async def test_a_unix_socket_in_use_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        process = await started(tmp_path, 0, "--host", f"unix:{path}")
        async with asyncio.timeout(PATIENCE):
            stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert stderr == f"chatkeep: cannot listen on unix:{path}: Address already in use\n".encode()
    assert path.is_socket()
