"""Carries out a request for a response: the claims are those of our own API."""

from typing import Any

from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.responses_count import count_input_tokens
from chatkeep.api.dialects.responses_history import to_said
from chatkeep.api.dialects.responses_input import NewInput, outputs_of, read_input
from chatkeep.api.dialects.responses_outputs import give_outputs
from chatkeep.api.dialects.responses_place import Place, find_place
from chatkeep.api.dialects.responses_request import ResponseBody, answer_options, noted_fields
from chatkeep.api.dialects.responses_segments import ResponseId
from chatkeep.api.dialects.responses_session import begin_session, fields_in, find_assistant, with_assistant
from chatkeep.api.dialects.responses_store import StoredResponse
from chatkeep.runs.request import ClientTurn
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.start import start_run


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
    fields = {**options, **_said(body, new, place), "noted": noted}
    if place.session is None:
        run = await begin_session(runtime, owner, body, fields, key)
    else:
        session = await with_assistant(runtime, owner, place.session, body.model)
        noted |= {"store": False} if session.temporary else {}
        fields |= fields_in(runtime, body, session, place.parent_id, "instructions" in fields)
        run = await start_run(runtime, owner, session.id, validated(ClientTurn, fields), key)
    return StoredResponse(ResponseId(run.id), run, {"noted": noted}, (), (), has_log=True)


async def count_tokens(runtime: Runtime, owner: str, body: ResponseBody) -> int:
    """Return the tokens of the prompt that `body` would make; an estimate. Outputs of calls are counted as text.

    Raises:
        Refused: see `create_response`.
        RequestValidationError: a field is not valid.
    """
    new = await read_input(body.input)
    place = await runtime.db.snapshot(lambda tx: find_place(tx, owner, body, new))
    if place.session is not None and (outputs := outputs_of(place.items)):
        said: dict[str, Any] = {"content": "\n".join(each["output"] for each in outputs)}
    else:
        said = _said(body, new, place)
    turn = validated(ClientTurn, {**answer_options(body), **said})
    return await count_input_tokens(runtime, place, find_assistant(runtime, body, place.session), turn)


def _said(body: ResponseBody, new: NewInput, place: Place) -> dict[str, Any]:
    """Return what is said, as fields of a message: its text, what was before it, the instructions."""
    instructions = [each for each in (body.instructions, *new.instructions) if each]
    own = {"instructions": "\n\n".join(instructions)} if instructions else {}
    return {**to_said(place.items, place.session is not None), **own}


def _noted(body: ResponseBody) -> dict[str, Any]:
    conversation = {"conversation": {"id": body.conversation_id}} if body.conversation_id else {}
    previous = {"previous_response_id": body.previous_response_id} if body.previous_response_id else {}
    return {**noted_fields(body), **conversation, **previous}
