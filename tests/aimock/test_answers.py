"""Answers of an independent provider, from a message to the stored history, over each of its APIs."""

from itertools import pairwise
from typing import Any

import pytest

from tests.aimock.provider import Aimock
from tests.aimock.service import ask
from tests.api.streams import text_of
from tests.functions import forget, sent
from tests.service import Service

pytestmark = pytest.mark.anyio

LONG = "Why did the 🐔 cross the road? To get to the other side. " * 20
BOTH_APIS = pytest.mark.parametrize("model", ["chat", "responses"])
USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """Return a call as aimock takes it."""
    return {"name": name, "arguments": arguments}


def parts_of(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the parts of an answer that say something: the type, and text, or name and state of a call."""
    parts = answer["message"]["parts"]
    found = [(part["type"], part.get("text", (part.get("name"), part.get("state")))) for part in parts]
    return [(kind, what) for kind, what in found if kind != "step" and what]


@pytest.mark.parametrize("size", [1, 5_000])
async def test_a_text_comes_whole(service: Service, aimock: Aimock, size: int) -> None:
    aimock.play({"content": LONG, "reasoning": "A classic. 🐔", "usage": USAGE}, chunkSize=size)
    answer = await ask(service)
    assert answer["run"]["status"] == "completed", answer["run"]["error"]
    assert parts_of(answer) == [("reasoning", "A classic. 🐔"), ("text", LONG)]
    usage = answer["run"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["estimated"]) == (12, 7, False)


async def test_functions_work_over_several_steps_and_turns(service: Service, aimock: Aimock) -> None:
    forget()
    first = {"userMessage": "Write", "hasToolResult": False}
    letters = [call("send_letter", to="Ola"), call("send_letter", to="Kari")]
    aimock.play({"toolCalls": [call("weather", city="Oslo")], "reasoning": "First, the weather."}, first)
    aimock.play({"content": "Now I write.", "toolCalls": letters}, {"toolResultContains": "Oslo"})
    aimock.play({"content": "Done.", "reasoning": "That is all."}, {"toolResultContains": "sent to Kari"})
    aimock.play({"content": "You are welcome."}, {"userMessage": "Thanks!"})
    session_id = await service.session()
    answer = await ask(service, "Write to them.", session_id)
    done = [("tool_call", (name, "succeeded")) for name in ("weather", "send_letter", "send_letter")]
    reasoning = [("reasoning", text) for text in ("First, the weather.", "That is all.")]
    said = [("text", text) for text in ("Now I write.", "Done.")]
    assert parts_of(answer) == [reasoning[0], done[0], said[0], *done[1:], reasoning[1], said[1]]
    assert sent == ["Ola", "Kari"]
    assert text_of((await ask(service, "Thanks!", session_id))["message"]) == "You are welcome."
    prompts = [request["body"]["messages"] for request in aimock.requests]
    assert len(prompts) == 4
    for shorter, longer in pairwise(prompts):
        assert longer[: len(shorter)] == shorter  # a provider's cache of prompts holds
    calls = [call["id"] for message in prompts[-1] for call in message.get("tool_calls") or ()]
    assert calls == [message["tool_call_id"] for message in prompts[-1] if message["role"] == "tool"]


@BOTH_APIS
async def test_calls_and_texts_keep_their_order(service: Service, aimock: Aimock) -> None:
    oslo, rome = ({"type": "toolCall", **call("weather", city=city)} for city in ("Oslo", "Rome"))
    texts = [{"type": "text", "text": text} for text in ("Oslo first.", "Then Rome.")]
    aimock.play({"blocks": [oslo, texts[0], rome, texts[1]]}, {"hasToolResult": False})
    aimock.play({"content": "Both are cold."})
    done = ("tool_call", ("weather", "succeeded"))
    expected = [done, ("text", "Oslo first."), done, ("text", "Then Rome."), ("text", "Both are cold.")]
    assert parts_of(await ask(service)) == expected


@BOTH_APIS
@pytest.mark.parametrize("reason", ["length", "content_filter", "out_of_luck"])
async def test_a_cut_answer_never_passes_for_whole(service: Service, aimock: Aimock, model: str, reason: str) -> None:
    aimock.play({"content": "To get", "finishReason": reason})
    answer = await ask(service)
    refused = (model, reason) == ("responses", "content_filter")  # aimock calls that failed
    assert answer["run"]["status"] == ("failed" if refused else "incomplete")
    assert text_of(answer["message"]) == "To get"


@pytest.mark.parametrize("model", ["responses", "openrouter"])
async def test_what_is_no_text_is_skipped(service: Service, aimock: Aimock) -> None:
    searches = {"content": "Found.", "webSearches": ["chickens", "roads"]}
    aimock.play(searches, openRouterProcessing=True, streamingProfile={"ttft": 30, "tps": 200})
    answer = await ask(service)
    assert (answer["run"]["status"], parts_of(answer)) == ("completed", [("text", "Found.")])


@BOTH_APIS
async def test_a_count_of_no_tokens_is_estimated(service: Service, aimock: Aimock) -> None:
    aimock.play({"content": LONG, "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})
    usage = (await ask(service))["run"]["usage"]
    assert usage["estimated"]
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0
