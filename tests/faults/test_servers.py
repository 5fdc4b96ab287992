"""Several processes and one database: any of them dies, stops or loses its connection, and the promises hold.

`FAULT_LEASE` is the lease in seconds (3); how long a session refused the next message is printed (`-s`).
"""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.databases import new_database
from tests.faults import wrong_clock
from tests.faults.client_records import Reading, split_units
from tests.faults.process import PATIENCE, Home, Service, running
from tests.faults.upstream import ENDLESS, QUICK, Upstream
from tests.postgres import OPTIONS, Server, execute, free_port, make, new_home, run, wait_until_ready
from tests.proxy import Proxy
from tests.service import read_events

LEASE = float(os.environ.get("FAULT_LEASE", "3"))
ASYNC = {"prefer": "respond-async"}

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + 3 * LEASE)]


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    async with Upstream(0) as upstream:
        yield upstream


@pytest.fixture
def url(postgres: Server) -> Generator[str]:
    with new_database(postgres) as url:
        yield url


def home_of(directory: Path, url: str, upstream: Upstream, **more: str) -> Home:
    settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "x", "CHATKEEP_LEASE": str(LEASE)}
    return Home(directory, url, {**settings, **more})


@asynccontextmanager
async def run_services(*homes: Home) -> AsyncGenerator[list[Service]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(home)) for home in homes]


class Chat:
    """A session whose endless answer one process executes, with a reader at another."""

    def __init__(self, session_id: str, run_id: str) -> None:
        self.session_id = session_id
        self.reading = Reading(run_id, 0)

    @classmethod
    async def begin(cls, worker: Service) -> "Chat":
        session_id = (await worker.client.post("/api/sessions")).json()["id"]
        path = f"/api/sessions/{session_id}/messages"
        answer = await worker.client.post(path, json={"content": ENDLESS}, headers=ASYNC)
        assert answer.status_code == 202, answer.text
        return cls(session_id, answer.json()["run"]["id"])

    async def reads(self, service: Service, events: int = 20) -> None:
        """Read so many more events there, or to the end. A cut stream is resumed."""
        target = len(self.reading.events) + events
        async with asyncio.timeout(PATIENCE):
            while len(self.reading.events) < target and not self.reading.is_over:
                headers = {"last-event-id": str(self.reading.position)}
                path = f"/api/runs/{self.reading.run_id}/events"
                try:
                    async with service.client.stream("GET", path, headers=headers) as answer:
                        async for fields in read_events(answer) if answer.status_code == 200 else nothing():
                            self.reading.take(fields)
                            if len(self.reading.events) >= target:
                                break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)  # as an EventSource does

    async def accepts(self, service: Service, **more: Any) -> float:
        """Send until the session accepts the next message. Return the seconds that took."""
        began = time.monotonic()
        path, headers = f"/api/sessions/{self.session_id}/messages", {"accept": "application/json"}
        async with asyncio.timeout(PATIENCE + 2 * LEASE):
            while True:
                answer = await service.client.post(path, json={"content": QUICK, **more}, headers=headers)
                if answer.status_code == 200 and answer.json()["run"]["status"] == "completed":
                    return time.monotonic() - began
                assert answer.status_code in (409, 503), answer.text
                await asyncio.sleep(0.05)

    async def is_whole(self, service: Service, status: str) -> None:
        """Check the run's end: its log has all seen events at their positions, and the stored message is its fold."""
        whole = Reading(self.reading.run_id, 0)
        async with service.client.stream("GET", f"/api/runs/{whole.run_id}/events") as answer:
            await whole.follow(answer)
        seen = split_units(self.reading.events)
        assert split_units(whole.events)[: len(seen)] == seen
        run = (await service.client.get(f"/api/runs/{whole.run_id}")).json()
        message = (await service.client.get(f"/api/messages/{run['message_id']}")).json()
        last: Any = whole.events[-1]
        assert (run["status"], run["position"], message["status"]) == (status, last.position, status)
        assert [part["text"] for part in message["parts"]] == [part.text for part in last.message.parts]


async def nothing() -> AsyncGenerator[dict[str, Any]]:
    for each in ():
        yield each


