"""`chatkeep health`, and the messages to systemd."""

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from tests.api.streams import PATIENCE
from tests.api.test_process import running, started
from tests.cli.test_main import command

pytestmark = pytest.mark.anyio


async def test_health_of_a_service_that_is_ready(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/t.db") as service:
        address = str(service.client.base_url)
        done = await asyncio.to_thread(command, "health", address, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[:2] == ["database    ok", "draining    no"]
        (tmp_path / "t.db").rename(tmp_path / "moved.db")
        async with asyncio.timeout(PATIENCE):
            while (await asyncio.to_thread(command, "health", address, cwd=tmp_path)).returncode == 0:
                pass
    gone = await asyncio.to_thread(command, "health", address, cwd=tmp_path)
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"chatkeep: {address} does not answer: ")


async def test_health_through_a_unix_socket(tmp_path: Path) -> None:
    process = await started(tmp_path, 0, "--host", f"unix:{tmp_path}/s")
    assert process.stdout is not None
    await process.stdout.readline()
    done = await asyncio.to_thread(command, "health", f"unix:{tmp_path}/s", cwd=tmp_path)
    process.terminate()
    await process.communicate()
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("address", ["localhost", "ftp://localhost", "http://", "unix:/nothing"])
def test_health_of_no_address_is_a_line(tmp_path: Path, address: str) -> None:
    done = command("health", address, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"chatkeep: {address}")


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=str)
async def test_systemd_hears_of_the_start_the_life_and_the_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        process = await started(tmp_path, 0, *options, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        heard = [(await asyncio.to_thread(systemd.recv, 100)).decode() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        _, stderr = await process.communicate()
        systemd.setblocking(False)
        while True:
            try:
                heard.append(systemd.recv(100).decode())
            except BlockingIOError:
                break
    assert process.returncode == 0, stderr
    assert heard[:3] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert ("STOPPING=1" in heard) is not bool(options)
