"""Running an action: within its time, whatever it raises, and with an output that can be stored and sent.

Nothing here runs anything twice. That a call was begun is written down before (`turn.py`), so that a crash in the
middle leaves an outcome that is not known, and said to be so.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic_core import to_jsonable_python

from chatkeep.chat.events import ToolCallFinished
from chatkeep.chat.types import CallError
from chatkeep.text import clean, clean_json
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import Tool, ToolError
from chatkeep.tools.threads import TooManyThreads

MAX_OUTPUT_BYTES = 65_536
"""The longest output, in bytes of JSON; a longer one is cut, and says so."""

_log = logging.getLogger("chatkeep")


class ToolResult(NamedTuple):
    """What came of a call: its output, or why there is none."""

    output: Any
    error: CallError | None = None


def finished_event(index: int, returned: ToolResult) -> ToolCallFinished:
    """The event that ends the call at `index`."""
    if returned.error is not None:
        return ToolCallFinished(index=index, state="failed", error=returned.error)
    return ToolCallFinished(index=index, state="succeeded", output=returned.output)


class ValidatedCall(NamedTuple):
    """A call that is ready to run."""

    tool: Tool
    arguments: dict[str, Any]


async def run_calls(
    calls: Mapping[int, ValidatedCall], caller: ToolContext, seconds: float
) -> AsyncGenerator[list[tuple[int, ToolResult]]]:
    """Run `calls` side by side; those that have ended, by their keys, as they end. Closing it cancels the others."""
    tasks = {
        asyncio.create_task(run_call(call, caller, seconds), name=f"function {call.tool.name}"): key
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


async def run_call(call: ValidatedCall, caller: ToolContext, seconds: float) -> ToolResult:
    """What comes of one call, after `seconds` at the most, or what the function's declaration says."""
    tool = call.tool
    assert tool.run is not None, "only actions are run"
    seconds = tool.timeout or seconds
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return ToolResult(to_storable(await tool.run(call.arguments, caller)))
    except (ToolError, TooManyThreads) as error:
        return _failed("tool_error", str(error))
    except BaseException as error:  # told to the model, and logged
        me = asyncio.current_task()
        if isinstance(error, KeyboardInterrupt) or (
            isinstance(error, asyncio.CancelledError) and me is not None and me.cancelling()
        ):
            raise  # it is we who are cancelled, not something that the function waited for
        if isinstance(error, TimeoutError) and limit.expired():
            may = "" if tool.safety == "read_only" else "; it may have been done all the same"
            return _failed("tool_timeout", f"no answer within {seconds:g} s{may}")
        # The model learns what kind of error it was; its text may hold what is nobody's business.
        _log.error("function %s failed", tool.name, exc_info=error)
        return _failed("tool_error", f"the function failed ({type(error).__name__})")


def to_storable(value: Any) -> Any:
    """`value` as JSON that every engine stores, and no longer than `MAX_OUTPUT_BYTES`.

    Raises:
        PydanticSerializationError: it has no JSON form.
        ValueError: it is nested too deeply.
    """
    plain = clean_json(to_jsonable_python(value, inf_nan_mode="null"))
    encoded = msgspec.json.encode(plain)
    if len(encoded) <= MAX_OUTPUT_BYTES:
        return plain
    text = plain if isinstance(plain, str) else encoded.decode()
    kept = text.encode()[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore")
    return f"{kept}\n[cut: this is the beginning of {len(encoded)} bytes]"


def _failed(code: str, message: str) -> ToolResult:
    return ToolResult(None, CallError(code, clean(message)[:2000]))
