"""Replies that a client declares: structured answers, on every provider."""

from typing import Any

import pytest

from tests.script import Line, Script, call, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

PERSON: dict[str, Any] = {
    "kind": "reply",
    "name": "person",
    "description": "Call this with the person that the text is about.",
    "parameters": {
        "type": "object",
        "required": ["name", "age"],
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 150}},
    },
}
GOOD: list[Line] = [call("person", '{"name":"Nils","age":42}', 0, "a"), stop("tool_calls")]
WRONG: list[Line] = [call("person", '{"name":"Nils","age":"old"}', 0, "b"), stop("tool_calls")]


def calls(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(part["state"], part["arguments"]) for part in answer["message"]["parts"] if part["type"] == "tool_call"]


async def test_a_reply_of_the_client_is_the_answer(service: Service, script: Script) -> None:
    script.play(GOOD)
    answer = await service.send(await service.session(), "Nils, 42, lives in Bergen.", tools=[PERSON])
    assert answer["run"]["status"] == "completed"
    assert calls(answer) == [("succeeded", {"name": "Nils", "age": 42})]
    assert answer["message"]["parts"][0]["kind"] == "reply"
    assert len(script.prompts) == 1


async def test_a_reply_that_does_not_fit_is_corrected(service: Service, script: Script) -> None:
    script.play(WRONG, GOOD)
    answer = await service.send(await service.session(), "Nils, 42.", tools=[PERSON])
    assert [state for state, _ in calls(answer)] == ["failed", "succeeded"]
    assert answer["run"]["status"] == "completed"


async def test_a_reply_that_never_fits_is_told(service: Service, script: Script) -> None:
    script.play(*[[call("person", "{}", 0, f"c{n}"), stop("tool_calls")] for n in range(4)])
    answer = await service.send(await service.session(), "Nils.", tools=[PERSON])
    assert {state for state, _ in calls(answer)} == {"failed"}
    assert answer["run"]["status"] == "completed"


async def test_a_reply_and_a_client_function_stand_beside_each_other(service: Service, script: Script) -> None:
    pick = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}}
    script.play([call("pick", "{}", 0, "p"), call("person", '{"name":"Nils","age":4}', 1, "q"), stop("tool_calls")])
    answer = await service.send(await service.session(), "Nils.", tools=[PERSON, pick])
    assert answer["run"]["status"] == "requires_action"
    assert [state for state, _ in calls(answer)] == ["waiting", "succeeded"]


async def test_the_form_is_offered_again_with_the_message(service: Service, script: Script) -> None:
    script.play(GOOD, [say("No."), stop()])
    session = await service.session()
    answer = await service.send(session, "Nils, 42.", tools=[PERSON])
    again = await service.client.post(
        f"/api/sessions/{session}/runs",
        json={"message_id": answer["user_message"]["id"]},
        headers={"accept": "application/json"},
    )
    assert again.status_code == 200
    assert script.prompts[0].tools == script.prompts[1].tools
    prompt = (await service.client.get(f"/api/runs/{again.json()['run']['id']}/prompt")).json()
    assert "person" in str(prompt["functions"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "action"}, "kind"),
        ({"kind": None}, "kind"),
        ({"description": None, "parameters": None}, "kind: a function of the kind reply has a description"),
        ({"parameters": {"type": "array"}}, "a JSON Schema of an object"),
    ],
)
async def test_a_wrong_form_is_refused(service: Service, changes: dict[str, Any], words: str) -> None:
    answer = await service.client.post(
        f"/api/sessions/{await service.session()}/messages", json={"content": "x", "tools": [{**PERSON, **changes}]}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert words in answer.text


async def test_an_equal_request_without_kind_is_the_same_request(service: Service, script: Script) -> None:
    pick = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}}
    script.play([say("Hi."), stop()])
    session, headers = await service.session(), {"idempotency-key": "k", "accept": "application/json"}
    answers = [
        await service.client.post(
            f"/api/sessions/{session}/messages", json={"content": "x", "tools": [tool]}, headers=headers
        )
        for tool in (pick, {**pick, "kind": "client"})
    ]
    assert len({answer.json()["run"]["id"] for answer in answers}) == 1
