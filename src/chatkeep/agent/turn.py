"""One turn: ask the model, deal with the functions it calls, ask again. History in, events out; no SQL, no HTTP."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN, fit_history
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, StepStarted, ToolCallReady, ToolCallRunning
from chatkeep.chat.types import CallError, Kind, Message, RunEnd, StepPart, ToolCallPart, Usage
from chatkeep.errors import ToolStepsExceeded
from chatkeep.llm import Model, Prompt
from chatkeep.llm.assembler import Assembler, StreamedCall
from chatkeep.tools.arguments import InvalidArguments, parse
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool
from chatkeep.tools.execution import ToolResult, ValidatedCall, finished_event, run_calls

MAX_STEPS = 8
"""Model calls in a turn (protocol §8)."""
MAX_CORRECTIONS = 2
"""How often a turn lets the model correct a call that was not valid (protocol §8)."""
_CUT = ("length", "content_filter")
"""Finish reasons that say that the model was not done."""
_CORRECTED = ("invalid_arguments", "unknown_function")
"""Errors that the model can correct."""

Emit: TypeAlias = Callable[[list[Event]], Awaitable[object]]
"""What takes the events of a turn. What it returns is awaited before the turn goes on."""
LoadMessage: TypeAlias = Callable[[], Awaitable[Message]]
"""The message as all that was taken has made it. A turn asks only when it goes on with another step: most end with
their first, and need not hold an answer that the log has."""


class TurnInput(NamedTuple):
    """What a turn starts from.

    `history` ends with the user's message; `message` is the answer to it: empty, or as far as it had got when the
    turn began to wait for the client. `counted`, `input_bytes` and `finish_reason` are of the model calls until then.
    """

    model: str
    prompt: str
    temperature: float | None
    tools: Mapping[str, Tool]
    caller: ToolContext
    tool_timeout: float
    history: Sequence[Message]
    message: Message
    context_tokens: int
    bytes_per_token: float | None
    counted: Usage = Usage()
    input_bytes: int = 0
    finish_reason: str | None = None


class Outcome(NamedTuple):
    """How a turn ended; or that it waits for the client, for the calls with the ids `waiting`."""

    status: RunEnd | Literal["requires_action"]
    finish_reason: str | None
    waiting: tuple[str, ...] = ()


class _InvalidCall(Exception):  # noqa: N818  # what it is
    """A call that is not run; the message is for the model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _StepCalls(NamedTuple):
    """The calls of a step after a look at their arguments."""

    events: list[Event]
    failed: int
    actions: Mapping[int, ValidatedCall]
    waiting: tuple[str, ...]
    replies: int


