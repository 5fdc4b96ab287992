"""Faults of an independent provider: each ends the run as documented, keeps its text, and the chat goes on."""

from pathlib import Path
from typing import Any

import pytest

from tests.aimock.provider import KEY, Aimock
from tests.aimock.service import ask, serving_with
from tests.api.streams import text_of
from tests.faults.provider_checks import TINY
from tests.functions import forget, sent
from tests.service import Service

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("model", ["chat", "responses"])]

WHOLE = "To get to the other side. " * 20
REFUSALS = [
    (400, {"code": "context_length_exceeded"}, "context_overflow"),
    (400, {"type": "invalid_request_error"}, "model_rejected"),
    (401, {"code": "invalid_api_key"}, "model_auth"),
    (404, {"code": "model_not_found"}, "model_rejected"),
    (429, {"type": "rate_limit_error"}, "model_rate_limited"),
    (429, {"type": "insufficient_quota", "code": "insufficient_quota"}, "model_quota"),
    (500, {"type": "server_error"}, "model_unavailable"),
    (503, {"type": "server_error"}, "model_unavailable"),
]
FAULTS = {
    "dropRate": "model_unavailable",
    "malformedRate": "model_protocol",
    "rateLimitRate": "model_rate_limited",
    "disconnectRate": "model_unavailable",
}


def outcome(answer: dict[str, Any]) -> tuple[str, str | None]:
    """Return how a run ended: its status, and the code of its error."""
    error = answer["run"]["error"]
    return answer["run"]["status"], error and error["code"]


async def check_goes_on(service: Service, aimock: Aimock, session_id: str) -> list[dict[str, Any]]:
    """Check that the session accepts the next message. Returns the messages of its prompt."""
    aimock.reset()
    aimock.play({"content": "Better now."})
    answer = await ask(service, "And now?", session_id)
    assert (outcome(answer), text_of(answer["message"])) == (("completed", None), "Better now.")
    return aimock.requests[-1]["body"]["messages"]


async def test_a_refused_request_has_its_code(service: Service, aimock: Aimock) -> None:
    session_id = await service.session()
    for status, error, code in REFUSALS:
        aimock.refuse_next(status, message="No.", **error)
        answer = await ask(service, session_id=session_id)
        assert (*outcome(answer), answer["message"]["parts"]) == ("failed", code, []), status
        assert "No." in answer["run"]["error"]["message"]
    await check_goes_on(service, aimock, session_id)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_answer_has_its_code(service: Service, aimock: Aimock, fault: str) -> None:
    aimock.play({"content": WHOLE})
    aimock.break_all(**{fault: 1})
    session_id = await service.session()
    answer = await ask(service, session_id=session_id)
    assert (*outcome(answer), answer["message"]["parts"]) == ("failed", FAULTS[fault], [])
    await check_goes_on(service, aimock, session_id)


@pytest.mark.parametrize("cut", [{"truncateAfterChunks": 1}, {"truncateAfterChunks": 9}, {"disconnectAfterMs": 60}])
async def test_a_cut_answer_keeps_its_text(service: Service, aimock: Aimock, cut: dict[str, Any]) -> None:
    aimock.play({"content": WHOLE}, latency=10, **cut)
    session_id = await service.session()
    answer = await ask(service, session_id=session_id)
    text = text_of(answer["message"])
    assert outcome(answer) == ("failed", "model_unavailable")
    assert WHOLE.startswith(text)
    assert text != WHOLE
    assert text or cut != {"truncateAfterChunks": 9}
    prompt = await check_goes_on(service, aimock, session_id)
    assert [message["content"] for message in prompt if message["role"] == "assistant"] == ([text] if text else [])


async def test_a_call_that_is_cut_is_not_run(service: Service, aimock: Aimock) -> None:
    forget()
    letter = {"name": "send_letter", "arguments": {"to": "everyone " * 40}}
    aimock.play({"toolCalls": [letter]}, latency=10, truncateAfterChunks=9)
    session_id = await service.session()
    answer = await ask(service, session_id=session_id)
    assert outcome(answer) == ("failed", "model_unavailable")
    states = [part["state"] for part in answer["message"]["parts"] if part["type"] == "tool_call"]
    assert (states, sent) == (["cancelled"], [])
    prompt = await check_goes_on(service, aimock, session_id)
    assert [message["content"] for message in prompt if message["role"] == "tool"] == ["Cancelled: this was not done."]


@pytest.mark.parametrize("limit", ["first_byte_timeout", "idle_timeout"])
async def test_a_slow_answer_is_model_timeout(aimock: Aimock, tmp_path: Path, model: str, limit: str) -> None:
    aimock.play(
        {"content": WHOLE}, streamingProfile={"ttft": 5_000 if limit == "first_byte_timeout" else 0, "tps": 0.2}
    )
    limits: dict[str, Any] = {limit: TINY}
    async with serving_with(aimock, tmp_path, model, **limits) as service:
        session_id = await service.session()
        assert outcome(await ask(service, session_id=session_id)) == ("failed", "model_timeout")
        await check_goes_on(service, aimock, session_id)


@pytest.mark.parametrize("status", [429, 500])
async def test_an_error_that_passes_is_not_seen(aimock: Aimock, tmp_path: Path, model: str, status: int) -> None:
    aimock.play({"content": WHOLE})
    aimock.refuse_next(status, message="One moment.")
    async with serving_with(aimock, tmp_path, model, model_retries=1) as service:
        answer = await ask(service)
    assert (outcome(answer), text_of(answer["message"])) == (("completed", None), WHOLE)
    assert [request["response"]["status"] for request in aimock.requests] == [status, 200]


async def test_a_refused_key_is_read_again(aimock: Aimock, tmp_path: Path, model: str) -> None:
    aimock.play({"content": WHOLE})
    async with serving_with(aimock, tmp_path, model, key="another") as service:
        assert outcome(await ask(service)) == ("failed", "model_auth")
        (tmp_path / "key").write_text(KEY)
        assert outcome(await ask(service)) == ("completed", None)
