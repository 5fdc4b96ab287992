"""The one form in which times are written: it sorts as it reads."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chatkeep import clock

WHOLE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_clock() -> Generator[None]:
    yield
    clock.set_source(clock.system_time)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
@pytest.mark.parametrize("microseconds", [0, 1, 100_000, 999_999])
def test_a_time_has_six_decimals_and_ends_with_z(microseconds: int, zone: timezone) -> None:
    time = WHOLE.replace(microsecond=microseconds)
    clock.set_source(lambda: time.astimezone(zone))
    assert clock.now() == time.strftime(clock.FORMAT)
    assert clock.parse(clock.now()) == time


def test_times_sort_as_text_in_order() -> None:
    written = [clock.add_seconds("2026-01-02T03:04:04.999999Z", by / 1e6) for by in range(4)]
    assert written == sorted(written)
    assert written[1] == "2026-01-02T03:04:05.000000Z"
