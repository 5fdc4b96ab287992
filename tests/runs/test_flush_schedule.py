"""When the journal flushes: by a clock of the test's own."""

import pytest

from chatkeep.runs.flush_schedule import QUIET_RUNS, FlushSchedule

BUSY = QUIET_RUNS + 1


def flush(schedule: FlushSchedule, began: float, ended: float, waiting: int = 0) -> int:
    """A round of one slice; how many turns were resumed for it."""
    size = schedule.next_slice(waiting, began)
    schedule.on_flushed(ended)
    return size


def test_the_first_flush_is_due_at_once() -> None:
    assert FlushSchedule(0.05).due_in(100.0, BUSY) <= 0


@pytest.mark.parametrize("open_runs", range(QUIET_RUNS + 1))
def test_with_few_open_runs_there_is_no_gap(open_runs: int) -> None:
    schedule = FlushSchedule(0.05)
    flush(schedule, 100.0, 101.0)
    assert schedule.gap(open_runs) == 0
    assert schedule.due_in(101.0, open_runs) == 0


def test_the_gap_follows_the_time_a_flush_takes() -> None:
    schedule = FlushSchedule(1.0, gap_per_flush=10)
    flush(schedule, 100.0, 100.004)  # a quarter of it counts: the average moves
    assert schedule.gap(BUSY) == pytest.approx(0.01)
    for number in range(50):
        flush(schedule, 200.0 + number, 200.004 + number)
    assert schedule.gap(BUSY) == pytest.approx(0.04)


def test_the_gap_has_a_maximum() -> None:
    schedule = FlushSchedule(0.05)
    flush(schedule, 100.0, 130.0)
    assert schedule.gap(BUSY) == 0.05
    assert schedule.due_in(130.01, BUSY) == pytest.approx(0.04)
    assert schedule.due_in(130.06, BUSY) < 0


def test_the_turns_of_a_round_are_resumed_in_slices() -> None:
    schedule = FlushSchedule(0.05, slice_size=3)
    assert schedule.next_slice(8, 100.0) == 3
    assert schedule.has_more_slices
    schedule.on_flushed(100.5)
    assert schedule.due_in(100.5, BUSY) == 0  # no gap between slices
    assert schedule.next_slice(7, 100.5) == 3  # two turns have come since: they belong to the next round
    schedule.on_flushed(101.0)
    assert schedule.next_slice(4, 101.0) == 2
    assert not schedule.has_more_slices
    schedule.on_flushed(102.0)
    assert schedule.due_in(102.0, BUSY) == pytest.approx(0.05)


def test_a_round_lasts_from_its_first_slice_to_its_last() -> None:
    schedule = FlushSchedule(100.0, gap_per_flush=1, slice_size=1)
    flush(schedule, 100.0, 101.0, waiting=2)
    assert schedule.gap(BUSY) == 0  # the round is not over
    flush(schedule, 101.0, 104.0, waiting=1)
    assert schedule.gap(BUSY) == pytest.approx(1.0)  # a quarter of four seconds
