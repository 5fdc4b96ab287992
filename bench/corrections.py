"""Measures how much an error that names the field and the expected value helps a model to correct its call.

    OPENAI_BASE_URL=http://127.0.0.1:8081/v1 OPENAI_API_KEY=none CHATKEEP_MODEL=local \\
        python bench/corrections.py --samples 10          # without a model: the practice model

Each case begins with a call that is wrong in one way, as if the model had made it. Then the model continues the turn,
once with chatkeep's error and once with a bare "invalid arguments". A sample counts if the model makes a valid call of
that function within the two corrections that a turn allows.

Some servers let a model write only what the schema allows. Then every second call is valid, with any error. With
--loose the model is offered only the names of the fields, and learns the rest from the error.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chatkeep.agent import ephemeral
from chatkeep.agent.turn import Turn
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat.types import ToolCallPart
from chatkeep.errors import TurnFailed
from chatkeep.llm import Model, ModelInfo, Prompt, connect_model
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta, TokenCounts
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.runs.loading import load_tools
from chatkeep.settings import Settings, load_settings
from chatkeep.tools.declaration import Tool

PROMPT = "You are a helpful assistant. Use a function when it fits. When a call fails, correct it and call again."
DEADLINE = "I was served on 2 March 2026 and have 21 days, in US federal court. When is the answer due?"
SERVED = {"event_date": "2026-03-02", "period": 21, "unit": "days", "jurisdiction": "US", "direction": "after"}


class Wrong(NamedTuple):
    """A call that is wrong in one way."""

    what: str
    asked: str
    name: str
    arguments: dict[str, Any]


CASES = (
    Wrong("a number too large", "Is 'Oh, great' sarcastic?", "detect_sarcasm", {"quote": "Oh, great", "score": 12}),
    Wrong("a number as text", "Is 'Oh, great' sarcastic?", "detect_sarcasm", {"quote": "Oh, great", "score": "high"}),
    Wrong("a field missing", "Is 'Oh, great' sarcastic?", "detect_sarcasm", {"score": 8}),
    Wrong("a field misnamed", "Tell me a joke.", "tell_joke", {"joke": "I would, but it has no punchline."}),
    Wrong("no such value", DEADLINE, "court_deadline", {**SERVED, "unit": "court days"}),
    Wrong("a date in words", DEADLINE, "court_deadline", {**SERVED, "event_date": "2 March 2026"}),
    Wrong("a list too short", "What could I ask next?", "suggest_replies", {"replies": ["Tell me more."]}),
)


class Misled:
    """A model whose first answer is the wrong call.

    `bare`: errors are replaced by "invalid arguments". `loose`: schemas are reduced to the names of the fields.
    """

    def __init__(self, model: Model, wrong: Wrong, *, bare: bool, loose: bool) -> None:
        self._model, self._wrong, self._bare, self._loose, self._begun = model, wrong, bare, loose, False

    def name(self, requested: str) -> str:
        return self._model.name(requested)

    def describe(self, requested: str) -> ModelInfo:
        return self._model.describe(requested)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        if not self._begun:
            self._begun = True
            function = FunctionDelta(self._wrong.name, json.dumps(self._wrong.arguments))
            yield [Chunk([Choice(MessageDelta(tool_calls=[CallDelta(0, "call_1", function)]))])]
            yield [Chunk([Choice(None, "tool_calls")], TokenCounts(0, 0))]
            return
        messages = [_bare(message) for message in prompt.messages] if self._bare else prompt.messages
        tools = [_loose(tool) for tool in prompt.tools] if self._loose else prompt.tools
        async for chunks in self._model.stream(prompt._replace(messages=messages, tools=tools)):
            yield chunks

    async def close(self) -> None:
        pass


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    failed = message["role"] == "tool" and message["content"].startswith("Error (")
    return {**message, "content": "Error: invalid arguments"} if failed else message


def _loose(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    fields = {name: {} for name in function["parameters"]["properties"]}
    named = {"name": function["name"], "description": function["description"]}
    return {"type": "function", "function": {**named, "parameters": {"type": "object", "properties": fields}}}


async def corrected(settings: Settings, model: Model, tool: Tool, wrong: Wrong, *, bare: bool, loose: bool) -> bool:
    """Return True if the model makes a valid call after the wrong one."""
    told = TurnSpec("bench", PROMPT, None, {tool.name: tool}, (), is_untitled=False)
    asked = ephemeral.new_user_message(wrong.asked)
    turn = Turn(
        Misled(model, wrong, bare=bare, loose=loose), ephemeral.ephemeral_input(settings, settings.model, told, [asked])
    )
    collector = ephemeral.EventCollector(ephemeral.new_answer(asked.id))
    try:
        await turn.run(collector.emit, collector.load_message)
    except TurnFailed as failure:
        print(f"{wrong.what}: {failure.code}: {failure}")
    said = await collector.load_message()
    return any(isinstance(part, ToolCallPart) and part.arguments is not None for part in said.parts)


async def measure(samples: int, *, loose: bool) -> dict[str, dict[str, int]]:
    """Print and return how many samples were corrected, by case and by the kind of error (named or bare)."""
    settings = load_settings()
    tools = load_tools(settings)
    model = connect_model(ModelLibrary(settings), settings, pace=0)
    figures: dict[str, dict[str, int]] = {}
    print(f"{model.name(settings.model)}, {samples} samples{', loose' if loose else ''}: valid calls after the error")
    print(f"{'wrong in':20} {'named':>6} {'bare':>6}")
    for wrong in CASES:
        counts = {"named": 0, "bare": 0}
        for way in counts:
            for _ in range(samples):
                counts[way] += await corrected(
                    settings, model, tools[wrong.name], wrong, bare=way == "bare", loose=loose
                )
        figures[wrong.what] = counts
        print(f"{wrong.what:20} {counts['named']:>6} {counts['bare']:>6}", flush=True)
    total = {way: sum(each[way] for each in figures.values()) for way in ("named", "bare")}
    print(f"{'of ' + str(samples * len(CASES)):20} {total['named']:>6} {total['bare']:>6}")
    await model.close()
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--loose", action="store_true", help="offer the names of fields, without types and limits")
    wanted = parser.parse_args()
    measured = asyncio.run(measure(wanted.samples, loose=wanted.loose))
    if wanted.json:
        wanted.json.write_bytes(
            msgspec.json.format(
                msgspec.json.encode({"samples": wanted.samples, "loose": wanted.loose, "cases": measured})
            )
        )
