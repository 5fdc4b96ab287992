"""Outputs of calls that a client answers by sending them with its history."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from chatkeep.api.dialects.bodies import validated
from chatkeep.api.requests import ToolOutputs
from chatkeep.chat.types import Message, Run
from chatkeep.errors import CallNotWaiting
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_calls import waiting_calls
from chatkeep.runs.tool_outputs import add_outputs
from chatkeep.store import history as store_history


class Turn(NamedTuple):
    """A run to be read after `position`; `begun` is its answer, if the client has its beginning."""

    run: Run
    begun: Message | None = None
    position: int = 0

    @property
    def until(self) -> int | None:
        """The position at which the stream ends because the run waits; None if it ends by itself."""
        return self.run.position if self.run.status == "requires_action" else None


async def answer_calls(runtime: Runtime, owner: str, run: Run, outputs: Sequence[dict[str, Any]]) -> Turn:
    """Give `outputs` to the calls of `run` that wait; those of other calls are in the client's history and no news.

    Raises:
        CallNotWaiting: none of the calls waits.
        Refused: see `add_outputs`; nothing is stored.
    """
    message = await runtime.db.snapshot(lambda tx: store_history.get_message(tx, owner, run.message_id))
    waiting = waiting_calls(message.parts)
    news = [each for each in outputs if each["call_id"] in waiting]
    if not news:
        raise CallNotWaiting("none of these calls waits for an output")
    answered = await add_outputs(runtime, owner, run, validated(ToolOutputs, {"outputs": news}).to_results())
    return Turn(answered.run, message, answered.waiting_position)
