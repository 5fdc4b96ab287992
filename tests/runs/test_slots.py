"""The fair share of CHATKEEP_MAX_RUNS: what one owner gets while others wait."""

import pytest

from chatkeep.errors import TooManyRuns
from chatkeep.runs.slots import WAITING_SECONDS, Slots


class Time:
    """A clock that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def slots(time: Time) -> Slots:
    """Four slots, all of them Ada's."""
    slots = Slots(4, time)
    for number in range(4):
        execute(slots, f"a{number}", "ada")
    return slots


def execute(slots: Slots, run_id: str, owner: str) -> None:
    slots.reserve(run_id, owner)
    slots.begin(run_id)
    slots.release(run_id)


def test_one_owner_may_have_all_while_none_waits(slots: Slots) -> None:
    with pytest.raises(TooManyRuns, match="4 runs are open"):
        slots.reserve("a4", "ada")
    slots.end("a0")
    execute(slots, "a4", "ada")


def test_who_waits_comes_first(slots: Slots) -> None:
    with pytest.raises(TooManyRuns):
        slots.reserve("b0", "bob")
    slots.end("a0")
    with pytest.raises(TooManyRuns, match="half of the runs"):
        slots.reserve("a4", "ada")
    execute(slots, "b0", "bob")
    slots.end("a1")
    execute(slots, "a4", "ada")  # none waits any more


def test_less_than_half_is_never_refused_for_others(slots: Slots) -> None:
    with pytest.raises(TooManyRuns):
        slots.reserve("b0", "bob")
    for run_id in ("a0", "a1", "a2"):
        slots.end(run_id)
    execute(slots, "a4", "ada")
    with pytest.raises(TooManyRuns, match="half of the runs"):
        slots.reserve("a5", "ada")


def test_who_does_not_come_back_waits_no_longer(slots: Slots, time: Time) -> None:
    with pytest.raises(TooManyRuns):
        slots.reserve("b0", "bob")
    slots.end("a0")
    time.now = WAITING_SECONDS + 1
    execute(slots, "a4", "ada")


def test_a_run_that_takes_the_place_of_another_needs_none(slots: Slots) -> None:
    with pytest.raises(TooManyRuns):
        slots.reserve("b0", "bob")
    slots.reserve("a4", "ada", replaces="a0")


def test_a_single_slot_is_shared(time: Time) -> None:
    slots = Slots(1, time)
    execute(slots, "a", "ada")
    with pytest.raises(TooManyRuns):
        slots.reserve("b", "bob")
    slots.end("a")
    slots.reserve("a2", "ada")  # who has none is not greedy
    slots.release("a2")
    execute(slots, "b", "bob")
