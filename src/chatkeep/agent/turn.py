"""One turn of the assistant: history in, events out. No SQL, no HTTP.

A turn answers one user message. It is made of steps; a step is one call of the model, and all that follows from it.

    prompt ──> model ──> text and calls ──> check the calls ──> run the actions ──> done?
      ^                                                                               │ no
      └────────────────────────────────── next step ──────────────────────────────────┘

1. An event is emitted, and the emit awaited, before anything that follows from it is done. So the log says that an
   action runs before the action starts.
2. A reply is done when its arguments are valid. The actions of a step run side by side.
3. Of an answer with more than `MAX_CALLS` calls, these are run. One more fails, and stands for all that follow.
4. After a step the turn ends, waits, or goes on. The first line that fits decides:

       the model's answer was cut, or too long  ends: incomplete
       a client function was called, validly    waits: requires_action; a later turn resumes it
       an action ran, or a call is not valid    goes on with the next step, so that the model reads the results
       otherwise                                ends: completed

5. The model may correct itself `MAX_CORRECTIONS` times. After that a call that is not valid ends the turn, too:
   completed.
6. A turn that would need more than `MAX_STEPS` steps fails. A turn that resumes counts the steps before the wait.
7. Calls that are still open when the turn ends are closed where the run ends (`runs/end.py`).

The whole table is in docs/functions.md, "How a step continues".
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Literal, NamedTuple, TypeAlias

from chatkeep.agent.answer_limit import AnswerLimit
from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN, Recipient, fit_history, has_calls
from chatkeep.agent.step_calls import StepCalls, check_calls
from chatkeep.agent.usage_meter import UsageMeter
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, ProviderStateKept, StepStarted, ToolCallRunning
from chatkeep.chat.types import Kind, Message, RunEnd, StepPart, ToolCallPart, Usage
from chatkeep.errors import ModelRejected, ToolStepsExceeded
from chatkeep.llm import Model, Params, Prompt
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.finish_reasons import is_done
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool
from chatkeep.tools.execution import ValidatedCall, finished_event, run_calls

_log = logging.getLogger("chatkeep")

MAX_STEPS = 8
"""How many steps a turn has at most (docs/functions.md, "How a step continues")."""
MAX_CORRECTIONS = 2
"""How often a turn lets the model correct calls that are not valid (docs/functions.md, "Correction")."""
_CORRECTABLE_ERRORS = ("invalid_arguments", "unknown_function", "too_many_calls")
"""Codes of the errors that the model can correct."""

Emit: TypeAlias = Callable[[list[Event]], Awaitable[object]]
"""Takes the next events of a turn. The turn awaits the result before it goes on."""
LoadMessage: TypeAlias = Callable[[], Awaitable[Message]]
"""Loads the answer as the events emitted so far have made it.

