"""An answer over one API of an independent provider that another model ends over another API."""

from pathlib import Path
from typing import Any

import pytest

from tests.aimock.provider import Aimock
from tests.aimock.service import ask, serving_with
from tests.functions import forget, sent

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(("first", "second"), [("chat", "responses"), ("responses", "chat")]),
]

WHOLE = "To get to the other side. " * 20
CUT: dict[str, Any] = {"latency": 10, "truncateAfterChunks": 9}


def texts_and_seams(answer: dict[str, Any]) -> list[str | tuple[str, str, str]]:
    """Return the texts of an answer, and its handovers: from, to and reason."""
    parts = [part for part in answer["message"]["parts"] if part["type"] in ("text", "handover")]
    return [part["text"] if part["type"] == "text" else (part["from"], part["to"], part["reason"]) for part in parts]


async def test_another_api_goes_on_from_the_text(aimock: Aimock, tmp_path: Path, first: str, second: str) -> None:
    aimock.play({"content": WHOLE}, {"model": f"gpt-5-{first}"}, **CUT)
    aimock.play({"content": "And so on.", "reasoning": "It was cut."}, {"model": f"gpt-5-{second}"})
    async with serving_with(aimock, tmp_path, first, fallback=second) as service:
        answer = await ask(service)
    assert answer["run"]["status"] == "completed", answer["run"]["error"]
    begun, *rest = texts_and_seams(answer)
    assert rest == [(first, second, "model_unavailable"), "And so on."]
    prompt = aimock.requests[-1]["body"]["messages"]
    assert [message["content"] for message in prompt if message["role"] == "assistant"] == [begun]
    assert isinstance(begun, str)
    assert begun
    assert WHOLE.startswith(begun)


async def test_a_refusal_is_passed_over_silently(aimock: Aimock, tmp_path: Path, first: str, second: str) -> None:
    aimock.refuse_next(503, message="Overloaded.")
    aimock.play({"content": WHOLE})
    async with serving_with(aimock, tmp_path, first, fallback=second) as service:
        answer = await ask(service)
    assert (answer["run"]["status"], texts_and_seams(answer)) == ("completed", [WHOLE])
    assert [request["body"]["model"] for request in aimock.requests] == [f"gpt-5-{first}", f"gpt-5-{second}"]


async def test_functions_are_run_once(aimock: Aimock, tmp_path: Path, first: str, second: str) -> None:
    forget()
    letters = [{"name": "send_letter", "arguments": {"to": name}} for name in ("Ola", "everyone " * 40)]
    asked = {"model": f"gpt-5-{first}", "hasToolResult": False}
    aimock.play({"toolCalls": letters[:1], "reasoning": "To Ola first."}, asked)
    aimock.play({"content": "Next.", "toolCalls": letters[1:]}, {"model": f"gpt-5-{first}"}, chunkSize=5, **CUT)
    aimock.play({"content": "Only Ola was written to."}, {"model": f"gpt-5-{second}"})
    async with serving_with(aimock, tmp_path, first, fallback=second) as service:
        answer = await ask(service)
    assert (answer["run"]["status"], sent) == ("completed", ["Ola"]), answer["run"]["error"]
    assert texts_and_seams(answer)[-1] == "Only Ola was written to."
    prompt = aimock.requests[-1]["body"]["messages"]
    outputs = [message["content"] for message in prompt if message["role"] == "tool"]
    assert len(outputs) == 1
    assert "sent to Ola" in outputs[0]


async def test_a_cut_answer_is_gone_on_with(aimock: Aimock, tmp_path: Path, first: str, second: str) -> None:
    aimock.play({"content": "To get to the oth", "finishReason": "length"}, {"model": f"gpt-5-{first}"})
    aimock.play({"content": "er side."}, {"model": f"gpt-5-{second}"})
    async with serving_with(aimock, tmp_path, first) as service:
        cut = await ask(service)
        url = f"/api/sessions/{cut['run']['session_id']}/runs"
        body = {"continue": cut["message"]["id"], "model": second}
        answer = (await service.client.post(url, json=body, headers={"accept": "application/json"})).json()
    assert (cut["run"]["status"], answer["run"]["status"]) == ("incomplete", "completed")
    assert texts_and_seams(answer) == ["To get to the oth", (first, second, "continue"), "er side."]