async def stop(worker: Service, home: Home, *, in_transaction: bool) -> None:
    """Send SIGSTOP, on SQLite inside or outside of a transaction. PostgreSQL ends idle ones, so any moment will do."""
    worker.process.send_signal(signal.SIGSTOP)
    while home.engine == "sqlite" and is_locked(home.database) != in_transaction:
        worker.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(random.uniform(0, 0.02))  # its next moment
        worker.process.send_signal(signal.SIGSTOP)


def is_locked(file: Path) -> bool:
    """Return True if a process has held the write lock for longer than any transaction takes."""
    try:
        with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return True
    return False


def report(fault: str, seconds: float) -> None:
    print(f"\n{fault}: the next message was accepted after {seconds:.1f} s (lease {LEASE:g} s)")


async def test_a_killed_worker_is_replaced_by_the_others(tmp_path: Path, database: str, upstream: Upstream) -> None:
    home = home_of(tmp_path, database, upstream)
    async with run_services(home, home) as (worker, other):
        chat = await Chat.begin(worker)
        await chat.reads(other)
        worker.process.kill()
        report("kill -9 of the owner", await chat.accepts(other))
        await chat.reads(other, 10**6)
        await chat.is_whole(other, "interrupted")
    assert "Traceback" not in home.complaints


async def test_a_restarted_worker_interrupts_its_runs(tmp_path: Path, url: str, upstream: Upstream) -> None:
    home = home_of(tmp_path, url, upstream)
    async with run_services(home, home) as (worker, other):
        chat = await Chat.begin(worker)
        await chat.reads(other)
        worker.process.kill()
        await worker.ended()
        async with running(home) as again:
            report("kill -9 of the owner, started again, once it is ready", await chat.accepts(again))
            await chat.reads(other, 10**6)
            await chat.is_whole(again, "interrupted")


async def test_a_worker_paused_beyond_its_lease_writes_nothing_more(
    tmp_path: Path, database: str, upstream: Upstream
) -> None:
    home = home_of(tmp_path, database, upstream)
    async with run_services(home, home) as (worker, other):
        chat = await Chat.begin(worker)
        await chat.reads(other)
        await stop(worker, home, in_transaction=False)
        report("SIGSTOP of the owner", await chat.accepts(other))
        await chat.reads(other, 10**6)
        worker.process.send_signal(signal.SIGCONT)
        assert (await worker.client.get("/readyz")).status_code == 200
        await chat.is_whole(worker, "interrupted")
        async with asyncio.timeout(PATIENCE):  # its call of the model is closed
            while upstream.open:
                await asyncio.sleep(0.02)
        await chat.is_whole(other, "interrupted")
        await chat.accepts(worker)
    assert "Traceback" not in home.complaints


