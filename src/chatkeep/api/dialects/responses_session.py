"""The session of a response: a new one, or one that is there already, whose assistant stays."""

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from chatkeep import ids
from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.chats import start_in_chat
from chatkeep.api.dialects.openai_models import PLAIN, PREFIX, Answerer, find_answerer
from chatkeep.api.dialects.responses_request import ResponseBody
from chatkeep.api.requests import NewSession
from chatkeep.chat.types import Run, Session
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest, Refused
from chatkeep.runs.request import ClientTurn
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run
from chatkeep.store import sessions as store_sessions

_KEYS = uuid.UUID("6c1f6c5e-64d5-5d5b-8a0d-0a9d5b0c2f14")
"""The name space of sessions that begin with an idempotency key. It never changes: a repeat would make another one."""


async def begin_session(
    runtime: Runtime, owner: str, body: ResponseBody, fields: dict[str, Any], key: str | None
) -> Run:
    """Start a run in a session of its own. `fields` are those of its message.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    answerer = Answerer(PLAIN, None) if body.model is None else find_answerer(runtime, body.model)
    _check_instructions(runtime, answerer.assistant, "instructions" in fields)
    session_id = ids.new() if key is None else str(uuid.uuid5(_KEYS, f"{owner}\n{key}"))
    new = validated(
        NewSession,
        {"id": session_id, "assistant": answerer.assistant, "model": answerer.model, "temporary": body.store is False},
    )
    return await start_in_chat(runtime, owner, new, validated(ClientTurn, fields), key)


def with_assistant(runtime: Runtime, session: Session, model: str | None) -> Session:
    """Return `session`, with the assistant that `model` names if nothing was said in it yet. Nothing is stored.

    Raises:
        InvalidRequest: there is no such assistant.
    """
    if session.message_count or model is None or not model.startswith(PREFIX):
        return session
    return replace(session, assistant=find_answerer(runtime, model).assistant)


async def start_with(
    runtime: Runtime, owner: str, session: Session, assistant: str, turn: ClientTurn, key: str | None
) -> Run:
    """Start a run in `session`, which has this assistant from now on; if it is refused, the one that it had before.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
    """
    if assistant == session.assistant:
        return await start_run(runtime, owner, session.id, turn, key)
    await _set_assistant(runtime, owner, session.id, assistant)
    try:
        return await start_run(runtime, owner, session.id, turn, key)
    except Refused:
        await _set_assistant(runtime, owner, session.id, session.assistant)
        raise


async def _set_assistant(runtime: Runtime, owner: str, session_id: str, assistant: str) -> None:
    async def write(tx: Transaction) -> None:
        await store_sessions.lock(tx, session_id)  # what is read is written back
        current = await store_sessions.get_session(tx, owner, session_id)
        if current.message_count and current.assistant != assistant:
            raise InvalidRequest(f"model: this conversation is with {PREFIX}{current.assistant}")
        await store_sessions.change_session(tx, owner, replace(current, assistant=assistant))

    await runtime.db.transaction(write)
    runtime.notify_session(session_id, owner)


def find_assistant(runtime: Runtime, body: ResponseBody, session: Session | None) -> str:
    """Return the name of the assistant that answers: that of the session, or for a new one what `model` names.

    Raises:
        InvalidRequest, ModelNotAllowed: there is no such assistant or model.
    """
    if session is not None:
        return with_assistant(runtime, session, body.model).assistant
    return PLAIN if body.model is None else find_answerer(runtime, body.model).assistant


def fields_in(
    runtime: Runtime, body: ResponseBody, session: Session, parent_id: str | None, has_instructions: bool
) -> dict[str, Any]:
    """Return the fields of a message that say where in `session` it goes, and which model answers.

    Raises:
        InvalidRequest: the session has another assistant, or one that takes no instructions.
    """
    _check_instructions(runtime, session.assistant, has_instructions)
    if body.store is not None and body.store is session.temporary:
        raise InvalidRequest("store: as in the response or conversation before, in whose session this one is")
    fields: dict[str, Any] = {} if parent_id is None else {"parent_id": parent_id}
    if body.model is not None and not body.model.startswith(PREFIX):
        fields["model"] = body.model
    elif body.model is not None and body.model != PREFIX + session.assistant:
        raise InvalidRequest(f"model: this conversation is with {PREFIX}{session.assistant}")
    return fields


def instruction_fields(body: ResponseBody, said: Sequence[str]) -> dict[str, Any]:
    """Return the instructions of a request and the words of the system that were `said` as a field of a message."""
    instructions = [each for each in (body.instructions, *said) if each]
    return {"instructions": "\n\n".join(instructions)} if instructions else {}


def _check_instructions(runtime: Runtime, assistant: str, has_some: bool) -> None:
    if has_some and not runtime.get_assistant(assistant).instructions:
        raise InvalidRequest(f"instructions: the assistant {assistant!r} takes none")
