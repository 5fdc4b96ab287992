"""Compaction of a history: `POST /v1/responses/compact`.

The user's messages stay as they are. All else becomes one item with a summary (`responses_compaction.py`),
which the model writes as any response with `store: false`: in a temporary session, within the owner's limits.
"""

import msgspec

from chatkeep.api.dialects.attachments import SaidMessage, given_files, stored_files
from chatkeep.api.dialects.openai_models import PREFIX
from chatkeep.api.dialects.responses_history import Said, said_fields, to_history
from chatkeep.api.dialects.responses_input import NewInput
from chatkeep.api.dialects.responses_request import ResponseBody
from chatkeep.api.dialects.responses_session import begin_session, instruction_fields
from chatkeep.chat.types import Run, TextPart
from chatkeep.errors import InvalidRequest
from chatkeep.runs.runtime import Runtime

_ASK = (
    "Summarise our conversation so far, for a model that goes on with it and sees only your summary and my messages. "
    "Keep every decision, fact, name, number, open question and result of a function. Write nothing but the summary."
)
_NULL = msgspec.Raw(b"null")


class CompactBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to compact `input`, the items so far."""

    model: str
    input: msgspec.Raw = _NULL
    instructions: str | None = None
    prompt_cache_key: str | None = None


async def start_summary(runtime: Runtime, owner: str, body: CompactBody, given: NewInput, key: str | None) -> Run:
    """Start the run whose answer is the summary of `given`, the input of `body`.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    if body.model.startswith(PREFIX):
        raise InvalidRequest("model: a model, not an assistant")
    if given.references:
        raise InvalidRequest("input: the items themselves, not references")
    asked = SaidMessage("user", [TextPart(_ASK)])
    said = Said([*await to_history(given.all_items), asked])
    async with stored_files(runtime, owner, given_files(said.messages)) as files:
        response = ResponseBody(model=body.model, instructions=body.instructions, store=False)
        fields = {**instruction_fields(response, given.instructions), **said_fields(said, files)}
        return await begin_session(runtime, owner, response, fields, key)
