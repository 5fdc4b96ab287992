"""One turn: ask the model, deal with the functions it calls, ask again. History in, events out; no SQL, no HTTP."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import reduce
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep import log
from chatkeep.assembler import Assembler, Call
from chatkeep.context import BYTES_PER_TOKEN, fit
from chatkeep.errors import ToolStepsExceeded
from chatkeep.events import Event, StepStarted, ToolCallFinished, ToolCallReady
from chatkeep.llm import Model, Prompt
from chatkeep.tools import InvalidArguments, Tool, parse
from chatkeep.types import CallError, Kind, Message, RunEnd, Usage

MAX_STEPS = 8
"""Model calls in a turn (protocol §8)."""
MAX_CORRECTIONS = 2
"""How often a turn lets the model correct a call that was not valid (protocol §8)."""
_HELD = 64
"""Events of a step that are held before they are merged: what was said is kept once, not piece by piece."""


class Given(NamedTuple):
    """What a turn starts from. `history` ends with the user's message; `message` is the empty answer to it."""

    model: str
    prompt: str
    temperature: float | None
    tools: Mapping[str, Tool]
    history: Sequence[Message]
    message: Message
    context_tokens: int
    bytes_per_token: float | None


class Outcome(NamedTuple):
    """How a turn ended."""

    status: RunEnd
    finish_reason: str | None


class _Checked(NamedTuple):
    events: list[Event]
    valid: bool


class Turn:
    """A turn as it happens. After `events` is exhausted, `outcome` says how it ended."""

    def __init__(self, model: Model, given: Given) -> None:
        self.finish_reason: str | None = None
        self.outcome: Outcome | None = None
        self.input_bytes = 0
        self._model = model
        self._given = given
        self._ratio = given.bytes_per_token or BYTES_PER_TOKEN
        self._offered = [tool.offered() for tool in given.tools.values()]
        self._message = given.message
        self._call_ids: set[str] = set()
        self._corrections = 0
        self._counted = Usage()
        self._prompt_bytes = 0  # of the step under way
        self._said = 0  # characters that came in it

    @property
    def usage(self) -> Usage:
        """The tokens so far: as the provider counted them for finished steps, estimated for the one under way."""
        if not self._prompt_bytes:
            return self._counted
        return Usage(
            self._counted.input_tokens + round(self._prompt_bytes / self._ratio),
            self._counted.output_tokens + round(self._said / self._ratio),
            estimated=True,
        )

    async def events(self) -> AsyncGenerator[Sequence[Event]]:
        """What happens, as it happens. Whoever takes an event has written it down before the next one comes.

        Raises:
            TurnFailed: the turn cannot go on.
        """
        for number in range(MAX_STEPS):
            if number:
                yield self._noted([StepStarted(index=len(self._message.parts))])
            step = Assembler(len(self._message.parts), self._kind_of, self._call_ids)
            async with aclosing(self._ask(step)) as answer:
                async for events in answer:
                    yield events
            checked = self._check(step)
            if checked.events:
                yield self._noted(checked.events)
            if self._is_over(step, valid=checked.valid):
                return
        raise ToolStepsExceeded(f"the model still wants functions after {MAX_STEPS} calls")

    async def _ask(self, step: Assembler) -> AsyncGenerator[Sequence[Event]]:
        given = self._given
        budget = given.context_tokens * self._ratio
        fitted = fit(given.prompt, [*given.history, self._message], self._offered, budget)
        self._prompt_bytes, self._said = fitted.size, 0
        self.input_bytes += fitted.size
        prompt = Prompt(given.model, fitted.messages, self._offered, given.temperature)
        held: list[Event] = []
        most = _HELD
        async with aclosing(self._model.stream(prompt)) as answer:
            async for chunks in answer:
                events = [event for chunk in chunks for event in step.feed(chunk)]
                if events:
                    self._said += sum(map(log.units, events))
                    held += events
                    if len(held) > most:
                        held = log.merge(held, limit=None)
                        most = _HELD + 2 * len(held)
                    yield events
        if last := step.finish():
            yield last
        self._noted([*held, *last])
        self._count(step)

    def _check(self, step: Assembler) -> _Checked:
        """What becomes of the calls of a step that has come to its end."""
        self.finish_reason = step.finish_reason
        if step.finish_reason is None:  # cut off: whoever closes the run closes the calls
            return _Checked([], valid=False)
        checked = [self._check_call(call) for call in step.calls]
        return _Checked([event for each in checked for event in each.events], all(each.valid for each in checked))

    def _check_call(self, call: Call) -> _Checked:
        index = call.index
        assert index is not None, "a step that is finished has given every call its part"
        tool = self._given.tools.get(call.name)
        try:
            if tool is None:
                known = ", ".join(self._given.tools) or "none"
                return _failed(index, "unknown_function", f"there is no function {call.name!r}; known: {known}")
            arguments = tool.check(parse(call.arguments_text))
        except InvalidArguments as error:
            return _failed(index, "invalid_arguments", str(error))
        ready = ToolCallReady(index=index, arguments=arguments)
        return _Checked([ready, ToolCallFinished(index=index, state="succeeded", output=arguments)], valid=True)

    def _is_over(self, step: Assembler, *, valid: bool) -> bool:
        """Whether the turn ends with this step; sets `outcome` when it does."""
        if step.finish_reason in (None, "length", "content_filter"):
            self.outcome = Outcome("incomplete", step.finish_reason or "missing")
        elif valid or self._corrections == MAX_CORRECTIONS:
            self.outcome = Outcome("completed", step.finish_reason)
        else:
            self._corrections += 1
        return self.outcome is not None

    def _count(self, step: Assembler) -> None:
        """Take the step into the count: the provider's own figures where it gave them."""
        estimate, tokens = self.usage, step.tokens
        self._prompt_bytes = 0
        if tokens is None or tokens.prompt_tokens is None or tokens.completion_tokens is None:
            self._counted = estimate
            return
        self._counted = replace(
            self._counted,
            input_tokens=self._counted.input_tokens + tokens.prompt_tokens,
            output_tokens=self._counted.output_tokens + tokens.completion_tokens,
        )

    def _kind_of(self, name: str) -> Kind | None:
        tool = self._given.tools.get(name)
        return tool.kind if tool else None

    def _noted(self, events: list[Event]) -> list[Event]:
        """`events`, after taking them into the message that the next step is asked with."""
        self._message = reduce(log.apply, log.merge(events, limit=None), self._message)
        return events


def _failed(index: int, code: str, message: str) -> _Checked:
    return _Checked([ToolCallFinished(index=index, state="failed", error=CallError(code, message))], valid=False)
