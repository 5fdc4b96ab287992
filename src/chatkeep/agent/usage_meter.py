"""Counts the tokens of a turn: the provider's figures for finished steps, an estimate for the one that goes on."""

from msgspec.structs import replace

from chatkeep.chat.types import Usage
from chatkeep.llm.chunks import TokenCounts


class UsageMeter:
    """The tokens of one turn.

    `input_bytes` is the size of all its prompts, in bytes of JSON; with the provider's figures it calibrates
    `bytes_per_token`.
    """

    __slots__ = ("_finished", "_output_chars", "_prompt_bytes", "bytes_per_token", "input_bytes")

    def __init__(self, prior: Usage, input_bytes: int, bytes_per_token: float) -> None:
        """`prior` and `input_bytes` are those of the steps before the turn waited."""
        self.input_bytes = input_bytes
        self.bytes_per_token = bytes_per_token
        self._finished = prior
        self._prompt_bytes = 0  # of the current step's prompt; 0 between steps
        self._output_chars = 0  # of the current step's answer

    @property
    def has_output(self) -> bool:
        """True if the current step has brought something."""
        return self._output_chars > 0

    def begin_step(self, prompt_bytes: int) -> None:
        """Begin to count a step whose prompt has that size, in bytes of JSON."""
        self._prompt_bytes, self._output_chars = prompt_bytes, 0
        self.input_bytes += prompt_bytes

    def refuse_step(self) -> None:
        """Take back the step that has begun: its prompt was not read."""
        self.input_bytes -= self._prompt_bytes
        self._prompt_bytes = 0

    def add_output(self, chars: int) -> None:
        """Add to the current step's answer."""
        self._output_chars += chars

    def end_step(self, tokens: TokenCounts | None) -> None:
        """End the current step: the provider's figures count, or the estimate where it sent none."""
        estimate = Usage(*self.measure())
        self._prompt_bytes = 0
        if tokens is None or tokens.prompt_tokens is None or tokens.completion_tokens is None:
            self._finished = estimate
            return
        self._finished = replace(
            self._finished,
            input_tokens=self._finished.input_tokens + tokens.prompt_tokens,
            output_tokens=self._finished.output_tokens + tokens.completion_tokens,
        )

    def measure(self) -> tuple[int, int, bool]:
        """Return input tokens, output tokens, and True if some of them are estimated. Every flush calls this."""
        finished = self._finished
        if not self._prompt_bytes:
            return finished.input_tokens, finished.output_tokens, finished.estimated
        input_tokens = finished.input_tokens + round(self._prompt_bytes / self.bytes_per_token)
        output_tokens = finished.output_tokens + round(self._output_chars / self.bytes_per_token)
        return input_tokens, output_tokens, True
