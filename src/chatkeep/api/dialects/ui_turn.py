"""Carries out a request of the AI SDK: the claims are those of our own API."""

from typing import Any

from chatkeep.api.dialects.attachments import SaidMessage, given_files, stored_files, to_content
from chatkeep.api.dialects.bodies import decode_small, validated
from chatkeep.api.dialects.calls import Turn, answer_calls
from chatkeep.api.dialects.chats import session_id_of, start_in_chat
from chatkeep.api.dialects.places import AnsweredAgain, NewText, Place, ToolAnswers
from chatkeep.api.dialects.ui_request import ChatBody, find_place, read_said, tool_outputs
from chatkeep.api.requests import NewSession
from chatkeep.runs.request import NewMessage, NewRun
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run


async def start_turn(runtime: Runtime, owner: str, body: ChatBody, key: str | None) -> Turn:
    """Do what the request asks for.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    session_id = session_id_of(owner, body.id)
    said = [] if body.last.role == "assistant" else await read_said(body.last)
    async with stored_files(runtime, owner, given_files([SaidMessage("user", said)])) as files:
        content = to_content(said, files)
        place = await runtime.db.snapshot(lambda tx: find_place(tx, owner, session_id, body, content))
        match place.target:
            case ToolAnswers(run):
                return await answer_calls(runtime, owner, run, tool_outputs(body.last))
            case AnsweredAgain(message_id):
                request = validated(NewRun, {"message_id": message_id, "on_busy": place.on_busy, **body.options})
                return Turn(await start_run(runtime, owner, session_id, request, key))
            case NewText() as target:
                new = validated(NewSession, {"id": session_id, "assistant": body.assistant})
                message = _new_message(body, target, place, content)
                return Turn(await start_in_chat(runtime, owner, new, message, key))


def _new_message(body: ChatBody, target: NewText, place: Place, content: str | list[dict[str, Any]]) -> NewMessage:
    tools = decode_small("tools", body.tools)
    fields: dict[str, Any] = {"content": content, "on_busy": place.on_busy, "tools": tools or [], **body.options}
    if client_id := body.message_id or body.last.id:  # an edited message may come without its id
        fields["client_id"] = client_id
    if not target.follows_head:
        fields["parent_id"] = target.parent_id
    return validated(NewMessage, fields)
