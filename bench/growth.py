"""Measures how our cost grows: with the length of answers, of histories and of sessions, and the readers of a run."""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import TypeAlias

from archive import add_session, opened
from services import QUESTION, chatkeep

from tools import OUR_CORE, Figures, Scenario, Service, post, provider, read, set_pace

LENGTHS = (1, 10, 100, 1000)
HISTORIES = (0, 50, 500, 2000)
READERS = (1, 5, 25)
PAGES = (50, 10_000)
CALLERS = 10
Table: TypeAlias = dict[int, Figures]


def by_length(upstream: Service, rounds: int) -> Table:
    """Measure 50 streams of 100 chunks/s, with short and long answers."""
    table: Table = {}
    with _serving(upstream, []) as (service, _):
        for n in LENGTHS:
            scenario = Scenario(f"answers of {n} chunks", 50, n, 10_000, max(50, 3000 // n), ramp_ms=100)
            table[n] = _rounds(upstream, service, scenario, rounds)
    return table


def by_history(upstream: Service, rounds: int) -> Table:
    """Measure one-chunk turns of 10 callers, in sessions with earlier messages."""
    table: Table = {}
    scenario = Scenario("one-chunk turns", CALLERS, 1, 1000, 100, ramp_ms=0, delay_us=0)
    for length in HISTORIES:
        with _serving(upstream, [length] * 2 * CALLERS) as (service, sessions):
            service.requests = lambda count, sessions=sessions: _asking(islice(cycle(sessions), count))
            table[length] = _rounds(upstream, service, scenario, rounds)
    return table


def by_readers(upstream: Service, rounds: int) -> Table:
    """Measure 20 runs of 50 chunks/s with several readers each; the cost is per chunk of the model."""
    table: Table = {}
    for readers in READERS:
        scenario = Scenario(f"{readers} readers", 20 * readers, 200, 20_000, 20 * readers, 0, 2_000_000)
        with _serving(upstream, []) as (service, _):
            service.requests = lambda count, service=service, readers=readers: _joining(service, count, readers)
            figures = _rounds(upstream, service, scenario, rounds)
            table[readers] = figures | {"cpu_us_per_chunk": figures["cpu_us_per_chunk"] * readers}
    return table


def by_age(upstream: Service, rounds: int) -> Table:
    """Measure the milliseconds until the first page of a session, 50 messages, has arrived."""
    table: Table = {}
    with _serving(upstream, PAGES) as (service, sessions):
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        times: dict[int, list[float]] = {length: [] for length in PAGES}
        for _ in range(200 * rounds):
            for length, session in zip(PAGES, sessions, strict=True):
                began = time.perf_counter()
                connection.request("GET", f"/api/sessions/{session}/messages?limit=50")
                page = json.loads(connection.getresponse().read())
                times[length].append(time.perf_counter() - began)
                assert len(page["data"]) == 50
        for length, taken in times.items():
            table[length] = {"ms": median(taken[20:]) * 1000}
    return table


def _rounds(upstream: Service, service: Service, scenario: Scenario, rounds: int) -> Figures:
    """Return the median of each figure over `rounds`."""
    set_pace(upstream, scenario)
    seen = [read(service, scenario) for _ in range(rounds)]
    assert not any(figures["failures"] for figures in seen), f"{scenario.name}: answers failed: {seen}"
    return {name: median(figures[name] for figures in seen) for name in seen[0]}


@contextlib.contextmanager
def _serving(upstream: Service, lengths: Sequence[int]) -> Generator[tuple[Service, list[str]]]:
    """Start the service, warm it up, and yield it with the ids of sessions of these `lengths`, in messages."""
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as name:
        sessions = asyncio.run(_filled(Path(name) / "chatkeep.db", lengths))
        with chatkeep(upstream, Path(name)) as service:
            warm_up = Scenario("warm-up", 5, 20, 2000, 20)
            set_pace(upstream, warm_up)
            read(service, warm_up)
            service.idle_rss = service.rss_kb()
            yield service, sessions


async def _filled(path: Path, lengths: Sequence[int]) -> list[str]:
    async with opened(path) as db:
        return [await db.transaction(lambda tx, length=length: add_session(tx, length)) for length in lengths]


def _asking(sessions: Iterable[str]) -> list[bytes]:
    return [post(f"/api/sessions/{session}/messages", {"content": QUESTION}) for session in sessions]


def _joining(service: Service, count: int, readers: int) -> list[bytes]:
    """Start runs, and return `count` requests: `readers` for each run, from its beginning."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    headers = {"content-type": "application/json", "prefer": "respond-async"}
    runs: list[str] = []
    for _ in range(count // readers):
        connection.request("POST", "/api/sessions", b"{}", headers)
        session = json.loads(connection.getresponse().read())["id"]
        connection.request(
            "POST", f"/api/sessions/{session}/messages", json.dumps({"content": QUESTION}).encode(), headers
        )
        runs.append(json.loads(connection.getresponse().read())["run"]["id"])
    asked = "GET /api/runs/{}/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
    return [asked.format(run).encode() for run in runs for _ in range(readers)]


def tables(grown: dict[str, Table]) -> str:
    """Return the measurements as Markdown tables and sentences."""
    lines: list[str] = []
    if length := grown.get("length"):
        lines += _table("Length of an answer", "chunks", length, {"cpu_ms_per_turn": "CPU/turn ms"})
        more = _slope(length, "cpu_ms_per_turn") * 1000
        lines.append(f"\nA turn costs {length[min(length)]['cpu_ms_per_turn']:.2f} ms, each chunk more {more:.0f} µs.")
    if history := grown.get("history"):
        columns = {"cpu_ms_per_turn": "CPU/turn ms", "first_wait_p50": "first token p50 ms"}
        lines += _table("Length of the history", "messages", history, columns)
        more = _slope(history, "cpu_ms_per_turn") * 1000
        lines.append(f"\nEach message more costs {more:.1f} µs a turn.")
    if readers := grown.get("readers"):
        columns = {"cpu_us_per_chunk": "CPU per chunk of the model's, µs", "age_p99": "age p99 ms"}
        lines += _table("Readers of a run", "readers", readers, columns)
        lines.append(f"\nEach reader more costs {_slope(readers, 'cpu_us_per_chunk'):.1f} µs a chunk.")
    if age := grown.get("age"):
        lines += _table("First page of a session", "messages", age, {"ms": "ms, p50"})
        ratio = age[PAGES[1]]["ms"] / age[PAGES[0]]["ms"]
        lines.append(f"\nRatio: {ratio:.2f} (must ≤ 1.3, aim ≤ 1.1).")
    return "\n".join(lines)


def _table(title: str, unit: str, rows: Table, columns: dict[str, str]) -> list[str]:
    head = [f"\n### {title}\n", f"| {unit} | {' | '.join(columns.values())} |", f"|---:|{'---:|' * len(columns)}"]
    return head + [f"| {n} | {' | '.join(f'{row[name]:.2f}' for name in columns)} |" for n, row in rows.items()]


def _slope(rows: Table, figure: str) -> float:
    first, last = min(rows), max(rows)
    return (rows[last][figure] - rows[first][figure]) / (last - first)


MEASURES = {"length": by_length, "history": by_history, "readers": by_readers, "age": by_age}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=None, help="a file for every figure")
    given = parser.parse_args()
    os.sched_setaffinity(0, {OUR_CORE})
    with provider() as upstream:
        grown = {name: MEASURES[name](upstream, given.rounds) for name in given.only}
    print(tables(grown))
    if given.json is not None:
        given.json.write_text(json.dumps(grown, indent=1))


if __name__ == "__main__":
    main()
