"""Stored chat completions: an answer of the caller's, and the messages that it answers.

Each answer of a session that stands in the list is one, through whatever door it was asked for: what one client did
shows in every other. Temporary sessions (`store: false`) have none.
"""

from typing import Any, NamedTuple

from msgspec.structs import replace

from chatkeep import ids
from chatkeep.agent.user_content import has_files
from chatkeep.api.dialects.agui_stream import to_content
from chatkeep.api.dialects.completions_stream import ID_PREFIX, problem_of, to_completion
from chatkeep.api.dialects.openai_files import completion_parts
from chatkeep.api.dialects.openai_models import PLAIN, PREFIX
from chatkeep.chat.texts import join_texts, split_steps
from chatkeep.chat.types import Message, Part, RefusalPart, Run, Session, TextPart, ToolCallPart
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.settings import Settings
from chatkeep.store import history as store_history
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions


class Completion(NamedTuple):
    """An answer: its session, run and message.

    `begun` is how many of its parts the client had given, `reply` the function that stands for `response_format`.
    """

    session: Session
    run: Run
    message: Message
    begun: int
    reply: str | None


def model_of(session: Session, run: Run) -> str:
    """Return the name by which a client asks for what has answered `run`."""
    return run.model if session.assistant == PLAIN else f"{PREFIX}{session.assistant}"


async def get_completion(tx: Transaction, owner: str, completion_id: str) -> Completion:
    """Return the owner's completion.

    Raises:
        NotFound: there is none, it belongs to another owner, or is not stored.
    """
    run_id = ids.parse(completion_id.removeprefix(ID_PREFIX))
    if run_id is None or not completion_id.startswith(ID_PREFIX):
        raise NotFound(f"no completion {completion_id}")
    completion = await read_completion(tx, owner, run_id)
    if completion.session.temporary:
        raise NotFound(f"no completion {completion_id}: it was not stored")
    return completion


async def read_completion(tx: Transaction, owner: str, run_id: str, session: Session | None = None) -> Completion:
    """Return the completion that is a run of the owner's, as it is now. `session` is its own, if it was read.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    run, _, message = await store_history.get_answer(tx, owner, run_id)
    record = await store_runs.get_request(tx, run.key)
    is_ours = bool(record.get("takes_calls"))  # else its functions are those of another door
    begun = record["continued"]["parts"] if is_ours and "continued" in record else 0
    forms = [each["name"] for each in record["client_functions"] if is_ours and each.get("kind") == "reply"]
    session = session or await store_sessions.get_session(tx, owner, run.session_id)
    return Completion(session, run, message, begun, forms[0] if forms else None)


async def list_completions(tx: Transaction, owner: str, limit: int, after: str | None) -> tuple[list[Completion], bool]:
    """Return the last answer of each of the owner's sessions, the most recently used first; and if there are more.

    `after`: those after this completion. At most `limit`.

    Raises:
        NotFound: there is no completion `after`.
    """
    last = (await get_completion(tx, owner, after)).session if after is not None else None
    cursor = (last.updated_at, last.id) if last else None
    sessions = await store_sessions.list_sessions(tx, owner, limit + 1, cursor)
    runs = [(each, await store_runs.find_last(tx, each.id)) for each in sessions[:limit]]
    found = [await read_completion(tx, owner, run.id, session) for session, run in runs if run]
    return found, len(sessions) > limit


async def list_messages(tx: Transaction, completion: Completion, settings: Settings) -> list[dict[str, Any]]:
    """Return the messages that the completion answers, oldest first, as OpenAI's, each with an id."""
    branch = await store_messages.list_branch(tx, completion.session.id, completion.run.user_message_id)
    begun = replace(completion.message, parts=completion.message.parts[: completion.begun])
    return [found for message in [*branch, begun] for found in _to_messages(message, settings)]


def to_stored(completion: Completion) -> dict[str, Any]:
    """Return a stored completion as OpenAI's, with its metadata. An answer that cannot stand as one has no reason."""
    session, run, message, begun, reply = completion
    whole = to_completion(run, message, model_of(session, run), begun, reply)
    if problem_of(run):
        whole["choices"][0]["finish_reason"] = None
    return {**whole, "metadata": session.metadata}


def _to_messages(message: Message, settings: Settings) -> list[dict[str, Any]]:
    if message.role == "user":
        said: dict[str, Any] = {"id": message.id, "role": "user", "content": join_texts(message.parts, "\n")}
        if has_files([message]):
            said["content_parts"] = completion_parts(message.parts, settings)
        return [said]
    steps = [step for step in split_steps(message.parts) if step]
    return [each for number, step in enumerate(steps) for each in _step(f"{message.id}-{number}", step)]


def _step(message_id: str, step: list[Part]) -> list[dict[str, Any]]:
    calls = [part for part in step if isinstance(part, ToolCallPart)]
    said: dict[str, Any] = {"id": message_id, "role": "assistant"}
    said["content"] = join_texts(step, "\n\n", (TextPart, RefusalPart)) or None
    if calls:
        said["tool_calls"] = [
            {"id": each.call_id, "type": "function", "function": {"name": each.name, "arguments": each.arguments_text}}
            for each in calls
        ]
    outputs = [
        {
            "id": f"{message_id}-{place}",
            "role": "tool",
            "tool_call_id": each.call_id,
            "content": to_content(each.output),
        }
        for place, each in enumerate(calls)
        if each.state == "succeeded"
    ]
    return [said, *outputs]
