"""Behind a proxy that pools transactions, processes share connections. So readers poll, without LISTEN."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.api.streams import split_units, streaming, until
from tests.databases import new_database
from tests.postgres import WAIT, Server, free_port, unprivileged
from tests.runs.test_processes import Two
from tests.script import Script, say, stop
from tests.service import serving, settings

pytestmark = pytest.mark.anyio

CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
"""


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture
def proxied(postgres: Server) -> Iterator[str]:
    """The URL of a database through pgbouncer."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        assert os.environ.get("CI") != "true", "pgbouncer is missing"
        pytest.skip("pgbouncer is missing (the Debian package pgbouncer)")
    with new_database(postgres) as url:
        port = free_port()
        config = postgres.home / f"pgbouncer-{port}.ini"
        name = url.rpartition("/")[2]
        config.write_text(CONFIG.format(server=postgres.port, port=port).replace("* = ", f"{name} = user=postgres "))
        config.chmod(0o644)
        proxy = subprocess.Popen[bytes]([program, "-q", str(config)], cwd="/", **unprivileged())
        try:
            until = time.monotonic() + WAIT
            while not listens(port):
                assert time.monotonic() < until, "pgbouncer is not ready"
                time.sleep(0.02)
            yield f"postgresql://postgres@127.0.0.1:{port}/{name}?pgbouncer=true"
        finally:
            proxy.terminate()
            proxy.wait(10)
            Path(config).unlink()


@pytest.fixture
async def two(proxied: str, script: Script) -> AsyncGenerator[Two]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(settings(proxied), script))
        yield Two(first, await stack.enter_async_context(serving(settings(proxied), Script())))


async def test_any_process_serves_any_stream_and_stops_any_run(two: Two, script: Script) -> None:
    assert two.here.runtime.notifier.remote is None
    gate = asyncio.Event()
    script.play([say("Seen "), gate, say("everywhere."), stop()], [say("Going on"), asyncio.Event()])
    session_id = await two.here.session()
    run_id = (await two.here.start(session_id, "Hi"))["run"]["id"]
    async with streaming(two.there, f"/api/runs/{run_id}/events") as stream:
        seen = await stream.read_units(6)
        gate.set()
        seen += await stream.rest()
    assert split_units(seen) == split_units(await two.here.events(run_id))
    run_id = (await two.here.start(session_id, "Go on"))["run"]["id"]
    await until(lambda: len(script.prompts) == 2)
    answer = await two.there.client.post(f"/api/runs/{run_id}/cancel")
    assert answer.json()["status"] == "cancelled"
    await until(lambda: script.closed == 2)


async def test_many_runs_share_few_connections(two: Two) -> None:
    session_ids = [await two.here.session() for _ in range(12)]
    answers = await asyncio.gather(*(two.there.send(session_id, "Hi") for session_id in session_ids))
    assert {answer["run"]["status"] for answer in answers} == {"completed"}
