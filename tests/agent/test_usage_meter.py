"""The meter of a turn: what counts, what is estimated, what it costs."""

from itertools import count

import pytest

from chatkeep.agent.usage_meter import UsageMeter
from chatkeep.chat.model_call import MAX_COST, CallPrice, ModelCall
from chatkeep.chat.types import Usage
from chatkeep.errors import ModelRejected, ModelTimeout, ModelUnavailable
from chatkeep.llm import ModelInfo
from chatkeep.llm.chunks import MAX_TOKENS, InputDetails, OutputDetails, TokenCounts

PRICE = CallPrice(input=0.25, cached_input=0.025, output=2.0)
INFO = ModelInfo("host", "upstream", price=PRICE, label="one")


def meter(prior: Usage = Usage(), prior_calls: int = 0) -> UsageMeter:  # noqa: B008  # frozen
    """Return a meter of four bytes a token, whose clock goes on by a second each time it is asked."""
    seconds = count()
    return UsageMeter(prior, prior_calls, 0, 4.0, lambda: next(seconds))


def begun(**changes: object) -> UsageMeter:
    """Return a meter with a call that goes on, of a prompt of 400 bytes."""
    new = meter()
    new.begin_call(1, "fast", INFO._replace(**changes), 400)
    return new


def test_a_call_has_the_provider_s_figures_and_their_price() -> None:
    one = begun()
    one.add_output(8)
    counts = TokenCounts(1000, 50, 1050, InputDetails(600), OutputDetails(20))
    one.end_call("completed", counts)
    usage, ended = one.take_progress("stop")[0], one.take_progress("stop").ended
    assert usage == Usage(1000, 50, 600, 20, cost=400 * 250 + 600 * 25 + 50 * 2000)
    assert ended == []  # they were handed over


def test_a_call_says_what_it_was_and_how_long_it_took() -> None:
    one = begun()
    one.add_output(8)
    one.end_call("completed", TokenCounts(100, 5))
    (call,) = one.take_progress("stop").ended
    assert call == ModelCall(
        number=1, step=1, model="fast", provider="one", input_tokens=100, cached_input_tokens=0, output_tokens=5,
        reasoning_tokens=0, estimated=False, cost=100 * 250 + 5 * 2000, first_token_ms=1000, duration_ms=2000,
        outcome="completed",
    )  # fmt: skip


def test_a_call_that_goes_on_is_estimated() -> None:
    one = begun()
    one.add_output(40)
    progress = one.take_progress(None)
    assert progress.usage == one.measure() == Usage(100, 10, cost=100 * 250 + 10 * 2000, estimated=True)
    assert progress.open_call is not None
    assert (progress.open_call.outcome, progress.open_call.estimated, progress.ended) == (None, True, [])


def test_a_call_without_figures_stays_estimated() -> None:
    for counts in (None, TokenCounts(7), TokenCounts(None, 7)):
        one = begun()
        one.add_output(40)
        one.end_call("incomplete", counts)
        assert one.measure() == Usage(100, 10, cost=100 * 250 + 10 * 2000, estimated=True)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (TokenCounts(20, 424, 1016), (20, 0, 996, 572)),  # Gemini: thoughts are in the total alone
        (TokenCounts(32, 9, 135, None, OutputDetails(94)), (32, 0, 103, 94)),  # xAI: likewise, and named
        (TokenCounts(50, 5, prompt_cache_hit_tokens=30), (50, 30, 5, 0)),  # DeepSeek
        (TokenCounts(50, 5, cached_tokens=30), (50, 30, 5, 0)),  # Moonshot
        (TokenCounts(50, 5, 3), (50, 0, 5, 0)),
        (TokenCounts(50, 5, None, InputDetails(51), OutputDetails(6)), (50, 50, 5, 5)),
        (TokenCounts(50, 5, None, InputDetails(), OutputDetails()), (50, 0, 5, 0)),
    ],
)
def test_figures_are_read_as_their_provider_means_them(counts: TokenCounts, expected: tuple[int, ...]) -> None:
    one = begun()
    one.end_call("completed", counts)
    usage = one.measure()
    read = (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens)
    assert read == expected


def test_a_call_that_was_not_read_costs_nothing() -> None:
    one = begun()
    one.fail_call(ModelRejected("no"))
    assert (one.measure(), one.input_bytes) == (Usage(cost=0), 0)
    (call,) = one.take_progress(None).ended
    assert (call.outcome, call.input_tokens, call.estimated) == ("model_rejected", 0, False)


def test_a_call_that_may_have_been_read_is_estimated() -> None:
    for failure, chars in ((ModelTimeout("slow"), 0), (ModelUnavailable("torn"), 4)):
        one = begun()
        if chars:
            one.add_output(chars)
        one.fail_call(failure)
        assert one.measure() == Usage(100, chars // 4, cost=100 * 250 + chars // 4 * 2000, estimated=True)


def test_figures_count_even_if_the_call_fails_after_them() -> None:
    one = begun()
    one.fail_call(ModelUnavailable("torn"), TokenCounts(9, 3))
    assert one.measure() == Usage(9, 3, cost=9 * 250 + 3 * 2000)


def test_a_request_that_is_repeated_is_a_call_of_its_own() -> None:
    one = begun()
    one.retry_call(ModelUnavailable("503"), 4.5)
    one.end_call("completed", TokenCounts(9, 3))
    first, second = one.take_progress("stop").ended
    assert [(call.number, call.step, call.outcome) for call in (first, second)] == [
        (1, 1, "model_unavailable"),
        (2, 1, "completed"),
    ]
    assert (first.duration_ms, second.duration_ms) == (1000, 0)  # the pause is in neither
    assert one.measure() == Usage(9, 3, cost=9 * 250 + 3 * 2000)
    assert one.input_bytes == 400


def test_the_cost_is_unknown_if_that_of_one_call_is() -> None:
    one = begun()
    one.end_call("completed", TokenCounts(9, 3))
    one.begin_call(2, "local", INFO._replace(price=None, label=""), 400)
    one.end_call("completed", TokenCounts(1, 1))
    assert one.measure() == Usage(10, 4)
    assert [call.provider for call in one.take_progress("stop").ended] == ["one", "host"]


def test_a_turn_that_waited_goes_on_counting() -> None:
    one = meter(Usage(10, 4, cost=7), prior_calls=2)
    one.begin_call(3, "fast", INFO, 400)
    one.end_call("completed", TokenCounts(1, 1))
    assert one.measure() == Usage(11, 5, cost=7 + 250 + 2000)
    assert one.take_progress("stop").ended[0].number == 3


def test_no_cost_is_too_large_to_store() -> None:
    price = CallPrice(1e300, 1e300, 1e300)
    assert price.cost(MAX_TOKENS, 5, MAX_TOKENS) == MAX_COST
    assert CallPrice(0.001, 0, 0).cost(1, 0, 0) == 1
