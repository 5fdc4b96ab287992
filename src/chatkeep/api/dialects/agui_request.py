"""Requests of AG-UI clients (`RunAgentInput`), and carrying them out: the claims are those of our own API.

Only the last message is taken from the client's history, as in `ui_request.py`: a user's, or outputs of calls.
"""

from typing import Annotated, Any, Literal

import msgspec

from chatkeep import ids
from chatkeep.api.dialects.agui_content import read_said
from chatkeep.api.dialects.attachments import SaidMessage, given_files, stored_files, to_content
from chatkeep.api.dialects.bodies import decode_small, validated
from chatkeep.api.dialects.calls import Turn, answer_calls
from chatkeep.api.dialects.chats import find_open_run, session_id_of, start_in_chat
from chatkeep.api.dialects.places import NewText, Place, find_last_answer
from chatkeep.api.requests import NewSession
from chatkeep.db import Transaction
from chatkeep.errors import CallNotWaiting, InvalidRequest
from chatkeep.runs.request import NewMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions

_NULL = msgspec.Raw(b"null")


class AguiMessage(msgspec.Struct, rename="camel"):
    """A client's message."""

    role: str
    id: str = ""
    content: msgspec.Raw = _NULL
    tool_call_id: str = ""
    error: str | None = None


class AguiTool(msgspec.Struct):
    """A function of the client."""

    name: str
    description: str | None = None
    parameters: Any = None


class ResumeEntry(msgspec.Struct, rename="camel"):
    """An answer to what waits, named by the id of the call."""

    interrupt_id: str
    status: Literal["resolved", "cancelled"]
    payload: msgspec.Raw = _NULL


class RunAgentInput(msgspec.Struct, rename="camel"):
    """The body of `POST /agui`."""

    thread_id: str
    run_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    messages: list[AguiMessage] = []
    tools: msgspec.Raw = _NULL
    resume: list[ResumeEntry] = []


async def start_turn(runtime: Runtime, owner: str, body: RunAgentInput, assistant: str | None) -> Turn:
    """Do what the request asks for. A repeat of a new message, with the same `runId`, attaches to its run.

    Raises:
        Refused: see `docs/http-api.md`; nothing is stored.
        RequestValidationError: a field is not valid.
    """
    if outputs := _outputs(body):
        run = await find_open_run(runtime, owner, body.thread_id)
        if run is None:
            raise CallNotWaiting("none of these calls waits for an output")
        return await answer_calls(runtime, owner, run, outputs)
    session_id = session_id_of(owner, body.thread_id)
    place = await runtime.db.snapshot(lambda tx: _find_place(tx, owner, session_id, body))
    last = body.messages[-1] if body.messages else None
    if last is None or last.role != "user":
        raise InvalidRequest("messages: the last one is a user's, or outputs of calls that wait")
    new, said = validated(NewSession, {"id": session_id, "assistant": assistant}), await read_said(last.content)
    async with stored_files(runtime, owner, given_files([SaidMessage("user", said)])) as files:
        message = _new_message(body, last, place, to_content(said, files))
        return Turn(await start_in_chat(runtime, owner, new, message, f"agui:{body.run_id}"))


def _outputs(body: RunAgentInput) -> list[dict[str, Any]]:
    """Return the outputs at the end of the history, and those of `resume`, as our own API takes them."""
    outputs: list[dict[str, Any]] = []
    for entry in body.resume:
        is_done = entry.status == "resolved"
        outcome = {"output": decode_small("payload", entry.payload)} if is_done else {"error": "cancelled"}
        outputs.append({"call_id": entry.interrupt_id, **outcome})
    for message in reversed(body.messages):
        if message.role != "tool":
            break
        outcome = {"error": message.error} if message.error else {"output": decode_small("content", message.content)}
        outputs.append({"call_id": message.tool_call_id, **outcome})
    return outputs


async def _find_place(tx: Transaction, owner: str, session_id: str, body: RunAgentInput) -> Place:
    session = await store_sessions.find_session(tx, owner, session_id)
    run = await store_runs.find_open(tx, session_id) if session else None
    answers = [each.id.partition("/")[0] for each in body.messages if each.role == "assistant"]
    parent = await find_last_answer(tx, session_id, list(dict.fromkeys(filter(ids.parse, answers))) or answers)
    return Place(NewText(parent.id if parent else None, parent is None), run)


def _new_message(
    body: RunAgentInput, last: AguiMessage, place: Place, content: str | list[dict[str, Any]]
) -> NewMessage:
    tools: list[AguiTool] = decode_small("tools", body.tools, list[AguiTool] | None) or []
    offered = [_to_tool(each) for each in tools]
    fields: dict[str, Any] = {"content": content, "on_busy": place.on_busy, "tools": offered}
    if last.id:
        fields["client_id"] = last.id
    if isinstance(place.target, NewText) and not place.target.follows_head:
        fields["parent_id"] = place.target.parent_id
    return validated(NewMessage, fields)


def _to_tool(tool: AguiTool) -> dict[str, Any]:
    """Return a client's function as our own API takes it. One that is known here may be named alone."""
    if tool.description is None:
        return {"name": tool.name}
    parameters: Any = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    return {"name": tool.name, "description": tool.description, "parameters": parameters}
