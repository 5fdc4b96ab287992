"""The turn spec: what a turn is given beside the history. Pure.

It is built once, when a turn is claimed, and recorded with the run: the assistant's name, the hash of the prompt
snapshot, the names of the tools. A run that waited for its client goes on with the same spec, whatever became of the
assistant meanwhile.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from chatkeep.agent.assistants import Assistant
from chatkeep.agent.context_window import DATA_NOTICE
from chatkeep.agent.turn_input import Continued
from chatkeep.chat.types import PromptSnapshot
from chatkeep.errors import InvalidRequest
from chatkeep.llm import NO_PARAMS, Params
from chatkeep.tools.client_tool import ClientTool
from chatkeep.tools.declaration import Tool, select_tools
from chatkeep.tools.json_schema import schema_check

INSTRUCTIONS_NOTICE = "The user wants this in every answer. Follow it wherever it does not contradict the above:"
"""Stands in the system prompt before the instructions of a session (docs/prompts.md)."""


class TurnSpec(NamedTuple):
    """The system prompt and the tools of a turn.

    `is_untitled`: the session has no title yet. `is_session_specific`: the prompt names the session's title or has its
    user's instructions, or a tool was described by its client, so that the snapshot is stored, and deleted, with the
    session. `continued`: the answer that was cut, and with which the turn goes on. `takes_calls`: a call of a client's
    function ends the turn.
    """

    assistant: str
    prompt: str
    params: Params
    tools: Mapping[str, Tool]
    client_tools: Sequence[ClientTool]
    is_untitled: bool
    is_session_specific: bool = False
    continued: Continued | None = None
    takes_calls: bool = False

    def snapshot(self) -> PromptSnapshot:
        """Return the system prompt and the functions, as the model is given them."""
        return PromptSnapshot(self.prompt, [tool.definition for tool in self.tools.values()])

    def to_record(self, prompt_hash: str) -> dict[str, Any]:
        """Return what the run's row keeps of the spec (column `request`); `restore_spec` reads it."""
        return {
            "assistant": self.assistant,
            "prompt": prompt_hash,
            "params": dict(self.params),
            "functions": list(self.tools),
            "client_functions": [each.model_dump() for each in self.client_tools],
            "untitled": self.is_untitled,
            **({"continued": self.continued._asdict()} if self.continued else {}),
            **({"takes_calls": True} if self.takes_calls else {}),
        }


def hash_snapshot(snapshot: PromptSnapshot) -> str:
    """Return the key under which a snapshot is stored: SHA-256 of prompt and functions, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(snapshot)).hexdigest()


def build_spec(
    known: Mapping[str, Tool],
    assistant: Assistant,
    now: datetime,
    time_zone: str,
    session_title: str | None = None,
    client_tools: Sequence[ClientTool] = (),
    params: Params = NO_PARAMS,
    instructions: str | None = None,
) -> TurnSpec:
    """Return the spec of a turn of `assistant` that begins `now`, with the tools that the client offers.

    `params` are those of the request and the session; they win over the assistant's. `instructions` are the user's, in
    this session; an assistant that takes none ignores them.

    `known` are all tools of the service at this moment. Compiling the schema of a described client tool can take a
    second of CPU: call this in a thread when there are any.

    Raises:
        InvalidRequest: a client tool cannot be offered, or `tool_choice` names none that is on offer.
    """
    tools = select_tools(known, assistant.functions)
    for each in client_tools:
        if each.name in tools:
            raise InvalidRequest(f"tools: there is a function {each.name!r} already")
        tools[each.name] = _to_tool(known, each)
    _check_choice(params.get("tool_choice"), tools)
    prompt = assistant.render(now, time_zone, session_title)
    is_untitled = session_title is None
    names_session = not is_untitled and prompt != assistant.render(now, time_zone, None)
    has_instructions = bool(instructions) and assistant.instructions
    is_session_specific = names_session or has_instructions or any(each.is_described for each in client_tools)
    if has_instructions:
        prompt = f"{prompt}\n\n{INSTRUCTIONS_NOTICE}\n{instructions}" if prompt else instructions or ""
    if any(tool.kind != "reply" for tool in tools.values()):
        prompt = f"{prompt}\n\n{DATA_NOTICE}".lstrip()
    params = {**assistant.all_params, **params}
    return TurnSpec(assistant.name, prompt, params, tools, client_tools, is_untitled, is_session_specific)


def restore_spec(snapshot: PromptSnapshot, known: Mapping[str, Tool], record: Mapping[str, Any]) -> TurnSpec:
    """Return the spec that `record` and `snapshot` were made of. A tool that is no longer there is left out."""
    client_tools = recorded_client_tools(known, record)
    by_name = {each.name: _to_tool(known, each) for each in client_tools}
    tools = {name: tool for name in record["functions"] if (tool := by_name.get(name) or known.get(name))}
    params = recorded_params(record)
    continued = Continued(**record["continued"]) if "continued" in record else None
    return TurnSpec(
        record["assistant"], snapshot.prompt, params, tools, client_tools, record["untitled"], continued=continued
    )


def recorded_params(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in a run's record."""
    params: dict[str, Any] | None = record.get("params")
    return _params(record["temperature"]) if params is None else params  # as it was recorded before


def recorded_client_tools(known: Mapping[str, Tool], record: Mapping[str, Any]) -> list[ClientTool]:
    """Return the client tools in a run's record, without those that are no longer declared here."""
    client_tools: list[ClientTool] = []
    for fields in record["client_functions"]:
        each = ClientTool.model_construct(**fields)  # validated when it was recorded
        with suppress(InvalidRequest):
            _to_tool(known, each)
            client_tools.append(each)
    return client_tools


def _check_choice(choice: Any, tools: Mapping[str, Tool]) -> None:
    if isinstance(choice, dict) and choice["name"] not in tools:
        raise InvalidRequest(f"tool_choice: there is no function {choice['name']!r} here; known: {', '.join(tools)}")
    if choice == "required" and not tools:
        raise InvalidRequest("tool_choice: there is no function here that could be called")


def _params(temperature: float | None) -> dict[str, Any]:
    return {} if temperature is None else {"temperature": temperature}


def _to_tool(known: Mapping[str, Tool], client_tool: ClientTool) -> Tool:
    name, description, parameters = client_tool.name, client_tool.description, client_tool.parameters
    if description is not None and parameters is not None:
        try:
            tool = Tool(name, description, client_tool.kind, parameters, schema_check(parameters))
            assert tool.definition  # made and kept: here, because this runs in a thread
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"tools: the parameters of {name!r} cannot be used: {error}") from error
        return tool
    tool = known.get(name)
    if tool is None or tool.kind != "client":
        raise InvalidRequest(f"tools: there is no client function {name!r} here: describe it")
    return tool
