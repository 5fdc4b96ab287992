"""Running actions: each within its time limit, with any error caught, and with an output that can be stored and sent.

Nothing here runs a call twice. The turn commits that a call runs before it starts (`agent/turn.py`). So a crash in the
middle of a call leaves it with the state `unknown`, and is not hidden.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from pydantic_core import to_jsonable_python

from chatkeep.chat.events import ToolCallFinished
from chatkeep.chat.types import CallError, FilePart
from chatkeep.text import clean, clean_json
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool, ToolError
from chatkeep.tools.file import MAX_RETURNED_FILES, TooManyFiles, save_files
from chatkeep.tools.threads import TooManyThreads
from chatkeep.watch import metrics, tracing

MAX_OUTPUT_BYTES = 65_536
"""The size of the largest output, in bytes of JSON. A larger one is cut, and says so at its end."""
MAX_ERROR_CHARS = 2_000
"""The length of the longest error message that the model is told, in characters."""

_log = logging.getLogger("chatkeep")


class ToolResult(NamedTuple):
    """The outcome of a call: its output with the files that it returned, or the error in place of one."""

    output: Any
    error: CallError | None = None
    files: tuple[FilePart, ...] = ()


def finished_event(index: int, result: ToolResult) -> ToolCallFinished:
    """Return the event that ends the tool call in the part at `index`."""
    if result.error is not None:
        return ToolCallFinished(index=index, state="failed", error=result.error)
    return ToolCallFinished(index=index, state="succeeded", output=result.output, files=result.files or UNSET)


class ValidatedCall(NamedTuple):
    """A call whose arguments are valid, ready to run."""

    tool: Tool
    arguments: dict[str, Any]


async def run_calls(
    calls: Mapping[int, ValidatedCall], context: ToolContext, seconds: float
) -> AsyncGenerator[list[tuple[int, ToolResult]]]:
    """Run `calls` side by side, and yield the keys and results of those that have ended, as they end.

    `seconds` limits each call. Closing the generator cancels the calls that are still running.
    """
    tasks = {
        asyncio.create_task(run_call(call, context, seconds), name=f"function {call.tool.name}"): key
        for key, call in calls.items()
    }
    pending = set(tasks)
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            yield [(tasks[task], task.result()) for task in sorted(done, key=tasks.__getitem__)]
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def run_call(call: ValidatedCall, context: ToolContext, seconds: float) -> ToolResult:
    """Run one action and return its result, within `seconds` or the time limit of its declaration.

    An error of the action becomes a failed result. Only a cancellation of the caller is raised.
    """
    began_at = time.perf_counter()
    with tracing.tool_span(call.tool.name) as outcome:
        try:
            result = await _run_call(call, context, seconds)
            outcome["state"] = "succeeded" if result.error is None else "failed"
            return result
        finally:
            metrics.TOOL_SECONDS.labels(call.tool.name, outcome["state"]).observe(time.perf_counter() - began_at)


async def _run_call(call: ValidatedCall, context: ToolContext, seconds: float) -> ToolResult:
    tool = call.tool
    assert tool.run is not None, "only actions are run"
    seconds = tool.timeout or seconds
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            output = await tool.run(call.arguments, context)
            if output is None or isinstance(output, str | int | float):
                return ToolResult(to_storable(output))
            output, files = await save_files(output, context.save_file)
            return ToolResult(await asyncio.to_thread(to_storable, output), files=files)
    except (ToolError, TooManyThreads) as error:
        return _failed("tool_error", str(error))
    except TooManyFiles:
        return _failed("tool_error", f"the function returned more than {MAX_RETURNED_FILES} files")
    except BaseException as error:  # the model is told, and the log has it
        task = asyncio.current_task()
        if isinstance(error, KeyboardInterrupt) or (
            isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        ):
            raise  # this task is cancelled, not something that the function waited for
        if isinstance(error, TimeoutError) and limit.expired():
            doubt = "" if tool.safety == "read_only" else "; it may have been done all the same"
            return _failed("tool_timeout", f"no answer within {seconds:g} s{doubt}")
        # The model reads the error's class only: its text may hold secrets.
        _log.error("function %s failed", tool.name, exc_info=error)
        return _failed("tool_error", f"the function failed ({type(error).__name__})")


def to_storable(value: Any) -> Any:
    """Return `value` as JSON that every database engine can store. NaN and infinity become null.

    A value of more than `MAX_OUTPUT_BYTES` becomes a text: its first bytes, and a note of how many there were.

    Raises:
        PydanticSerializationError: the value has no JSON form.
        ValueError: the value is nested too deeply.
    """
    plain = clean_json(to_jsonable_python(value, inf_nan_mode="null"))
    encoded = msgspec.json.encode(plain)
    if len(encoded) <= MAX_OUTPUT_BYTES:
        return plain
    text = plain if isinstance(plain, str) else encoded.decode()
    beginning = text.encode()[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")
    return f"{beginning}\n[cut: this is the beginning of {len(encoded)} bytes]"


def _failed(code: str, message: str) -> ToolResult:
    return ToolResult(None, CallError(code, clean(message)[:MAX_ERROR_CHARS]))
