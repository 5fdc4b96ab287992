"""Measures for how long a service's event loop stands still: a process of its own asks `/healthz` every 10 ms.

The longest of these requests is the loop's largest lag, and a little more: the request itself takes about a
millisecond, and on a busy machine it waits for a core.
"""

import asyncio
import http.client
import multiprocessing
import time
from collections.abc import Awaitable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

PAUSE_SECONDS = 0.01


async def largest_lag(port: int, work: Awaitable[str]) -> tuple[float, str]:
    """Do `work`. Return the largest lag of the service on `port` meanwhile, in milliseconds, and the work's result."""
    spawn = multiprocessing.get_context("spawn")
    results, sender = spawn.Pipe(duplex=False)
    ready, stop = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_probe, args=(port, sender, ready, stop))
    process.start()
    await asyncio.to_thread(ready.wait)
    try:
        result = await work
    finally:
        stop.set()
        longest = await asyncio.to_thread(results.recv)
        process.join()
    return longest * 1000, result


def _probe(port: int, results: Connection, ready: Event, stop: Event) -> None:
    """Ask until `stop`, then send the longest time that an answer took, in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        if ready.is_set():
            longest = max(longest, time.perf_counter() - began)
        ready.set()
        time.sleep(PAUSE_SECONDS)
    results.send(longest)
