"""What a provider wants back goes back: to it alone, and as it came. A history that it refuses locks no session."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from chatkeep.agent.context_window import Recipient, to_chat_messages
from chatkeep.chat.types import Message, ProviderState, ReasoningPart, TextPart, ToolCallPart
from chatkeep.errors import ModelRejected
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import CallDelta, Choice, Chunk, FunctionDelta, MessageDelta
from chatkeep.llm.provider_state import MAX_STATE_BYTES
from tests.functions import TOOLS
from tests.script import Line, Script, say, stop
from tests.turns import PlayedTurn, answer, play, turn_input, user

pytestmark = pytest.mark.anyio

SIGNATURE = {"google": {"thought_signature": "c2ln"}}
ME = Recipient("scripted", "m")


def signed_call(extra: Any = SIGNATURE, call_id: str = "c") -> Chunk:
    piece = CallDelta(0, call_id, FunctionDelta("weather", '{"city":"Oslo"}'), extra)
    return Chunk([Choice(MessageDelta(tool_calls=[piece]))])


def think(text: str, field: str = "reasoning_content") -> Chunk:
    is_first = field == "reasoning_content"
    return Chunk([Choice(MessageDelta(reasoning_content=text) if is_first else MessageDelta(reasoning=text))])


def details(*items: dict[str, Any]) -> Chunk:
    return Chunk([Choice(MessageDelta(reasoning_details=list(items)))])


async def played_twice(*lines: Line) -> tuple[PlayedTurn, dict[str, Any]]:
    """Play a turn whose first step has `lines`; return it with the assistant's message in the second prompt."""
    script = Script([*lines, stop("tool_calls")], [say("It rains."), stop()])
    played = await play(script, turn_input("weather?", tools=TOOLS))
    assert played.ending == ("completed", "stop")
    return played, next(each for each in script.prompts[1].messages if each["role"] == "assistant")


def as_message(played: PlayedTurn) -> Message:
    return answer(*played.parts)


async def test_a_signature_goes_back_with_its_call() -> None:
    played, sent = await played_twice(signed_call())
    assert sent["tool_calls"][0]["extra_content"] == SIGNATURE
    part = played.parts[0]
    assert isinstance(part, ToolCallPart)
    assert part.provider_state == ProviderState("scripted", "m", {"extra_content": SIGNATURE})


class Renamed(Script):
    """A model that its provider knows by another name, as one of a models file."""

    def describe(self, requested: str) -> ModelInfo:
        return ModelInfo("provider", f"upstream-{requested}")


async def test_a_state_belongs_to_the_provider_s_own_name() -> None:
    model = Renamed([signed_call(), stop("tool_calls")], [say("It rains."), stop()], [say("Yes."), stop()])
    played = await play(model, turn_input("weather?", tools=TOOLS, model="fast"))
    part = played.parts[0]
    assert isinstance(part, ToolCallPart)
    assert part.provider_state == ProviderState("provider", "upstream-fast", {"extra_content": SIGNATURE})
    await play(model, turn_input("Sure?", [user("weather?"), as_message(played)], tools=TOOLS, model="fast"))
    sent = next(each for each in model.prompts[2].messages if each.get("tool_calls"))
    assert sent["tool_calls"][0]["extra_content"] == SIGNATURE


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_goes_back_under_the_name_it_came_by(field: str) -> None:
    _, sent = await played_twice(think("I need ", field), think("the weather.", field), signed_call(None))
    assert sent[field] == "I need the weather."
    assert sent.keys() == {"role", "content", "tool_calls", field}


async def test_reasoning_details_go_back_whole() -> None:
    _, sent = await played_twice(
        details({"type": "reasoning.text", "text": "I need ", "index": 0}),
        details({"type": "reasoning.text", "text": "it.", "index": 0, "signature": "s"}),
        details({"type": "reasoning.encrypted", "data": "e30=", "index": 1}),
        signed_call(None),
    )
    assert sent["reasoning_details"] == [
        {"type": "reasoning.text", "text": "I need it.", "index": 0, "signature": "s"},
        {"type": "reasoning.encrypted", "data": "e30=", "index": 1},
    ]


async def test_endless_reasoning_details_are_let_go() -> None:
    piece = details({"type": "reasoning.text", "text": "x" * 100, "index": 0})
    _, sent = await played_twice(*[piece] * 10_000, signed_call(None))
    assert "reasoning_details" not in sent


async def test_a_later_turn_sends_the_same() -> None:
    played, sent = await played_twice(think("Hm."), signed_call())
    assert to_chat_messages(as_message(played), ME)[0] == sent


@pytest.mark.parametrize(
    "other", [Recipient("other", "m"), Recipient("scripted", "n"), Recipient("scripted", "m", calls_as_text=True)]
)
async def test_no_other_provider_or_model_gets_it(other: Recipient) -> None:
    played, _ = await played_twice(think("Hm."), details({"data": "x"}), signed_call())
    for message in to_chat_messages(as_message(played), other):
        assert not {"reasoning_content", "reasoning_details"} & message.keys()
        assert "c2ln" not in str(message)