async def test_a_worker_paused_in_a_transaction_blocks_sqlite_writers(tmp_path: Path, upstream: Upstream) -> None:
    home = home_of(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", upstream)
    async with run_services(home, home) as (worker, other):
        chat = await Chat.begin(worker)
        await chat.reads(other)
        await stop(worker, home, in_transaction=True)
        for path, body in ((f"{chat.session_id}/messages", {"content": QUICK, "on_busy": "interrupt"}), ("", None)):
            answer = await other.client.post(f"/api/sessions/{path}".rstrip("/"), json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
        assert (await other.client.get(f"/api/sessions/{chat.session_id}")).status_code == 200
        worker.process.kill()
        report("kill -9 of an owner that was stopped inside a transaction", await chat.accepts(other))
        await chat.reads(other, 10**6)
        await chat.is_whole(other, "interrupted")
        assert len((await other.client.get("/api/sessions")).json()["data"]) == 1


async def test_a_database_unreachable_for_five_seconds_ends_no_run(
    tmp_path: Path, url: str, upstream: Upstream
) -> None:
    async with Proxy(url) as proxy:
        near, far = home_of(tmp_path, url, upstream), home_of(tmp_path, proxy.url, upstream, CHATKEEP_LEASE="30")
        async with run_services(far, near) as (worker, other):
            chat = await Chat.begin(worker)
            await chat.reads(other)
            proxy.refusing = True
            proxy.cut()
            began = time.monotonic()
            await asyncio.sleep(5)
            proxy.refusing = False
            await chat.reads(other)
            assert not chat.reading.is_over
            print(f"\na line cut for 5 s: the same answer went on after {time.monotonic() - began:.1f} s")
            report("a line cut for 5 s", await chat.accepts(other, on_busy="interrupt"))
            await chat.is_whole(worker, "cancelled")


async def test_database_backends_ended_at_random_end_no_run(
    tmp_path: Path, url: str, upstream: Upstream, postgres: Server
) -> None:
    rng = random.Random(5)
    home = home_of(tmp_path, url, upstream)
    victim = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' ORDER BY random() LIMIT {}"
    async with run_services(home, home) as (worker, other):
        chats = [await Chat.begin(worker) for _ in range(5)]
        reading = [asyncio.create_task(chat.reads(other, 150)) for chat in chats]
        killed = 0
        while not all(task.done() for task in reading):
            count = rng.randint(1, 3)
            await execute(postgres.url(), victim.format(url.rpartition("/")[2], count))
            killed += count
            await asyncio.sleep(rng.uniform(0.05, 0.4))
        await asyncio.gather(*reading)
        assert not any(chat.reading.is_over for chat in chats)
        report(
            f"{killed} backends ended at random",
            max([await chat.accepts(other, on_busy="interrupt") for chat in chats]),
        )
        for chat in chats:
            await chat.is_whole(other, "cancelled")
    assert "Traceback" not in home.complaints


async def test_a_pool_of_one_connection_serves_many_runs(tmp_path: Path, url: str, upstream: Upstream) -> None:
    home = home_of(tmp_path, url, upstream, CHATKEEP_DATABASE_POOL="1")
    async with run_services(home) as (only,):
        chats = [await Chat.begin(only) for _ in range(30)]
        await asyncio.gather(*(chat.reads(only) for chat in chats))
        waited = [await chat.accepts(only, on_busy="interrupt") for chat in chats]
        report("a pool of one connection, 30 answers", max(waited))
        await asyncio.gather(*(chat.is_whole(only, "cancelled") for chat in chats))


@pytest.mark.parametrize("seconds", [60, -60])
async def test_a_clock_wrong_by_a_minute_takes_over_no_run(
    tmp_path: Path, url: str, upstream: Upstream, seconds: int
) -> None:
    home = home_of(tmp_path, url, upstream)
    wrong = home._replace(program=(wrong_clock.__file__, str(seconds)))
    async with run_services(home, wrong) as (right, odd):
        chats = [await Chat.begin(right), await Chat.begin(odd)]
        deadline = time.monotonic() + LEASE * 2
        while time.monotonic() < deadline:
            await asyncio.gather(chats[0].reads(odd, 5), chats[1].reads(right, 5))
        assert not any(chat.reading.is_over for chat in chats)
        odd.process.kill()
        report(f"kill -9 of an owner whose clock is wrong by {seconds} s", await chats[1].accepts(right))
        await chats[0].accepts(right, on_busy="interrupt")
        await chats[1].is_whole(right, "interrupted")


@contextmanager
def server_of_our_own(postgres: Server) -> Generator[tuple[str, Any]]:
    """Run a server that can be restarted. The value is its URL, and the function that restarts it."""
    home, port = new_home(), free_port()
    make(home, postgres.binaries)
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        started.append(run(home, postgres.binaries, port, {**OPTIONS, "synchronous_commit": "on"}))
        wait_until_ready(started[-1], postgres.binaries, port)

    def restart(how: signal.Signals) -> None:
        started[-1].send_signal(how)
        started[-1].wait(PATIENCE)
        start()

    start()
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres", restart
    finally:
        started[-1].send_signal(signal.SIGINT)
        started[-1].wait(PATIENCE)
        shutil.rmtree(home)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_database_server_that_restarts_ends_no_run(
    tmp_path: Path, postgres: Server, upstream: Upstream, how: signal.Signals
) -> None:
    with server_of_our_own(postgres) as (url, restart):
        home = home_of(tmp_path, url, upstream, CHATKEEP_LEASE="30")
        async with run_services(home, home) as (worker, other):
            chat = await Chat.begin(worker)
            await chat.reads(other)
            began = time.monotonic()
            await asyncio.to_thread(restart, how)
            restarted = time.monotonic() - began
            await chat.reads(other)
            assert not chat.reading.is_over
            print(f"\nrestart in {restarted:.1f} s: the same answer went on after {time.monotonic() - began:.1f} s")
            report("a server that restarts", await chat.accepts(other, on_busy="interrupt"))
            await chat.is_whole(worker, "cancelled")
