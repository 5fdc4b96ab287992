"""Side by side: one, two and four processes, on SQLite and on PostgreSQL, under the same streams.

    .venv/bin/python bench/processes.py --streams 100 --json processes.json

All share the machine: provider, readers, service and server. What travels is CPU per chunk and bytes per message.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import uvloop
from load import Target, listen, prepare

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests import postgres  # noqa: E402  # from the root of the project, which is put on the path above

CHUNKS, INTERVAL_MS = 200, 20.0
WAIT = 60


@contextmanager
def provider() -> Generator[str]:
    """An upstream that sends a chunk every 20 ms to everybody."""
    pace = ("--chunks", str(CHUNKS), "--interval-ms", str(INTERVAL_MS))
    process = subprocess.Popen([sys.executable, HERE / "provider.py", *pace], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def server() -> Generator[tuple[str, psutil.Process]]:
    """A PostgreSQL as it comes: it syncs each commit."""
    found = postgres.binaries()
    assert found is not None, postgres.missing()
    home, port = Path(tempfile.mkdtemp(prefix="chatkeep-bench-")), postgres.free_port()
    postgres.make(home, found)
    process = postgres.run(home, found, port, {"listen_addresses": "127.0.0.1", "max_connections": "200"})
    try:
        postgres.wait_until_ready(process, found, port)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres", psutil.Process(process.pid)
    finally:
        process.send_signal(2)
        process.wait(WAIT)
        shutil.rmtree(home)


@contextmanager
def service(url: str, upstream: str, workers: int, directory: Path) -> Generator[tuple[Target, psutil.Process]]:
    """The service with so many processes, ready."""
    port = postgres.free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
    environment = {**kept, "CHATKEEP_DATABASE_URL": url, "OPENAI_BASE_URL": f"{upstream}/v1", "OPENAI_API_KEY": "x"}
    environment["CHATKEEP_TITLES"] = "words"
    command = [sys.executable, "-m", "chatkeep", "serve", "--port", str(port), "--workers", str(workers)]
    with (directory / "service.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + WAIT
        while not ready(port, workers, process.pid):
            assert time.monotonic() < until, (directory / "service.log").read_text("utf-8")
            time.sleep(0.1)
        yield Target.at("chatkeep", f"http://127.0.0.1:{port}"), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(WAIT)


def ready(port: int, workers: int, pid: int) -> bool:
    """Whether all processes are there and one answers; each takes its second or two to import."""
    children = psutil.Process(pid).children()
    grown = [each for each in children if each.memory_info().rss > 60 * 2**20]
    if workers > 1 and len(grown) < workers:
        return False
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def cpu(process: psutil.Process) -> float:
    """Seconds that a process and its children have used."""
    seconds = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        seconds += times.user + times.system
    return seconds


def stored(url: str) -> dict[str, float]:
    """What the database says of itself: commits so far, bytes, messages."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as connection:
            pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            messages = connection.execute("SELECT COUNT(*) FROM messages").fetchone()[0]
        return {"commits": 0, "bytes": pages * size, "messages": messages}
    text = """SELECT xact_commit, pg_database_size(current_database()), (SELECT COUNT(*) FROM messages)
                FROM pg_stat_database WHERE datname = current_database()"""
    ((commits, size, messages),) = asyncio.run(postgres.fetched(url, text))
    return {"commits": commits, "bytes": size, "messages": messages}


def measure(url: str, upstream: str, workers: int, streams: int, database: psutil.Process | None) -> dict[str, Any]:
    """One round."""
    with tempfile.TemporaryDirectory() as directory, service(url, upstream, workers, Path(directory)) as found:
        target, process = found
        requests = prepare(target, streams)
        before, began = stored(url), time.monotonic()
        used, theirs = cpu(process), cpu(database) if database else 0.0
        heard = uvloop.run(listen(target, requests, CHUNKS, 120))
        used, theirs = cpu(process) - used, (cpu(database) if database else 0.0) - theirs
        seconds = time.monotonic() - began
        time.sleep(1)  # the server's statistics come late
        after = stored(url)
    ages = sorted(heard.ages)
    return {
        "processes": workers,
        "streams": streams,
        "chunks per second": round(heard.chunks / seconds),
        "service: CPU per chunk, µs": round(used / max(heard.chunks, 1) * 1e6, 1),
        "server: CPU per chunk, µs": round(theirs / max(heard.chunks, 1) * 1e6, 1),
        "chunk age p50, ms": round(ages[len(ages) // 2], 1) if ages else None,
        "chunk age p99, ms": round(ages[len(ages) * 99 // 100], 1) if ages else None,
        "commits per second": round((after["commits"] - before["commits"]) / seconds),
        "bytes per message": round((after["bytes"] - before["bytes"]) / max(after["messages"] - before["messages"], 1)),
        "failures": len(heard.failures),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """See the top."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    rounds: list[dict[str, Any]] = []
    with provider() as upstream:
        for workers in (1, 2, 4):
            with tempfile.TemporaryDirectory() as directory:
                url = f"sqlite:///{directory}/bench.db"
                rounds.append({"engine": "SQLite", **measure(url, upstream, workers, chosen.streams, None)})
                print(rounds[-1], flush=True)
            with server() as (url, process):
                rounds.append({"engine": "PostgreSQL", **measure(url, upstream, workers, chosen.streams, process)})
                print(rounds[-1], flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": platform.platform(), "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