class Turn:
    """A turn, to be `run` once."""

    def __init__(self, model: Model, turn_input: TurnInput) -> None:
        self.input_bytes = turn_input.input_bytes
        self.finish_reason = turn_input.finish_reason  # the provider's last one; `missing` where a stream ended without
        self._model = model
        self._input = turn_input
        self._ratio = turn_input.bytes_per_token or DEFAULT_BYTES_PER_TOKEN
        self._call_ids = {part.call_id for part in turn_input.message.parts if isinstance(part, ToolCallPart)}
        self._counted = turn_input.counted
        self._prompt_bytes = 0  # of the step under way
        self._said = 0  # characters that came in it

    @property
    def usage(self) -> Usage:
        """The tokens so far: as the provider counted them for finished steps, estimated for the one under way."""
        return Usage(*self.measure()[:3])

    def measure(self) -> tuple[int, int, bool, int, str | None]:
        """The fields of `usage`, `input_bytes` and `finish_reason`: what every flush asks for."""
        counted, more = self._counted, (self.input_bytes, self.finish_reason)
        if not self._prompt_bytes:
            return counted.input_tokens, counted.output_tokens, counted.estimated, *more
        read, said = round(self._prompt_bytes / self._ratio), round(self._said / self._ratio)
        return counted.input_tokens + read, counted.output_tokens + said, True, *more

    async def run(self, take: Emit, said: LoadMessage) -> Outcome:
        """Let it happen; how it ended. Each event is written down by `take` before what comes of it is done.

        Raises:
            TurnFailed: the turn cannot go on.
            Exception: whatever `take` or `said` raises.
        """
        message = self._input.message
        for number in range(_count_steps(message), MAX_STEPS):
            if number:
                started = StepStarted(index=len(message.parts))
                await take([started])
                message = event_log.apply(message, started)
            step = Assembler(len(message.parts), self._kind_of, self._call_ids)
            await self._ask(step, message, take)
            self.finish_reason = step.finish_reason or "missing"
            checked = self._check(step)
            if checked.events:
                await take(checked.events)
            if checked.actions:
                await take([ToolCallRunning(index=index) for index in checked.actions])
                async with aclosing(run_calls(checked.actions, self._input.caller, self._input.tool_timeout)) as ends:
                    async for some in ends:
                        await take([finished_event(index, returned) for index, returned in some])
            if outcome := self._outcome(step, checked):
                return outcome
            message = await said()
            if checked.failed and count_corrections(message) > MAX_CORRECTIONS:
                return Outcome("completed", step.finish_reason)
        raise ToolStepsExceeded(f"the model still wants functions after {MAX_STEPS} calls")

    async def _ask(self, step: Assembler, message: Message, take: Emit) -> None:
        answer = self._model.stream(self._prompt(message))
        try:
            async for chunks in answer:
                events = step.read(chunks)
                del chunks  # what waits here, with each stream that is open, is to be little
                if events:
                    self._said += sum(map(event_log.position_length, events))
                    await take(events)
        finally:
            await answer.aclose()  # as `aclosing` would, which would be kept as long as the model speaks
        if last := step.finish():
            await take(last)
        self._count(step)

    def _prompt(self, message: Message) -> Prompt:
        """What the next step asks the model, `message` being its answer so far."""
        turn_input = self._input
        offered = [tool.definition for tool in turn_input.tools.values()]
        budget = turn_input.context_tokens * self._ratio
        fitted = fit_history(turn_input.prompt, [*turn_input.history, message], offered, budget)
        self._prompt_bytes, self._said = fitted.size, 0
        self.input_bytes += fitted.size
        return Prompt(turn_input.model, fitted.messages, offered, turn_input.temperature)

    def _check(self, step: Assembler) -> _StepCalls:
        """What becomes of the calls of a step that has come to its end."""
        if step.finish_reason is None:  # cut off: whoever closes the run closes the calls
            return _StepCalls([], 0, {}, (), 0)
        cut = step.finish_reason in _CUT
        events: list[Event] = []
        actions: dict[int, ValidatedCall] = {}
        waiting: list[str] = []
        replies = 0
        for call in step.calls:
            assert call.index is not None, "a step that is finished has given every call its part"
            try:
                begun = self._validate_call(call)
            except _InvalidCall as bad:
                events.append(finished_event(call.index, ToolResult(None, CallError(bad.code, str(bad)))))
                continue
            events.append(ToolCallReady(index=call.index, arguments=begun.arguments))
            if begun.tool.kind == "reply":
                events.append(finished_event(call.index, ToolResult(begun.arguments)))
                replies += 1
            elif cut:
                continue  # whoever closes the run closes the call: the model was not done
            elif begun.tool.kind == "action":
                actions[call.index] = begun
            else:
                waiting.append(call.call_id)
        failed = len(step.calls) - replies - len(actions) - len(waiting)
        return _StepCalls(events, failed, actions, tuple(waiting), replies)

    def _validate_call(self, call: StreamedCall) -> ValidatedCall:
        """A call whose arguments are valid.

        Raises:
            _BadCall: they are not, or nobody knows the function.
        """
        tool = self._input.tools.get(call.name)
        if tool is None:
            known = ", ".join(self._input.tools) or "none"
            raise _InvalidCall("unknown_function", f"there is no function {call.name!r}; known: {known}")
        try:
            return ValidatedCall(tool, tool.check(parse(call.arguments_text)))
        except InvalidArguments as error:
            raise _InvalidCall("invalid_arguments", str(error)) from error

    def _outcome(self, step: Assembler, checked: _StepCalls) -> Outcome | None:
        """How the turn ends, or that it has to wait, with this step; None if it goes on."""
        reason = step.finish_reason
        if reason is None or reason in _CUT:
            return Outcome("incomplete", self.finish_reason)
        if checked.waiting:
            return Outcome("requires_action", reason, checked.waiting)
        return None if checked.failed or checked.actions else Outcome("completed", reason)

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
        tool = self._input.tools.get(name)
        return tool.kind if tool else None


def _count_steps(message: Message) -> int:
    """How often the model was asked for `message` so far."""
    return sum(isinstance(part, StepPart) for part in message.parts) + (1 if message.parts else 0)


def count_corrections(message: Message) -> int:
    """How many steps of `message` had a call that was not valid: each was corrected, or given up."""
    wrong: set[int] = set()
    step = 0
    for part in message.parts:
        step += isinstance(part, StepPart)
        if isinstance(part, ToolCallPart) and part.error is not None and part.error.code in _CORRECTED:
            wrong.add(step)
    return len(wrong)
