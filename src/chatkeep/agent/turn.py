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
       a client function was called, validly    waits: requires_action; a later turn resumes it. If the client takes
                                                the call along (`takes_calls`), ends: completed
       an action ran, or a call is not valid    goes on with the next step, so that the model reads the results
       otherwise                                ends: completed

5. The model may correct itself `MAX_CORRECTIONS` times. After that a call that is not valid ends the turn, too:
   completed.
6. A turn that would need more than `MAX_STEPS` steps fails. A turn that resumes counts the steps before the wait, but
   not those of an answer that it continues.
7. Calls that are still open when the turn ends are closed where the run ends (`runs/end.py`).

The whole table is in docs/functions.md, "How a step continues".
"""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Literal, NamedTuple

from chatkeep.agent.context_window import is_unfinished
from chatkeep.agent.quotes import check_quotes
from chatkeep.agent.step_answers import StepAnswers
from chatkeep.agent.step_calls import StepCalls, check_calls
from chatkeep.agent.turn_input import Emit, LoadMessage, TurnInput, count_steps
from chatkeep.agent.usage_meter import TurnProgress
from chatkeep.chat import event_log
from chatkeep.chat.events import Event, Handover, StepStarted, ToolCallRunning
from chatkeep.chat.types import Message, RunEnd, StepPart, ToolCallPart, Usage
from chatkeep.errors import ToolStepsExceeded
from chatkeep.llm import Model
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.finish_reasons import is_done
from chatkeep.tools.execution import ValidatedCall, finished_event, run_calls

MAX_STEPS = 8
"""How many steps a turn has at most (docs/functions.md, "How a step continues")."""
MAX_CORRECTIONS = 2
"""How often a turn lets the model correct calls that are not valid (docs/functions.md, "Correction")."""
_CORRECTABLE_ERRORS = ("invalid_arguments", "unknown_function", "too_many_calls")
"""Codes of the errors that the model can correct."""


class Outcome(NamedTuple):
    """How a turn ended, or that it waits for the client: then `waiting` has the ids of the calls it waits for."""

    status: RunEnd | Literal["requires_action"]
    finish_reason: str | None
    waiting: tuple[str, ...] = ()


class Turn:
    """One turn. Call `run` once; `usage` may be read and `take_progress` called at any time."""

    def __init__(self, model: Model, turn_input: TurnInput) -> None:
        """Raises TurnFailed if `model` no longer has the model that is asked for."""
        self.finish_reason = turn_input.finish_reason  # the provider's last; `missing` if a stream ended without
        self._input = turn_input
        self._answers = StepAnswers(model, turn_input)

    @property
    def usage(self) -> Usage:
        """The tokens so far: the provider's figures for finished steps, an estimate for the current one."""
        return self._answers.meter.measure()

    @property
    def call_count(self) -> int:
        """How many calls of models the run has made so far."""
        return self._answers.meter.call_count

    @property
    def input_bytes(self) -> int:
        """The size of the prompts so far, in bytes of JSON."""
        return self._answers.meter.input_bytes

    def take_progress(self) -> TurnProgress:
        """Return the progress of the turn, for a flush. Calls of models that have ended are handed over once."""
        return self._answers.meter.take_progress(self.finish_reason)

    async def run(self, emit: Emit, load_message: LoadMessage) -> Outcome:
        """Carry out the turn, and return how it ended. `emit` gets its events.

        Raises:
            TurnFailed: the turn cannot go on.
            Exception: `emit` or `load_message` raised it.
        """
        message = self._input.message
        for _ in range(count_steps(self._input.own_parts(message)), MAX_STEPS):
            if message.parts:
                started = self._begin_step(message)
                await emit([started])
                message = event_log.apply(message, started)
            step = await self._answers.ask(message, emit, load_message)
            if self._answers.limit.is_reached:  # some of the step's calls may have been cut off with it
                self.finish_reason = "length"
                return Outcome("incomplete", self.finish_reason)
            self.finish_reason = step.finish_reason or "missing"
            checked = check_calls(step, self._input.tools)
            if checked.events:
                await emit(list(await check_quotes(checked.events, self._input)))
            if checked.actions:
                await self._run_actions(checked.actions, emit)
            if outcome := self._find_outcome(step, checked):
                return outcome
            message = await load_message()
            if checked.has_invalid and count_corrections(message) > MAX_CORRECTIONS:
                return Outcome("completed", step.finish_reason)
        raise ToolStepsExceeded(f"the model still wants functions after {MAX_STEPS} calls")

    def _begin_step(self, message: Message) -> Event:
        """Return the event that begins the next step of `message`, or goes on with the last one, which was cut."""
        index, continued = len(message.parts), self._input.continued
        if continued is None or continued.parts < index or not is_unfinished(message):
            return StepStarted(index=index)
        to_model = self._answers.model_name
        return Handover(index=index, from_model=continued.model, to_model=to_model, reason="continue")

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
        if checked.waiting and self._input.takes_calls:
            return Outcome("completed", reason)
        if checked.waiting:
            return Outcome("requires_action", reason, checked.waiting)
        return None if checked.has_invalid or checked.actions else Outcome("completed", reason)


def count_corrections(message: Message) -> int:
    """Return how many steps of `message` had a call that was not valid."""
    invalid_steps: set[int] = set()
    step = 0
    for part in message.parts:
        step += isinstance(part, StepPart)
        if isinstance(part, ToolCallPart) and part.error is not None and part.error.code in _CORRECTABLE_ERRORS:
            invalid_steps.add(step)
    return len(invalid_steps)
