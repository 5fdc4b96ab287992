"""The time as text: RFC 3339, UTC, always with microseconds and `Z`. So texts sort in the order of their times."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
"""The form of all times, for `strftime`."""


def system_time() -> datetime:
    """Return the time of the machine's clock."""
    return datetime.now(UTC)


_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, after which Python has no dates."""

_source: Callable[[], datetime] = system_time


def now() -> str:
    """Return the current time, e.g. `2026-11-22T21:04:05.000123Z`."""
    return _format(_source())


def parse(text: str) -> datetime:
    """Return the time that `text`, a result of `now`, stands for."""
    return datetime.fromisoformat(text)


def add_seconds(text: str, seconds: float) -> str:
    """Return the time `seconds` after the time `text`, in the same form. Negative seconds give a time before it."""
    return _format(parse(text) + timedelta(seconds=seconds))


def from_timestamp(seconds: float) -> str:
    """Return the time that is `seconds` after 1970, in the form of `now`. Times without a calendar day are the last."""
    return _format(datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC))


def set_source(source: Callable[[], datetime]) -> None:
    """Read the time from `source` from now on. For tests; `set_source(system_time)` restores the machine's clock."""
    global _source  # noqa: PLW0603  # one clock for the process, and tests set it
    _source = source


def _format(time: datetime) -> str:
    # The same as `FORMAT`, but faster: every message needs the time; `isoformat` makes `bench/durable.py` 10 % slower.
    text: str = msgspec.to_builtins(time.astimezone(UTC))
    return text if time.microsecond else text.removesuffix("Z") + ".000000Z"
