"""The input of a turn: the history, the answer so far, and figures of earlier runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN
from chatkeep.agent.turn_input import TurnInput
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat import event_log
from chatkeep.chat.types import Message, Run, RunKey
from chatkeep.db import Transaction
from chatkeep.runs.function_files import saving_files
from chatkeep.runs.prompt_files import load_files
from chatkeep.runs.run_buffer import Fenced
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import messages as store_messages
from chatkeep.store import model_calls as store_calls
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.toolbox.context import DatabaseToolContext


class TurnHistory(NamedTuple):
    """The stored part of a turn's input.

    `messages` end with the user's. `answer` is empty, or what it was when the run began to wait for its client; then
    `input_bytes` is the size of the prompts so far, and `calls` how many calls of models were made.
    """

    owner: str
    messages: Sequence[Message]
    answer: Message
    bytes_per_token: float | None
    input_bytes: int = 0
    calls: int = 0


def count_prompt_tokens(runtime: Runtime) -> int:
    """Return the tokens of the longest prompt that any of the models takes."""
    return max(runtime.settings.context_tokens, *(model.context_tokens for model in runtime.models.all()))


async def list_prompt_messages(
    tx: Transaction, session_id: str, head_id: str, limit: int, bytes_per_token: Mapping[str, float], max_tokens: int
) -> list[Message]:
    """Return the messages of a branch that a prompt of `max_tokens` can hold, oldest first: at most `limit`.

    `bytes_per_token` is the ratio that was measured, by model.
    """
    return await store_messages.list_latest(
        tx, session_id, head_id, limit, _count_prompt_bytes(max_tokens, bytes_per_token)
    )


def _count_prompt_bytes(max_tokens: int, bytes_per_token: Mapping[str, float]) -> int:
    return int(max_tokens * max(DEFAULT_BYTES_PER_TOKEN, *bytes_per_token.values(), 0))


async def read_history(tx: Transaction, run: Run, max_tokens: int) -> TurnHistory:
    """Read what the turn of `run` starts from, or goes on with after it waited: what a prompt of `max_tokens` holds."""
    ratios = await store_runs.get_bytes_per_token(tx, run.session_id)
    limit = store_messages.MAX_HISTORY_MESSAGES
    messages = await list_prompt_messages(tx, run.session_id, run.message_id, limit, ratios, max_tokens)
    owner = await store_sessions.get_owner(tx, run.session_id)
    bytes_per_token = ratios.get(run.model)
    if run.attempt == 1:
        return TurnHistory(owner, messages[:-1], messages[-1], bytes_per_token)
    answer = await read_message(tx, run.key)
    input_bytes = await store_runs.get_input_bytes(tx, run.key)
    calls = await store_calls.count_calls(tx, run.key)
    return TurnHistory(owner, messages[:-1], answer, bytes_per_token, input_bytes, calls)


async def build_input(runtime: Runtime, run: Run, spec: TurnSpec, history: TurnHistory) -> TurnInput:
    """Return the input of the run's turn."""
    max_bytes = _count_prompt_bytes(count_prompt_tokens(runtime), {})
    files = await load_files(runtime, history.owner, history.messages, max_bytes)
    turn_input = TurnInput(
        model=run.model,
        prompt=spec.prompt,
        params=spec.params,
        tools=spec.tools,
        tool_context=DatabaseToolContext(
            history.owner, run.session_id, run.id, runtime.db, save_file=saving_files(runtime, history.owner, run)
        ),
        tool_timeout=runtime.settings.tool_timeout,
        history=history.messages,
        message=history.answer,
        context_tokens=runtime.settings.context_tokens,
        max_answer_bytes=runtime.settings.max_answer_bytes,
        finish_reason=run.finish_reason,
        bytes_per_token=history.bytes_per_token,
        continued=spec.continued,
        takes_calls=spec.takes_calls,
        files=files,
    )
    if run.attempt == 1:
        return turn_input
    return turn_input._replace(prior_usage=run.usage, prior_calls=history.calls, input_bytes=history.input_bytes)


async def read_message(tx: Transaction, run: RunKey) -> Message:
    """Return the message that the run's log, all of which is committed, amounts to.

    Raises:
        Fenced: the session was deleted by another process.
    """
    events = await store_events.list_events(tx, run)
    if not events:
        raise Fenced
    return event_log.fold(events)
