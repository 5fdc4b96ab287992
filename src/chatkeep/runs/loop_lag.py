"""Measures how long the event loop stands still, and logs it.

Everything in a process shares its event loop: requests, streams, turns and leases. Code that keeps it busy for seconds
makes all of them wait, and is seen nowhere else. A small task sleeps again and again; the lag is how much later than
asked it wakes up. A process that was stopped, or a machine without a free core, lags as well.
"""

import asyncio
import logging

from chatkeep.runs.runtime import Runtime
from chatkeep.watch import metrics

SLEEP_SECONDS = 0.25
"""Seconds between two measurements: a lag is found whole, or at most this much too short."""
LOGGED_SECONDS = 1.0
"""The shortest lag that is logged, in seconds."""
LINE_SECONDS = 60.0
"""Seconds between two lines. The later one has the largest lag since."""

_log = logging.getLogger("chatkeep")


async def watch_loop_lag_forever(runtime: Runtime) -> None:
    """Log each lag of a second or more, at most one line a minute, until cancelled."""
    del runtime  # every background task is given it
    loop = asyncio.get_running_loop()
    lines = LagLines()
    while True:
        asleep_at = loop.time()
        await asyncio.sleep(SLEEP_SECONDS)
        now = loop.time()
        lag = now - asleep_at - SLEEP_SECONDS
        metrics.LOOP_LAG_SECONDS.observe(lag)
        if (line := lines.add(lag, now)) is not None:
            _log.warning("%s", line)


class LagLines:
    """Makes lines of lags: not more than one a minute."""

    def __init__(self) -> None:
        self._largest = 0.0
        self._next_line_at = float("-inf")

    def add(self, lag: float, now: float) -> str | None:
        """Note a lag, in seconds. Return the line that is due `now` (seconds of any clock); None if none is."""
        self._largest = max(self._largest, lag)
        if self._largest < LOGGED_SECONDS or now < self._next_line_at:
            return None
        line = f"the event loop stood still for {self._largest:.1f} seconds; every request and stream waited"
        self._largest, self._next_line_at = 0.0, now + LINE_SECONDS
        return line
