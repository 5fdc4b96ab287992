"""Measures one, two and four processes, on SQLite and on PostgreSQL, with the same streams.

    .venv/bin/python bench/processes.py --streams 100 --json processes.json

Provider, readers, service and database server share the machine. Only CPU per chunk and bytes per message can be
compared with other machines.
"""

import argparse
import asyncio
import http.client
import json
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from services import asking

from tools import HERE, Scenario, Service, provider, read, set_pace, started

sys.path.insert(0, str(HERE.parent))

from tests import postgres  # from the root of the project, which is put on the path above

CHUNKS, INTERVAL_US = 200, 20_000
WAIT = 60


@contextmanager
def server() -> Generator[tuple[str, Service]]:
    """Start a PostgreSQL server with default settings, which sync each commit; yield its URL and its process."""
    found = postgres.binaries()
    assert found is not None, postgres.missing()
    home, port = Path(tempfile.mkdtemp(prefix="chatkeep-bench-")), postgres.free_port()
    postgres.make(home, found)
    process = postgres.run(home, found, port, {"listen_addresses": "127.0.0.1", "max_connections": "200"})
    try:
        postgres.wait_until_ready(process, found, port)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres", Service("postgres", port, process.pid)
    finally:
        process.send_signal(2)
        process.wait(WAIT)
        shutil.rmtree(home)


@contextmanager
def service(url: str, upstream: Service, workers: int, directory: Path) -> Generator[Service]:
    """Start the service with `workers` processes, and yield it when all of them are ready."""
    port = postgres.free_port()
    environment = {"CHATKEEP_DATABASE_URL": url, "CHATKEEP_TITLES": "words", "PYTHONPATH": str(HERE.parent / "src")}
    environment |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream.port}/v1", "OPENAI_API_KEY": "x"}
    command = [sys.executable, "-m", "chatkeep", "serve", "--port", str(port), "--workers", str(workers)]
    with started("chatkeep", command, None, environment, directory, port) as found:
        until = time.monotonic() + WAIT
        while not ready(found, workers):
            assert time.monotonic() < until, "not all processes came"
            time.sleep(0.1)
        asking(found)
        yield found


def ready(service: Service, workers: int) -> bool:
    """Return True if all processes run and one answers. Each takes 1 to 2 seconds to import."""
    grown = [pid for pid in service.pids() if Service("", 0, pid).rss_kb() > 60 * 1024]
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", "/readyz")
    return len(grown) >= workers and connection.getresponse().status == 200


def stored(url: str) -> dict[str, float]:
    """Return the database's own figures: commits so far (0 on SQLite), bytes, messages."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as connection:
            pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            messages = connection.execute("SELECT COUNT(*) FROM messages").fetchone()[0]
        return {"commits": 0, "bytes": pages * size, "messages": messages}
    text = """SELECT xact_commit, pg_database_size(current_database()), (SELECT COUNT(*) FROM messages)
                FROM pg_stat_database WHERE datname = current_database()"""
    ((commits, size, messages),) = asyncio.run(postgres.fetch_rows(url, text))
    return {"commits": commits, "bytes": size, "messages": messages}


def measure(url: str, upstream: Service, workers: int, streams: int, server: Service | None) -> dict[str, Any]:
    """Measure one round and return its figures by their titles."""
    scenario = Scenario("", streams, CHUNKS, INTERVAL_US, streams)
    set_pace(upstream, scenario)
    with tempfile.TemporaryDirectory() as directory, service(url, upstream, workers, Path(directory)) as found:
        before, theirs = stored(url), server.cpu_seconds() if server else 0.0
        figures = read(found, scenario)
        theirs = (server.cpu_seconds() if server else 0.0) - theirs
        time.sleep(1)  # the server's statistics come late
        after = stored(url)
    return {
        "processes": workers,
        "streams": streams,
        "chunks per second": round(figures["chunks"] / figures["seconds"]),
        "service: CPU per chunk, µs": round(figures["cpu_us_per_chunk"], 1),
        "server: CPU per chunk, µs": round(theirs / max(figures["chunks"], 1) * 1e6, 1),
        "chunk age p50, ms": round(figures["age_p50"], 1),
        "chunk age p99, ms": round(figures["age_p99"], 1),
        "commits per second": round((after["commits"] - before["commits"]) / figures["seconds"]),
        "bytes per message": round((after["bytes"] - before["bytes"]) / max(after["messages"] - before["messages"], 1)),
        "failures": round(figures["failures"]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--json", type=Path)
    select_tools = parser.parse_args(arguments)
    rounds: list[dict[str, Any]] = []
    with provider() as upstream:
        for workers in (1, 2, 4):
            with tempfile.TemporaryDirectory() as directory:
                url = f"sqlite:///{directory}/bench.db"
                rounds.append({"engine": "SQLite", **measure(url, upstream, workers, select_tools.streams, None)})
                print(rounds[-1], flush=True)
            with server() as (url, process):
                rounds.append(
                    {"engine": "PostgreSQL", **measure(url, upstream, workers, select_tools.streams, process)}
                )
                print(rounds[-1], flush=True)
    if select_tools.json:
        select_tools.json.write_text(json.dumps({"machine": platform.platform(), "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
