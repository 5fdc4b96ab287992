"""Checks the calls of a step: which functions run, which are replies, and which the model has to correct."""

from collections.abc import Mapping
from typing import NamedTuple

from chatkeep.chat.events import Event, ToolCallReady
from chatkeep.chat.types import CallError
from chatkeep.llm.assembler import Assembler
from chatkeep.llm.finish_reasons import is_done
from chatkeep.llm.streamed_call import MAX_CALLS, StreamedCall
from chatkeep.tools.arguments import InvalidArguments, parse_arguments
from chatkeep.tools.declaration import Tool
from chatkeep.tools.execution import ToolResult, ValidatedCall, finished_event


class StepCalls(NamedTuple):
    """The calls of a step, checked: the events of the check, the actions to run by part, the ids of client calls."""

    events: list[Event]
    has_invalid: bool
    actions: Mapping[int, ValidatedCall]
    waiting: tuple[str, ...]


class _InvalidCall(Exception):  # noqa: N818  # named for what it is
    """A call that is not valid, and is not run. The message is written for the model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_calls(step: Assembler, tools: Mapping[str, Tool]) -> StepCalls:
    """Return the calls of a finished step, with the events that say which of them are valid.

    `tools` are the functions on offer, by name.
    """
    if step.finish_reason is None:  # the answer was cut off: its calls are closed where the run ends
        return StepCalls([], False, {}, ())
    is_cut = not is_done(step.finish_reason)
    events: list[Event] = []
    has_invalid = False
    actions: dict[int, ValidatedCall] = {}
    waiting: list[str] = []
    for number, call in enumerate(step.calls):
        assert call.index is not None, "a step that is finished has given every call its part"
        try:
            valid = _validate_call(call, number, tools)
        except _InvalidCall as error:
            events.append(finished_event(call.index, ToolResult(None, CallError(error.code, str(error)))))
            has_invalid = True
            continue
        events.append(ToolCallReady(index=call.index, arguments=valid.arguments))
        if valid.tool.kind == "reply":
            events.append(finished_event(call.index, ToolResult(valid.arguments)))
        elif is_cut:
            continue  # the model was not done: the call is closed where the run ends
        elif valid.tool.kind == "action":
            actions[call.index] = valid
        else:
            waiting.append(call.call_id)
    return StepCalls(events, has_invalid, actions, tuple(waiting))


def _validate_call(call: StreamedCall, number: int, tools: Mapping[str, Tool]) -> ValidatedCall:
    """Return `call` with its arguments parsed and checked. `number` calls of the step come before it.

    Raises:
        _InvalidCall: the arguments are not valid, no such function is on offer, or there are too many calls.
    """
    if number >= MAX_CALLS:
        message = f"at most {MAX_CALLS} calls at a time: this one and all that followed it were not done"
        raise _InvalidCall("too_many_calls", message)
    tool = tools.get(call.name)
    if tool is None:
        known = ", ".join(tools) or "none"
        raise _InvalidCall("unknown_function", f"there is no function {call.name!r}; known: {known}")
    try:
        return ValidatedCall(tool, tool.check(parse_arguments(call.arguments_text)))
    except InvalidArguments as error:
        raise _InvalidCall("invalid_arguments", str(error)) from error
