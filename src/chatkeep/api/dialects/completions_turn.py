"""Carries out a request of Chat Completions: the claim is that of our own API, in a session of its own.

A client that does not store the answer cannot come back for it. So when it leaves before the end, the answer is
stopped, as OpenAI does; one that is stored, or has an idempotency key, goes on being made.
"""

import asyncio
from typing import Any, NamedTuple

from fastapi import Request

from chatkeep.api.dialects.attachments import given_files, stored_files
from chatkeep.api.dialects.bodies import MAX_INLINE_BYTES, validated
from chatkeep.api.dialects.chats import session_id_of, start_in_chat
from chatkeep.api.dialects.completions_messages import History, read_history
from chatkeep.api.dialects.completions_request import CompletionBody, to_turn
from chatkeep.api.dialects.openai_models import Answerer, find_answerer
from chatkeep.api.requests import MAX_INSTRUCTION_CHARS, NewSession
from chatkeep.chat.types import Run
from chatkeep.errors import InvalidRequest
from chatkeep.runs import cancel
from chatkeep.runs.follow import wait_until_at_rest
from chatkeep.runs.runtime import Runtime


class Started(NamedTuple):
    """A run that answers a request; `reply` is the function that stands for the form of the answer.

    `ends_with_client`: it is stopped when its client leaves.
    """

    run: Run
    reply: str | None
    ends_with_client: bool


async def start_completion(runtime: Runtime, owner: str, body: CompletionBody, size: int, key: str | None) -> Started:
    """Start the run that a request of `size` bytes asks for, or find the one that `key` made before.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    answerer = find_answerer(runtime, body.model)
    history = await _read(body, size)
    if history.instructions and not runtime.assistants[answerer.assistant].instructions:
        raise InvalidRequest(f"messages: the assistant {answerer.assistant!r} takes no system message")
    new = _new_session(body, answerer, history, session_id_of(owner, f"completion:{key}") if key else None)
    async with stored_files(runtime, owner, given_files(history.messages)) as files:
        turn, reply = to_turn(body, history, files, answerer.model)
        run = await start_in_chat(runtime, owner, new, turn, key)
    return Started(run, reply, ends_with_client=new.temporary and key is None)


async def _read(body: CompletionBody, size: int) -> History:
    if size > MAX_INLINE_BYTES:
        return await asyncio.to_thread(read_history, body.messages)
    return read_history(body.messages)


def _new_session(body: CompletionBody, answerer: Answerer, history: History, session_id: str | None) -> NewSession:
    fields: dict[str, Any] = {
        "id": session_id,
        "assistant": answerer.assistant,
        "model": answerer.model,
        "metadata": body.metadata or {},
        "temporary": not body.store,
    }
    words = history.instructions or ""
    if body.store and words.strip() and len(words) <= MAX_INSTRUCTION_CHARS:
        fields["instructions"] = words  # for messages of other clients in this session
    return validated(NewSession, fields)


async def wait_for_end(runtime: Runtime, started: Started, request: Request) -> bool:
    """Wait until the run has ended. Return False if it goes on without this client: it has left, or we drain."""
    waiting = asyncio.ensure_future(wait_until_at_rest(runtime, started.run))
    leaving = asyncio.ensure_future(_wait_for_leaving(request))
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await leave(runtime, started)
        return False
    finally:
        waiting.cancel()
        leaving.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)


async def leave(runtime: Runtime, started: Started) -> None:
    """Stop the run if it ends with its client, who has left."""
    if started.ends_with_client and not runtime.is_draining:
        await cancel.cancel_run(runtime, started.run)


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
