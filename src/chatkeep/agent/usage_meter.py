"""Counts the tokens of a turn and what they cost, call by call (`chat/model_call.py`).

    begin_call ──▶ add_output … ──▶ end_call    the answer has ended
                                └─▶ fail_call   it failed: before it was read, it is taken back

The provider's figures count. A call that goes on is estimated, and so is one that ended without figures. A call that is
still open when the turn is stopped is ended with the run (`runs/end.py`).
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from chatkeep.chat.model_call import CallOutcome, ModelCall
from chatkeep.chat.types import Usage
from chatkeep.errors import TurnFailed
from chatkeep.llm import ModelInfo
from chatkeep.llm.chunks import TokenCounts


class TurnProgress(NamedTuple):
    """The progress of a turn at a flush.

    `input_bytes` is the size of its prompts, in bytes of JSON. `ended` are the calls that have ended since the progress
    was taken before, `open_call` is the one that goes on.
    """

    usage: Usage
    input_bytes: int
    finish_reason: str | None
    ended: Sequence[ModelCall] = ()
    open_call: ModelCall | None = None


class _Target(NamedTuple):
    """The model that is called, in which step of the turn, and with a prompt of how many bytes of JSON."""

    step: int
    model: str
    info: ModelInfo
    prompt_bytes: int


class _Tokens(NamedTuple):
    input: int
    cached_input: int
    output: int
    reasoning: int


class UsageMeter:
    """The tokens of one turn.

    `input_bytes` is the size of all its prompts, in bytes of JSON; with the provider's figures it calibrates
    `bytes_per_token`. `call_count` is how many calls of the run have begun.
    """

    __slots__ = (
        "_begun_at", "_ended", "_finished", "_first_at", "_is_open", "_now", "_output_chars", "_target",
        "bytes_per_token", "call_count", "input_bytes",
    )  # fmt: skip

    def __init__(
        self,
        prior: Usage,
        prior_calls: int,
        input_bytes: int,
        bytes_per_token: float,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """`prior`, `prior_calls` and `input_bytes` are those of the steps before the turn waited.

        `now` returns a time in seconds: differences between two of them are how long a call takes.
        """
        self.input_bytes = input_bytes
        self.bytes_per_token = bytes_per_token
        self.call_count = prior_calls
        self._finished = prior
        self._ended: list[ModelCall] = []  # since they were taken before
        self._now = now
        self._is_open = False
        self._target = _Target(0, "", ModelInfo("", ""), 0)  # of the latest call, as all below
        self._output_chars = 0
        self._begun_at = 0.0
        self._first_at: float | None = None  # when its answer began

    @property
    def has_output(self) -> bool:
        """True if the latest call has brought something."""
        return self._output_chars > 0

    def begin_call(self, step: int, model: str, info: ModelInfo, prompt_bytes: int) -> None:
        """Begin to count a call of `model` (its name for clients), in the step of that number (from 1).

        `prompt_bytes` is the size of its prompt, in bytes of JSON.
        """
        self._target = _Target(step, model, info, prompt_bytes)
        self._begin(self._now())

    def add_output(self, chars: int) -> None:
        """Add to the answer of the call that goes on."""
        if self._first_at is None:
            self._first_at = self._now()
        self._output_chars += chars

    def end_call(self, outcome: CallOutcome, counts: TokenCounts | None) -> None:
        """End the call that goes on: the provider's figures count, or the estimate where it sent none."""
        tokens = _read_counts(counts)
        self._end(self._describe(tokens or self._estimate(), outcome, estimated=tokens is None))

    def fail_call(self, failure: TurnFailed, counts: TokenCounts | None = None) -> None:
        """End the call that goes on, if one does, with `failure`. If it was not read, it has no tokens."""
        if not self._is_open:
            return
        if failure.is_charged or self.has_output or counts is not None:
            self.end_call(failure.code, counts)
        else:
            self.input_bytes -= self._target.prompt_bytes
            self._end(self._describe(_Tokens(0, 0, 0, 0), failure.code, estimated=False))

    def retry_call(self, failure: TurnFailed, pause_seconds: float) -> None:
        """End the call that goes on with `failure`; the same one begins again after the pause."""
        self.fail_call(failure)
        self._begin(self._now() + pause_seconds)

    def measure(self) -> Usage:
        """Return the tokens and the cost so far, the call that goes on as estimated."""
        return self._sum(self._describe_open())

    def take_progress(self, finish_reason: str | None) -> TurnProgress:
        """Return the progress of the turn. Every flush calls this; the calls that have ended are handed over once."""
        ended, self._ended = self._ended, []
        open_call = self._describe_open()
        return TurnProgress(self._sum(open_call), self.input_bytes, finish_reason, ended, open_call)

    def _begin(self, begun_at: float) -> None:
        self._begun_at, self._first_at, self._output_chars = begun_at, None, 0
        self._is_open = True
        self.call_count += 1
        self.input_bytes += self._target.prompt_bytes

    def _end(self, call: ModelCall) -> None:
        self._finished = self._sum(call)
        self._ended.append(call)
        self._is_open = False

    def _describe_open(self) -> ModelCall | None:
        return self._describe(self._estimate(), None, estimated=True) if self._is_open else None

    def _estimate(self) -> _Tokens:
        per_token = self.bytes_per_token
        return _Tokens(round(self._target.prompt_bytes / per_token), 0, round(self._output_chars / per_token), 0)

    def _describe(self, tokens: _Tokens, outcome: CallOutcome | None, *, estimated: bool) -> ModelCall:
        (step, model, info, _), (input_tokens, cached, output_tokens, reasoning) = self._target, tokens
        cost = info.price.cost(input_tokens, cached, output_tokens) if info.price else None
        first_ms = None if self._first_at is None else max(0, int((self._first_at - self._begun_at) * 1000))
        lasted_ms = max(0, int((self._now() - self._begun_at) * 1000))
        return ModelCall(  # by place: 0.05 µs less than with names, at every flush
            self.call_count, step, model, info.label or info.provider, input_tokens, cached, output_tokens, reasoning,
            estimated, cost, first_ms, lasted_ms, outcome,
        )  # fmt: skip

    def _sum(self, call: ModelCall | None) -> Usage:
        """Return what has ended before, and `call`."""
        total = self._finished
        if call is None:
            return total
        before = 0 if call.number == 1 else total.cost
        return Usage(
            total.input_tokens + call.input_tokens,
            total.output_tokens + call.output_tokens,
            total.cached_input_tokens + call.cached_input_tokens,
            total.reasoning_tokens + call.reasoning_tokens,
            None if before is None or call.cost is None else before + call.cost,
            total.estimated or call.estimated,
        )


def _read_counts(counts: TokenCounts | None) -> _Tokens | None:
    """Return the provider's figures; None if it did not send both.

    No prompt is empty, so 0 tokens of one were not counted: servers that do not count say so, and Ollama for a prompt
    that is in its cache.

    Gemini and xAI leave the reasoning out of `completion_tokens`, but not out of `total_tokens`: it is output, and they
    charge it as such. More than all of a kind cannot be cached, or reasoning.
    """
    if counts is None or not counts.prompt_tokens or counts.completion_tokens is None:
        return None
    hidden = max(0, (counts.total_tokens or 0) - counts.prompt_tokens - counts.completion_tokens)
    output = counts.completion_tokens + hidden
    return _Tokens(
        counts.prompt_tokens, min(counts.cached, counts.prompt_tokens), output, min(counts.reasoning or hidden, output)
    )
