"""OpenAI's Conversations: a conversation is a session."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects.bodies import read_body
from chatkeep.api.dialects.conversation_deps import OwnConversation
from chatkeep.api.dialects.conversation_sessions import ConversationBody, open_conversation, set_metadata
from chatkeep.api.dialects.conversations import to_conversation
from chatkeep.api.dialects.responses_place import CONVERSATION
from chatkeep.api.dialects.responses_request import metadata_of
from chatkeep.api.openapi import OBJECT, json_body, openai_error_answers
from chatkeep.api.responses import object_response
from chatkeep.errors import NotFound
from chatkeep.runs import cancel

router = APIRouter(prefix="/v1/conversations", tags=["OpenAI"])

_CONVERSATION: dict[str, Any] = {"description": "A `Conversation`", "content": OBJECT}


class ConversationChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change."""

    metadata: msgspec.Raw


@router.post(
    "",
    openapi_extra=json_body("`metadata`, and `items` to begin with"),
    responses={200: _CONVERSATION, **openai_error_answers()},
)
async def create_conversation(request: Request, runtime: RuntimeDep, owner: OwnerId) -> Response:
    """Make a conversation, perhaps with items of a history that was made elsewhere."""
    body = await read_body(request, ConversationBody)
    session = await open_conversation(runtime, owner, body)
    return object_response(to_conversation(session))


@router.get("/{conversation_id}", responses={200: _CONVERSATION, **openai_error_answers(NotFound)})
async def get_conversation(session: OwnConversation) -> Response:
    """A conversation."""
    return object_response(to_conversation(session))


@router.post(
    "/{conversation_id}",
    openapi_extra=json_body("`metadata`", "metadata"),
    responses={200: _CONVERSATION, **openai_error_answers(NotFound)},
)
async def change_conversation(
    request: Request, runtime: RuntimeDep, owner: OwnerId, session: OwnConversation
) -> Response:
    """Replace the metadata."""
    body = await read_body(request, ConversationChange)
    changed = await set_metadata(runtime, owner, session.id, metadata_of(body.metadata) or {})
    return object_response(to_conversation(changed))


@router.delete("/{conversation_id}", responses={200: _CONVERSATION, **openai_error_answers(NotFound)})
async def delete_conversation(runtime: RuntimeDep, owner: OwnerId, session: OwnConversation) -> Response:
    """Delete a conversation and all that is in it. A response that is being made is cancelled."""
    await cancel.delete_session(runtime, owner, session.id)
    return object_response({"id": CONVERSATION + session.id, "object": "conversation.deleted", "deleted": True})
