"""Ends responses at a client's wish: by a cancel, or with their session."""

from chatkeep.api.dialects.responses_place import CONVERSATION
from chatkeep.api.dialects.responses_store import StoredResponse, get_response
from chatkeep.chat.types import has_ended
from chatkeep.errors import InvalidRequest
from chatkeep.runs import cancel
from chatkeep.runs.runtime import Runtime
from chatkeep.store import runs as store_runs


async def cancel_response(runtime: Runtime, owner: str, response_id: str) -> StoredResponse:
    """Stop the response if it is being made, or its run if that waits after it. Return it as it is then.

    Raises:
        NotFound: there is none, or it belongs to another owner.
    """
    stored = await get_response(runtime, owner, response_id)
    if not stored.is_last or has_ended(stored.run.status):
        return stored
    await cancel.cancel_run(runtime, stored.run)
    return await get_response(runtime, owner, response_id)


async def delete_response(runtime: Runtime, owner: str, response_id: str) -> None:
    """Delete a response with its session. Where others are in that session, its history would have a hole.

    Raises:
        NotFound: there is none, or it belongs to another owner.
        InvalidRequest: others are in its session.
    """
    stored = await get_response(runtime, owner, response_id)
    session_id = stored.run.session_id
    last = await runtime.db.snapshot(lambda tx: store_runs.find_last(tx, session_id))
    if len(stored.segments) > 1 or (last is not None and last.number > 1):
        raise InvalidRequest(f"id: others belong to its history; delete the conversation {CONVERSATION}{session_id}")
    await cancel.delete_session(runtime, owner, session_id)
