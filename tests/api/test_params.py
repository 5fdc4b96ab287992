"""What a request may say of the answer: parameters of the model, and the choice of a function."""

from pathlib import Path
from typing import Any

import pytest

from tests.models import PLAIN, write_models
from tests.provider import Provider, streams, text_chunks
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PICK: dict[str, Any] = {"kind": "reply", "name": "pick", "description": "Pick.", "parameters": {"type": "object"}}
ALL = {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 7, "reasoning_effort": "low", "stop": ["x"], "seed": 1}


async def test_parameters_reach_the_model_and_are_remembered(service: Service, script: Script) -> None:
    script.play([say("Hi."), stop()])
    answer = await service.send(await service.session(), "x", params=ALL)
    assert script.prompts[0].params == ALL
    prompt = (await service.client.get(f"/api/runs/{answer['run']['id']}/prompt")).json()
    assert prompt["params"] == ALL


async def test_another_answer_may_have_other_parameters(service: Service, script: Script) -> None:
    session = await service.session()
    answer = await service.send(session, "x", params={"seed": 1})
    again = await service.client.post(
        f"/api/sessions/{session}/runs",
        json={"message_id": answer["user_message"]["id"], "params": {"seed": 2}},
        headers={"accept": "application/json"},
    )
    assert again.status_code == 200
    assert [prompt.params for prompt in script.prompts] == [{"seed": 1}, {"seed": 2}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"params": {"temperature": 3}}, "less than or equal to 2"),
        ({"params": {"top_k": 3}}, "Extra inputs"),
        ({"params": {"max_output_tokens": 0}}, "greater than 0"),
        ({"params": 7}, "dictionary"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"name": "nothing"}}, "no function 'nothing'"),
        ({"tool_choice": {"name": "pick", "more": 1}, "tools": [PICK]}, "Extra inputs"),
    ],
)
async def test_what_cannot_be_asked_is_refused(service: Service, fields: dict[str, Any], words: str) -> None:
    session = await service.session()
    answer = await service.client.post(f"/api/sessions/{session}/messages", json={"content": "x", **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert words in answer.text
    assert (await service.client.get(f"/api/sessions/{session}/messages")).json()["data"] == []


async def test_a_call_is_asked_for_in_the_first_step_only(service: Service, script: Script) -> None:
    script.play([call("pick", '"no object"', 0, "a"), stop("tool_calls")], [call("pick", "{}", 0, "b"), stop()])
    choice = {"name": "pick"}
    answer = await service.send(await service.session(), "x", tools=[PICK], tool_choice=choice)
    assert answer["run"]["status"] == "completed"
    assert [prompt.params for prompt in script.prompts] == [{"tool_choice": choice}, {}]


async def test_parameters_make_another_request_of_a_key(service: Service) -> None:
    session, statuses = await service.session(), list[int]()
    bodies: list[dict[str, Any]] = [{}, {}, {"params": {}}, {"params": {"seed": 1}}, {"tool_choice": "none"}]
    for fields in bodies:
        answer = await service.client.post(
            f"/api/sessions/{session}/messages",
            json={"content": "x", **fields},
            headers={"idempotency-key": "k", "accept": "application/json"},
        )
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 200, 422, 422]


async def test_a_request_wins_over_the_models_file_and_null_removes(tmp_path: Path) -> None:
    async with Provider([streams(*text_chunks("Hi."))]) as provider:
        lines = f"{PLAIN}params = {{temperature = 1, seed = 7, stop = 'x'}}"
        path = write_models(tmp_path, {"fast": lines}, one=provider)
        async with serving(settings(tmp_path, models=path, model="fast")) as service:
            await service.send(await service.session(), "x", params={"temperature": 0.0, "stop": None})
    sent = provider.requests[0].body
    assert (sent["temperature"], sent["seed"], "stop" in sent) == (0.0, 7, False)


async def test_the_choice_of_a_function_has_the_provider_s_form(tmp_path: Path) -> None:
    async with Provider([streams(*text_chunks("Hi."))]) as provider:
        path = write_models(tmp_path, {"fast": PLAIN}, one=provider)
        async with serving(settings(tmp_path, models=path, model="fast")) as service:
            for choice in ({"name": "pick"}, "required"):
                await service.send(await service.session(), "x", tools=[PICK], tool_choice=choice)
    named = {"type": "function", "function": {"name": "pick"}}
    assert [request.body["tool_choice"] for request in provider.requests] == [named, "required"]
