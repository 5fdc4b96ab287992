"""The time, as text: RFC 3339, UTC, always microseconds and `Z`, so that it sorts as it reads."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def system_time() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


_source: Callable[[], datetime] = system_time


def now() -> str:
    """The current time, e.g. `2026-11-22T21:04:05.000123Z`."""
    return _format(_source())


def parse(text: str) -> datetime:
    """The time that `now` wrote as `text`."""
    return datetime.fromisoformat(text)


def add_seconds(text: str, seconds: float) -> str:
    """The time `seconds` after the time `text`, or before it when negative, in the same form."""
    return _format(parse(text) + timedelta(seconds=seconds))


def set_source(source: Callable[[], datetime]) -> None:
    """Take the time from `source` from now on; tests set the clock with it, `set_source(system_time)` puts it back."""
    global _source  # noqa: PLW0603  # one clock for the process, and tests set it
    _source = source


def _format(time: datetime) -> str:
    # As `FORMAT`, and cheaper: each message asks for the time, and by `isoformat` `bench/durable.py` is a tenth slower.
    text: str = msgspec.to_builtins(time.astimezone(UTC))
    return text if time.microsecond else text.removesuffix("Z") + ".000000Z"
