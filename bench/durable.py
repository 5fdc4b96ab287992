"""Measures durable messages per second of 200 callers: our writer thread, and one aiosqlite connection for all.

Each caller stores one message of 200 characters at a time, and continues when it is on disk (WAL, `synchronous =
FULL`). Ours is a transaction per message, which can be rolled back alone. On the shared connection, a commit of one
caller commits the statements of all. Both are measured on all cores, as services run, and on one core, as in `run.py`.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from statistics import median

import aiosqlite
import uvloop
from archive import add_session, opened

from chatkeep import clock, ids
from chatkeep.chat.types import Message, TextPart
from chatkeep.store import messages as store_messages
from tools import CORES, OUR_CORE

CALLERS = 200
PLACES = {"all cores": CORES, "one core": {OUR_CORE}}
TEXT = "a" * 200


async def ours(path: Path, seconds: float) -> float:
    """Return messages per second through `Database.transaction` and the store."""
    async with opened(path) as db:
        session = await db.transaction(lambda tx: add_session(tx, 0))

        async def add(seq: int) -> None:
            message = Message(
                ids.new_in(session), session, None, seq, "user", (TextPart(TEXT),), None, "completed", clock.now()
            )
            await db.transaction(lambda tx: store_messages.add_message(tx, message))

        return await _rate(add, seconds)


async def shared(path: Path, seconds: float) -> float:
    """Return messages per second through one aiosqlite connection: an INSERT and a commit each, in the same schema."""
    async with opened(path) as db:
        session = await db.transaction(lambda tx: add_session(tx, 0))
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA foreign_keys = ON")

        async def add(seq: int) -> None:
            parts = json.dumps([{"type": "text", "text": TEXT}])
            await connection.execute(
                "INSERT INTO messages (id, session_key, seq, parent_id, role, parts, created_at)"
                " VALUES (?, ?, ?, NULL, 'user', ?, ?)",
                (ids.new_in(session), ids.session_key(session), seq, parts, clock.now()),
            )
            await connection.commit()

        return await _rate(add, seconds)


async def _rate(add: Callable[[int], Awaitable[None]], seconds: float) -> float:
    stored, numbers = 0, count(1)

    async def call(until: float) -> None:
        nonlocal stored
        while time.monotonic() < until:
            await add(next(numbers))
            stored += 1

    began = time.monotonic()
    await asyncio.gather(*(call(began + seconds) for _ in range(CALLERS)))
    return stored / (time.monotonic() - began)


def _sync_ms() -> float:
    with tempfile.NamedTemporaryFile(prefix="bench-durable-") as file:
        taken: list[float] = []
        for _ in range(300):
            file.write(os.urandom(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return median(taken) * 1000


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the rates of both, measured in alternating rounds, on all cores and on one."""
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for place, cores in PLACES.items():
            os.sched_setaffinity(0, cores)
            for name, run in (("ours", ours), ("shared", shared)):
                with tempfile.TemporaryDirectory(prefix="bench-durable-") as folder:
                    rate = uvloop.run(run(Path(folder) / "messages.db", seconds))
                rates.setdefault(f"{name}, {place}", []).append(rate)
    return rates


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path, default=None, help="a file for every figure")
    given = parser.parse_args()
    rates = measure(given.rounds, given.seconds)
    print(f"\n### Durable messages a second, {CALLERS} callers\n\n| | median (least to most) |\n|---|---:|")
    for name, seen in rates.items():
        print(f"| {name} | {median(seen):.0f} ({min(seen):.0f} to {max(seen):.0f}) |")
    print(f"\nA sync of a page takes {_sync_ms():.2f} ms here (median).")
    for place in PLACES:
        ratio = median(rates[f"ours, {place}"]) / median(rates[f"shared, {place}"])
        print(f"Ratio, {place}: {ratio:.2f} (must ≥ 2, aim ≥ 3).")
    if given.json is not None:
        given.json.write_text(json.dumps(rates, indent=1))


if __name__ == "__main__":
    main()
