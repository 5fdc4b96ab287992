"""Reads what a turn starts from: the history, the message so far, and figures of earlier runs."""

from chatkeep.agent.turn import TurnInput
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat import event_log
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.runs.run_buffer import Fenced
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.toolbox.context import DatabaseToolContext

MAX_HISTORY_MESSAGES = 2_000
"""The most messages of a branch that a prompt is chosen from."""


async def read_input(runtime: Runtime, run: Run, spec: TurnSpec) -> TurnInput:
    """Read what the turn starts from, in one snapshot."""

    async def read(tx: Transaction) -> tuple[list[Message], str, float | None, Message | None, int]:
        history = await store_messages.list_branch(tx, run.message_id, MAX_HISTORY_MESSAGES)
        owner = await store_sessions.get_owner(tx, run.session_id)
        bytes_per_token = await store_runs.find_bytes_per_token(tx, run.session_id, run.model)
        if run.attempt == 1:
            return history, owner, bytes_per_token, None, 0
        message = await read_message(tx, run.id)  # it waited, and goes on from there
        return history, owner, bytes_per_token, message, await store_runs.get_input_bytes(tx, run.id)

    history, owner, bytes_per_token, message, input_bytes = await runtime.db.snapshot(read)
    turn_input = TurnInput(
        model=run.model,
        prompt=spec.prompt,
        temperature=spec.temperature,
        tools=spec.tools,
        tool_context=DatabaseToolContext(owner, run.session_id, run.id, runtime.db),
        tool_timeout=runtime.settings.tool_timeout,
        history=history[:-1],
        message=message or history[-1],
        context_tokens=runtime.settings.context_tokens,
        finish_reason=run.finish_reason,
        bytes_per_token=bytes_per_token,
    )
    return turn_input if message is None else turn_input._replace(prior_usage=run.usage, input_bytes=input_bytes)


async def read_message(tx: Transaction, run_id: str) -> Message:
    """Return the message that the run's log, all of which is committed, amounts to.

    Raises:
        Fenced: the session was deleted by another process.
    """
    events = await store_events.list_events(tx, run_id)
    if not events:
        raise Fenced
    return event_log.fold(events)
