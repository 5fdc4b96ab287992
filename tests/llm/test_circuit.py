"""`Circuit`: a provider that fails again and again is left alone for a while."""

import pytest

from chatkeep.errors import ContextOverflow, ModelRejected, ModelUnavailable, TurnFailed
from chatkeep.llm.circuit import FAILURES_TO_OPEN, OPEN_SECONDS, Circuit

DEAD = ModelUnavailable("the connection broke")


class Clock:
    """A clock that goes on only when it is set."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock)


def fail(circuit: Circuit, failure: TurnFailed = DEAD, times: int = 1) -> None:
    for _ in range(times):
        circuit.begin()
        circuit.fail(failure)


def test_it_opens_after_failures_in_a_row(circuit: Circuit) -> None:
    fail(circuit, times=FAILURES_TO_OPEN - 1)
    assert not circuit.is_open
    circuit.begin()
    circuit.end_answer()
    fail(circuit, times=FAILURES_TO_OPEN - 1)
    assert not circuit.is_open
    fail(circuit)
    assert circuit.is_open


@pytest.mark.parametrize("failure", [ModelRejected("no"), ContextOverflow("too long")])
def test_a_request_that_is_refused_is_no_failure(circuit: Circuit, failure: TurnFailed) -> None:
    fail(circuit, failure, times=FAILURES_TO_OPEN)
    assert not circuit.is_open


def test_after_a_while_one_request_tries(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, times=FAILURES_TO_OPEN)
    clock.seconds += OPEN_SECONDS
    assert not circuit.is_open
    circuit.begin()
    assert circuit.is_open, "the others wait for its outcome"
    circuit.begin_answer()
    assert not circuit.is_open


def test_a_provider_that_dies_again_is_left_alone_again(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, times=FAILURES_TO_OPEN)
    clock.seconds += OPEN_SECONDS
    circuit.begin()
    circuit.begin_answer()
    circuit.fail(DEAD)
    assert circuit.is_open


def test_a_trial_that_is_cancelled_is_followed_by_another(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, times=FAILURES_TO_OPEN)
    clock.seconds += OPEN_SECONDS
    circuit.begin()
    clock.seconds += OPEN_SECONDS
    assert not circuit.is_open
