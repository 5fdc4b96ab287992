"""What a turn is given beside the history: the prompt as rendered, and the functions on offer. Kept by its hash.

A run that waited for the client goes on with the same, whatever became of the assistant meanwhile.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from chatkeep.agent.assistants import Assistant
from chatkeep.agent.context_window import DATA_NOTICE
from chatkeep.chat.types import PromptSnapshot
from chatkeep.errors import InvalidRequest
from chatkeep.tools.arguments import schema_check
from chatkeep.tools.declaration import Tool, select_tools


class ClientTool(msgspec.Struct, frozen=True):
    """A function that the client offers: its own, or, by its name alone, one that is declared here."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class TurnSpec(NamedTuple):
    """What a turn is given."""

    assistant: str
    prompt: str
    temperature: float | None
    tools: Mapping[str, Tool]
    offered: Sequence[ClientTool]
    is_untitled: bool  # the session has no title yet
    is_session_specific: bool = False  # it tells of the session (by its title), or of what its client described

    def snapshot(self) -> PromptSnapshot:
        """The system prompt and the functions, as the model is given them."""
        return PromptSnapshot(self.prompt, [tool.definition for tool in self.tools.values()])

    def record(self, prompt_hash: str) -> dict[str, Any]:
        """What a run remembers of it."""
        return {
            "assistant": self.assistant,
            "prompt": prompt_hash,
            "temperature": self.temperature,
            "functions": list(self.tools),
            "client_functions": [msgspec.to_builtins(each) for each in self.offered],
            "untitled": self.is_untitled,
        }


def hash_snapshot(snapshot: PromptSnapshot) -> str:
    """The hash by which it is kept: SHA-256 of prompt and functions, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(snapshot)).hexdigest()


def build_spec(
    known: Mapping[str, Tool],
    assistant: Assistant,
    now: datetime,
    time_zone: str,
    session_title: str | None = None,
    offered: Sequence[ClientTool] = (),
) -> TurnSpec:
    """What `assistant` gives a turn that begins `now`, with the functions that the client offers beside its own.

    `known`: all functions of the service at this moment.

    Raises:
        InvalidRequest: a function of the client cannot be offered.
    """
    tools = select_tools(known, assistant.functions)
    for each in offered:
        if each.name in tools:
            raise InvalidRequest(f"tools: there is a function {each.name!r} already")
        tools[each.name] = _to_tool(known, each)
    prompt = assistant.render(now, time_zone, session_title)
    is_untitled = session_title is None
    names_session = not is_untitled and prompt != assistant.render(now, time_zone, None)
    is_session_specific = names_session or any(each.description is not None for each in offered)
    if any(tool.kind != "reply" for tool in tools.values()):
        prompt = f"{prompt}\n\n{DATA_NOTICE}"
    return TurnSpec(assistant.name, prompt, assistant.temperature, tools, offered, is_untitled, is_session_specific)


def restore_spec(snapshot: PromptSnapshot, known: Mapping[str, Tool], request: dict[str, Any]) -> TurnSpec:
    """What the turn was given whose run remembers `request`. A function that is no longer there is left out."""
    offered = previous_client_tools(known, request)
    own = {each.name: _to_tool(known, each) for each in offered}
    tools = {name: tool for name in request["functions"] if (tool := own.get(name) or known.get(name))}
    return TurnSpec(request["assistant"], snapshot.prompt, request["temperature"], tools, offered, request["untitled"])


def previous_client_tools(known: Mapping[str, Tool], request: dict[str, Any]) -> list[ClientTool]:
    """What the client offered for the run that remembers `request`, but for what is no longer declared here."""
    offered: list[ClientTool] = []
    for each in msgspec.convert(request["client_functions"], list[ClientTool]):
        with suppress(InvalidRequest):
            _to_tool(known, each)
            offered.append(each)
    return offered


def _to_tool(known: Mapping[str, Tool], offered: ClientTool) -> Tool:
    if offered.description is not None and offered.parameters is not None:
        try:
            check = schema_check(offered.parameters)
        except ValueError as error:
            raise InvalidRequest(f"tools: the parameters of {offered.name!r} are no JSON Schema: {error}") from error
        return Tool(offered.name, offered.description, "client", offered.parameters, check)
    tool = known.get(offered.name)
    if tool is None or tool.kind != "client":
        raise InvalidRequest(f"tools: there is no client function {offered.name!r} here: describe it")
    return tool