It is called only before a second step. Most turns have one step, and need not keep in memory what the log has.
"""


class TurnInput(NamedTuple):
    """The input of a turn.

    `prompt` is the system prompt, `tools` are the functions on offer by name, `tool_timeout` is in seconds.
    `context_tokens` is the longest prompt, unless the model has a limit of its own.
    `history` ends with the user's message. `message` is the answer to it: empty in a new turn; in one that resumes,
    the answer as it was when it began to wait. `prior_usage`, `input_bytes` (of the prompts, in bytes of JSON) and
    `finish_reason` are those of the steps before the wait.
    `bytes_per_token` is the model's ratio as measured in this session, or None if it is not known yet.
    """

    model: str
    prompt: str
    params: Params
    tools: Mapping[str, Tool]
    tool_context: ToolContext
    tool_timeout: float
    history: Sequence[Message]
    message: Message
    context_tokens: int
    max_answer_bytes: int
    bytes_per_token: float | None
    prior_usage: Usage = Usage()
    input_bytes: int = 0
    finish_reason: str | None = None


class Outcome(NamedTuple):
    """How a turn ended, or that it waits for the client: then `waiting` has the ids of the calls it waits for."""

    status: RunEnd | Literal["requires_action"]
    finish_reason: str | None
    waiting: tuple[str, ...] = ()


class Turn:
    """One turn. Call `run` once; `usage` and `measure` may be read at any time."""

    def __init__(self, model: Model, turn_input: TurnInput) -> None:
        """Raises TurnFailed if `model` no longer has the model that is asked for."""
        self.finish_reason = turn_input.finish_reason  # the provider's last; `missing` if a stream ended without
        self._model = model
        self._input = turn_input
        self._call_ids = {part.call_id for part in turn_input.message.parts if isinstance(part, ToolCallPart)}
        bytes_per_token = turn_input.bytes_per_token or DEFAULT_BYTES_PER_TOKEN
        self._meter = UsageMeter(turn_input.prior_usage, turn_input.input_bytes, bytes_per_token)
        info = model.describe(turn_input.model)
        self._recipient = Recipient(info.provider, info.model)
        self._context_tokens = info.context_tokens or turn_input.context_tokens
        self._limit = AnswerLimit(turn_input.max_answer_bytes, turn_input.message)

    @property
    def usage(self) -> Usage:
        """The tokens so far: the provider's figures for finished steps, an estimate for the current one."""
        return Usage(*self._meter.measure())

    @property
    def input_bytes(self) -> int:
        """The size of the prompts so far, in bytes of JSON."""
        return self._meter.input_bytes

    def measure(self) -> tuple[int, int, bool, int, str | None]:
        """Return the fields of `usage`, then `input_bytes` and `finish_reason`. Every flush calls this."""
        return *self._meter.measure(), self._meter.input_bytes, self.finish_reason

    async def run(self, emit: Emit, load_message: LoadMessage) -> Outcome:
        """Carry out the turn, and return how it ended. `emit` gets its events.

        Raises:
            TurnFailed: the turn cannot go on.
            Exception: `emit` or `load_message` raised it.
        """
        message = self._input.message
        for number in range(_count_steps(message), MAX_STEPS):
            if number:
                started = StepStarted(index=len(message.parts))
                await emit([started])
                message = event_log.apply(message, started)
            step = Assembler(len(message.parts), self._find_kind, self._call_ids)
            await self._ask_model(step, message, emit)
            if self._limit.is_reached:  # some of the step's calls may have been cut off with it
                self.finish_reason = "length"
                return Outcome("incomplete", self.finish_reason)
            self.finish_reason = step.finish_reason or "missing"
            checked = check_calls(step, self._input.tools)
            if checked.events:
                await emit(checked.events)
            if checked.actions:
                await self._run_actions(checked.actions, emit)
            if outcome := self._find_outcome(step, checked):
                return outcome
            message = await load_message()
            if checked.has_invalid and count_corrections(message) > MAX_CORRECTIONS:
                return Outcome("completed", step.finish_reason)
        raise ToolStepsExceeded(f"the model still wants functions after {MAX_STEPS} calls")

    async def _ask_model(self, step: Assembler, message: Message, emit: Emit) -> None:
        """Ask the model to go on from `message`, the answer so far, and emit what it answers.

        A history with calls that the provider refuses is tried once more, with the calls told as text: it may lack what
        this provider wants beside them, and would be refused with every later message too.
        """
        try:
            await self._stream_answer(step, message, emit)
        except ModelRejected as refusal:
            gentler = self._find_gentler_recipient(message)
            if gentler == self._recipient or self._meter.has_output:
                raise
            _log.warning("the provider refused the history with its calls; they are told as text: %s", refusal)
            self._recipient = gentler
            self._meter.refuse_step()
            await self._stream_answer(step, message, emit)
        self._meter.end_step(step.tokens)

    def _find_gentler_recipient(self, message: Message) -> Recipient:
        """Return a recipient that gets the calls of earlier turns as text, or all if `message` has some."""
        if has_calls([message]):
            return self._recipient._replace(calls_as_text=True)
        return self._recipient._replace(earlier_as_text=has_calls(self._input.history))

    async def _stream_answer(self, step: Assembler, message: Message, emit: Emit) -> None:
        answer = self._model.stream(self._build_prompt(message))
        try:
            async for chunks in answer:
                events = self._limit.take(step.read(chunks))
                del chunks  # frees their memory before the wait: this frame lives as long as the stream
                if events:
                    self._meter.add_output(sum(map(event_log.position_length, events)))
                    await emit(events)
                if self._limit.is_reached:
                    break
        finally:
            await answer.aclose()  # without `aclosing`, whose object would live as long as the stream
        if self._limit.is_reached:
            return
        last = self._limit.take(step.finish())
        if not self._limit.is_reached:
            last += self._keep_states(step)
        if last:
            await emit(last)

    def _keep_states(self, step: Assembler) -> list[Event]:
        provider, model = self._recipient[:2]
        return [
            ProviderStateKept(index=index, provider=provider, model=model, value=value)
            for index, value in step.take_states()
        ]

    def _build_prompt(self, message: Message) -> Prompt:
        """Return the prompt of the next step, `message` being the answer so far."""
        turn_input = self._input
        offered = [tool.definition for tool in turn_input.tools.values()]
        budget = self._context_tokens * self._meter.bytes_per_token
        history = [*turn_input.history, message]
        fitted = fit_history(turn_input.prompt, history, offered, budget, self._recipient)
        self._meter.begin_step(fitted.size)
        return Prompt(turn_input.model, fitted.messages, offered, self._find_params(message))

    def _find_params(self, message: Message) -> Params:
        """Return the parameters of the next step. A call that is asked for is made in the first, or there is no end."""
        params = self._input.params
        is_first = not message.parts or params.get("tool_choice") == "none"
        return params if is_first else {name: value for name, value in params.items() if name != "tool_choice"}

    async def _run_actions(self, actions: Mapping[int, ValidatedCall], emit: Emit) -> None:
        await emit([ToolCallRunning(index=index) for index in actions])
        async with aclosing(run_calls(actions, self._input.tool_context, self._input.tool_timeout)) as finished:
            async for results in finished:
                await emit([finished_event(index, result) for index, result in results])

    def _find_outcome(self, step: Assembler, checked: StepCalls) -> Outcome | None:
        """Return how the turn ends with this step, or that it waits; None if it goes on."""
        reason = step.finish_reason
        if not is_done(reason):
            return Outcome("incomplete", self.finish_reason)
        if checked.waiting:
            return Outcome("requires_action", reason, checked.waiting)
        return None if checked.has_invalid or checked.actions else Outcome("completed", reason)

    def _find_kind(self, name: str) -> Kind | None:
        tool = self._input.tools.get(name)
        return tool.kind if tool else None


def _count_steps(message: Message) -> int:
    """Return how many steps `message` has: a step but the first begins with a `StepPart`."""
    return sum(isinstance(part, StepPart) for part in message.parts) + (1 if message.parts else 0)


def count_corrections(message: Message) -> int:
    """Return how many steps of `message` had a call that was not valid."""
    invalid_steps: set[int] = set()
    step = 0
    for part in message.parts:
        step += isinstance(part, StepPart)
        if isinstance(part, ToolCallPart) and part.error is not None and part.error.code in _CORRECTABLE_ERRORS:
            invalid_steps.add(step)
    return len(invalid_steps)