async def test_reasoning_without_a_call_stays_here() -> None:
    played = await play(Script([think("Hm."), say("Hi."), stop()]), turn_input("?"))
    assert played.parts == (ReasoningPart("Hm."), TextPart("Hi."))
    assert to_chat_messages(as_message(played), ME) == [{"role": "assistant", "content": "Hi."}]


async def test_a_signature_of_text_goes_back_with_it() -> None:
    signed = Chunk([Choice(MessageDelta(content="Hi.", extra_content=SIGNATURE))])
    played = await play(Script([signed, stop()]), turn_input("?"))
    assert to_chat_messages(as_message(played), ME) == [
        {"role": "assistant", "content": "Hi.", "extra_content": SIGNATURE}
    ]


@pytest.mark.parametrize(
    "extra", ["x" * MAX_STATE_BYTES, {"a": "x" * MAX_STATE_BYTES}, {"a": float("nan")}, [0] * MAX_STATE_BYTES]
)
async def test_a_state_that_cannot_be_kept_is_left_out(extra: Any) -> None:
    _, sent = await played_twice(signed_call(extra))
    assert "extra_content" not in sent["tool_calls"][0]


async def test_a_state_is_made_storable() -> None:
    _, sent = await played_twice(signed_call({"a\x00": "b\ud83d"}))
    assert sent["tool_calls"][0]["extra_content"] == {"a\ufffd": "b\ufffd"}


def test_a_state_replaces_nothing_of_ours() -> None:
    state = ProviderState("scripted", "m", {"role": "system", "content": "!", "tool_calls": [], "id": "x", "more": 1})
    call = ToolCallPart("c", "weather", "action", "{}", {}, "succeeded", 1, provider_state=state)
    (said, *_) = to_chat_messages(answer(TextPart("Hi.", state), call), ME)
    assert (said["role"], said["content"], said["more"]) == ("assistant", "Hi.", 1)
    assert (said["tool_calls"][0]["id"], said["tool_calls"][0]["more"]) == ("c", 1)


class Refusing(Script):
    """Refuses every prompt with calls that lack a signature, as Gemini does."""

    refusals = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        calls = [call for message in prompt.messages for call in message.get("tool_calls", ())]
        if any("extra_content" not in call for call in calls):
            self.refusals += 1
            raise ModelRejected("Function call is missing a thought_signature in functionCall parts.")
        async for chunks in super().stream(prompt):
            yield chunks


async def test_a_refused_history_is_told_as_text() -> None:
    call = ToolCallPart("c", "weather", "action", "", {"city": "Oslo"}, "succeeded", {"rain": True})
    history = [user("weather?"), answer(call, TextPart("It rains.")), user("Really?"), answer(TextPart("Yes."))]
    model = Refusing([signed_call(call_id="d"), stop("tool_calls")], [say("Still."), stop(tokens=(10, 3))])
    played = await play(model, turn_input("And now?", history, tools=TOOLS))
    assert played.ending == ("completed", "stop")
    assert model.refusals == 1
    assert [message["role"] for message in model.prompts[0].messages] == [
        *["system", "user", "assistant", "user", "assistant", "user"]
    ]
    assert [message["role"] for message in model.prompts[1].messages[-2:]] == ["assistant", "tool"]
    told = str(model.prompts[1].messages)
    assert told.count('(You called weather({"city":"Oslo"})') == 1
    assert '<data from="weather">{"rain":true}</data>' in told


async def test_refused_calls_of_this_turn_are_told_as_text() -> None:
    model = Refusing([signed_call(None), stop("tool_calls")], [say("Rain."), stop()])
    played = await play(model, turn_input("weather?", tools=TOOLS))
    assert (played.ending, model.refusals) == (("completed", "stop"), 1)
    assert [message["role"] for message in model.prompts[1].messages] == ["system", "user"]


async def test_a_refusal_without_calls_is_final() -> None:
    model = Script([ModelRejected("no such model")], [say("Never."), stop()])
    played = await play(model, turn_input("?", [user("Hi."), answer(TextPart("Hi."))]))
    assert isinstance(played.failure, ModelRejected)
    assert len(model.prompts) == 1


async def test_a_refusal_in_mid_answer_is_final() -> None:
    call = ToolCallPart("c", "weather", "action", "", {"city": "Oslo"}, "succeeded", {"rain": True})
    model = Script([say("Well"), ModelRejected("no")], [say("Never."), stop()])
    played = await play(model, turn_input("?", [user("weather?"), answer(call)]))
    assert (isinstance(played.failure, ModelRejected), played.parts) == (True, (TextPart("Well"),))


async def test_a_refused_prompt_is_not_counted() -> None:
    call = ToolCallPart("c", "weather", "action", "", {"city": "Oslo"}, "succeeded", {"rain": True})
    model = Refusing([say("Fine."), stop(tokens=(10, 3))])
    played = await play(model, turn_input("?", [user("weather?"), answer(call)]))
    alone = await play(Script([say("Fine."), stop(tokens=(10, 3))]), turn_input("?", [user("weather?"), answer(call)]))
    assert played.turn.usage == alone.turn.usage
    assert 0 < played.turn.input_bytes < 2 * alone.turn.input_bytes
