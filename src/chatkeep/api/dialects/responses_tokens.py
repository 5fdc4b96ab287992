"""Answers how many tokens a request for a response would have."""

from chatkeep.api.dialects.attachments import SaidMessage, find_files, given_files
from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.responses_count import count_input_tokens
from chatkeep.api.dialects.responses_history import Said, said_fields, to_said
from chatkeep.api.dialects.responses_input import outputs_of, read_input
from chatkeep.api.dialects.responses_place import find_place
from chatkeep.api.dialects.responses_request import ResponseBody, answer_options
from chatkeep.api.dialects.responses_session import find_assistant, instruction_fields
from chatkeep.chat.types import TextPart
from chatkeep.runs.request import ClientTurn
from chatkeep.runs.runtime import Runtime


async def count_tokens(runtime: Runtime, owner: str, body: ResponseBody) -> int:
    """Return the tokens of the prompt that `body` would make; an estimate. Outputs of calls are counted as text.
    Nothing is stored, so of files that come with the request the size decides.

    Raises:
        Refused: see `create_response`.
        RequestValidationError: a field is not valid.
    """
    new = await read_input(body.input)
    place = await runtime.db.snapshot(lambda tx: find_place(tx, owner, body, new))
    if place.session is not None and (outputs := outputs_of(place.items)):
        said = Said([SaidMessage("user", [TextPart("\n".join(each["output"] for each in outputs))])])
    else:
        said = await to_said(place.items, place.session is not None)
    files = await find_files(runtime, owner, given_files(said.messages))
    turn = validated(
        ClientTurn, {**answer_options(body), **instruction_fields(body, new.instructions), **said_fields(said, files)}
    )
    return await count_input_tokens(runtime, place, find_assistant(runtime, body, place.session), turn, files.values())
