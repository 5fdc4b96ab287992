"""The event loop's own lag: measured, and logged once a minute."""

import asyncio
import time

import pytest

from chatkeep.runs.loop_lag import LINE_SECONDS, LagLines
from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_a_loop_that_stood_still_is_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    time.sleep(1.5)  # noqa: ASYNC251  # on purpose: the service shares this loop
    async with asyncio.timeout(10):
        while "the event loop stood still" not in caplog.text:
            await asyncio.sleep(0.01)


def test_lags_are_one_line_a_minute_with_the_largest() -> None:
    lines = LagLines()
    assert lines.add(0.9, 0) is None
    first = lines.add(1.5, 1)
    assert first is not None
    assert "1.5 seconds" in first
    for now, lag in enumerate((2.5, 4.0, 1.2, 0.0), 2):
        assert lines.add(lag, now) is None
    second = lines.add(0.0, 1 + LINE_SECONDS)
    assert second is not None
    assert "4.0 seconds" in second
    assert lines.add(0.5, 2 + 2 * LINE_SECONDS) is None
