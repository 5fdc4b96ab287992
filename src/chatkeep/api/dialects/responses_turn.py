"""Carries out a request for a response: the claims are those of our own API."""

from typing import Any

from chatkeep.api.dialects.attachments import given_files, stored_files
from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.responses_history import said_fields, to_said
from chatkeep.api.dialects.responses_input import outputs_of, read_input
from chatkeep.api.dialects.responses_outputs import give_outputs
from chatkeep.api.dialects.responses_place import find_place
from chatkeep.api.dialects.responses_request import ResponseBody, answer_options, noted_fields
from chatkeep.api.dialects.responses_segments import ResponseId
from chatkeep.api.dialects.responses_session import (
    begin_session,
    fields_in,
    instruction_fields,
    start_with,
    with_assistant,
)
from chatkeep.api.dialects.responses_store import StoredResponse
from chatkeep.runs.request import ClientTurn
from chatkeep.runs.runtime import Runtime


async def create_response(runtime: Runtime, owner: str, body: ResponseBody, key: str | None) -> StoredResponse:
    """Start the response that `body` asks for, or go on with the run that waits for its outputs.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    new = await read_input(body.input)
    noted, options = _noted(body), answer_options(body)
    place = await runtime.db.snapshot(lambda tx: find_place(tx, owner, body, new))
    if place.session is not None and (outputs := outputs_of(place.items)):
        return await give_outputs(runtime, owner, place, outputs, noted)
    said = await to_said(place.items, place.session is not None)
    async with stored_files(runtime, owner, given_files(said.messages)) as files:
        fields = {**options, **instruction_fields(body, new.instructions), **said_fields(said, files), "noted": noted}
        if place.session is None:
            run = await begin_session(runtime, owner, body, fields, key)
        else:
            session = with_assistant(runtime, place.session, body.model)
            noted |= {"store": False} if session.temporary else {}
            fields |= fields_in(runtime, body, session, place.parent_id, "instructions" in fields)
            turn = validated(ClientTurn, fields)
            run = await start_with(runtime, owner, place.session, session.assistant, turn, key)
    return StoredResponse(ResponseId(run.id), run, {"noted": noted}, (), (), has_log=True)


def _noted(body: ResponseBody) -> dict[str, Any]:
    conversation = {"conversation": {"id": body.conversation_id}} if body.conversation_id else {}
    previous = {"previous_response_id": body.previous_response_id} if body.previous_response_id else {}
    return {**noted_fields(body), **conversation, **previous}
