"""Outputs of calls as the input of a response: they go on with the run that waits, as its next segment."""

from typing import Any

from chatkeep.api.dialects.bodies import validated
from chatkeep.api.dialects.responses_place import Place
from chatkeep.api.dialects.responses_segments import ResponseId
from chatkeep.api.dialects.responses_store import StoredResponse
from chatkeep.api.requests import ToolOutputs
from chatkeep.chat.event_log import fold
from chatkeep.chat.events import RunWaiting
from chatkeep.errors import CallNotWaiting, InvalidRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.tool_calls import waiting_calls
from chatkeep.runs.tool_outputs import add_outputs
from chatkeep.store import runs as store_runs

_OF_SEGMENT = ("conversation", "background", "metadata", "safety_identifier", "prompt_cache_key")
"""Fields of a request with outputs that its response repeats; all others are those of the run."""


async def give_outputs(
    runtime: Runtime, owner: str, place: Place, outputs: list[dict[str, Any]], noted: dict[str, Any]
) -> StoredResponse:
    """Give outputs to the calls that wait, all of them at once, and go on with their run. Return what comes of it.

    `noted` are the fields of the request that its response repeats.

    Raises:
        CallNotWaiting: none of the calls waits.
        InvalidRequest: one that waits has no output, or a message comes with them.
        Refused: see `add_outputs`; nothing is stored.
    """
    if any(each.type == "message" for each in place.items):
        raise InvalidRequest("input: outputs of calls, or messages; a message follows when the calls are answered")
    run = place.open_run
    if run is None or not place.log or place.parent_id not in (None, run.message_id):
        raise CallNotWaiting("none of these calls waits for an output")
    given, waiting = {each["call_id"] for each in outputs}, waiting_calls(fold(place.log).parts)
    if missing := [call_id for call_id in waiting if call_id not in given]:
        raise InvalidRequest(f"input: there is no output for the call {missing[0]!r}")
    positions = [0, *(event.position for event in place.log if isinstance(event, RunWaiting))]
    response_id = ResponseId(run.id, len(positions) - 1, positions[-1])
    previous_id = ResponseId(run.id, len(positions) - 2, positions[-2])
    note = {"previous_response_id": str(previous_id), **{name: noted[name] for name in _OF_SEGMENT if name in noted}}
    news = [each for each in outputs if each["call_id"] in waiting]
    answered = await add_outputs(runtime, owner, run, validated(ToolOutputs, {"outputs": news}).to_results(), note)
    record = await runtime.db.snapshot(lambda tx: store_runs.get_request(tx, run.key))
    return StoredResponse(response_id, answered.run, record, (), (), has_log=True)
