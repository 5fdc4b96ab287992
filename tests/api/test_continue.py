"""`POST …/runs {"continue": …}`: a new answer that begins with one that was cut, and goes on where it stopped."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.agent.context_window import CONTINUE_REQUEST
from chatkeep.agent.turn import MAX_STEPS
from chatkeep.errors import ModelUnavailable
from tests.api.shapes import invalid, problem
from tests.script import Line, Script, call, say, stop
from tests.service import Service, serving, settings
from tests.values import uid

pytestmark = pytest.mark.anyio

DEAD = ModelUnavailable("the connection broke")
HALF: list[Line] = [say("To get to the oth"), DEAD]
REST: list[Line] = [say("er side."), stop()]
WEATHER: list[Line] = [call("weather", '{"city":"Oslo"}'), stop("tool_calls")]
ASSISTANT = """---
name: default
description: For tests.
functions: [weather]
---
You are a test.
"""


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service with an assistant that has an action."""
    (tmp_path / "default.md").write_text(ASSISTANT)
    async with serving(settings(tmp_path, tools=("tests.functions",), assistants_dir=tmp_path), script) as running:
        yield running


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


async def go_on(service: Service, cut: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Go on with the answer of `cut`, and return the whole new one."""
    path = f"/api/sessions/{cut['run']['session_id']}/runs"
    body = {"continue": cut["message"]["id"], **more}
    answer = await service.client.post(path, json=body, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_new_answer_begins_with_the_old_one(service: Service, script: Script) -> None:
    script.play(HALF, REST)
    cut = await service.send(await service.session(), "Why?")
    assert cut["run"]["status"] == "failed"
    done = await go_on(service, cut)
    seam = {"type": "handover", "from": cut["run"]["model"], "to": done["run"]["model"], "reason": "continue"}
    assert done["message"]["parts"] == [text("To get to the oth"), seam, text("er side.")]
    assert done["message"]["parent_id"] == cut["message"]["parent_id"], "a sibling"
    assert script.prompts[1].messages[-2:] == [
        {"role": "assistant", "content": "To get to the oth"},
        {"role": "user", "content": CONTINUE_REQUEST},
    ]
    stored = (await service.client.get(f"/api/messages/{cut['message']['id']}")).json()
    assert stored == cut["message"], "the old answer stays as it was"


async def test_the_log_begins_with_the_old_text(service: Service, script: Script) -> None:
    script.play(HALF, REST)
    done = await go_on(service, await service.send(await service.session(), "Why?"))
    started, seam, *_ = await service.events(done["run"]["id"])
    assert started["message"]["parts"] == [text("To get to the oth")]
    assert (seam["type"], seam["position"], seam["index"]) == ("handover", 2, 1)
    listed = (await service.client.get(f"/api/sessions/{done['run']['session_id']}/messages")).json()["data"]
    assert listed[-1] == done["message"]


async def test_the_next_turn_reads_one_text(service: Service, script: Script) -> None:
    script.play(HALF, REST, [say("Bye."), stop()])
    done = await go_on(service, await service.send(await service.session(), "Why?"))
    await service.send(done["run"]["session_id"], "Bye!")
    assert script.prompts[2].messages[2] == {"role": "assistant", "content": "To get to the other side."}


async def test_it_can_be_cut_again(service: Service, script: Script) -> None:
    script.play([say("To"), DEAD], [say(" get"), DEAD], [say(" across."), stop()])
    cut = await service.send(await service.session(), "Why?")
    done = await go_on(service, await go_on(service, cut))
    assert [part["text"] for part in done["message"]["parts"] if part["type"] == "text"] == ["To", " get", " across."]
    assert script.prompts[2].messages[-2]["content"] == "To get"


async def test_another_model_may_go_on(service: Service, script: Script) -> None:
    script.play(HALF, REST)
    done = await go_on(service, await service.send(await service.session(), "Why?", model="one"), model="two")
    assert (done["message"]["parts"][1]["from"], done["message"]["parts"][1]["to"]) == ("one", "two")


async def test_an_answer_that_was_too_long_goes_on(service: Service, script: Script) -> None:
    script.play([say("To get "), stop("length")], [say("across."), stop()])
    cut = await service.send(await service.session(), "Why?")
    assert cut["run"]["status"] == "incomplete"
    assert (await go_on(service, cut))["run"]["status"] == "completed"


async def test_calls_that_were_open_are_not_sent(service: Service, script: Script) -> None:
    script.play([say("Hm."), call("weather", '{"ci'), DEAD], [say(" No."), stop()])
    cut = await service.send(await service.session(), "Weather?")
    assert cut["message"]["parts"][1]["state"] == "cancelled"
    await go_on(service, cut)
    assert "tool_calls" not in str(script.prompts[1].messages)


async def test_after_a_function_the_next_step_follows(service: Service, script: Script) -> None:
    script.play(WEATHER, [DEAD], [say("It rains."), stop()])
    cut = await service.send(await service.session(), "Weather?")
    parts = cut["message"]["parts"]
    assert [part["type"] for part in parts] == ["tool_call", "step"]
    done = await go_on(service, cut)
    assert done["message"]["parts"][: len(parts)] == parts
    assert done["message"]["parts"][-1] == text("It rains.")
    assert [each["role"] for each in script.prompts[2].messages] == ["system", "user", "assistant", "tool"]


async def test_the_steps_of_the_old_answer_do_not_count(service: Service, script: Script) -> None:
    script.play(*[WEATHER] * MAX_STEPS, WEATHER, [say("Done."), stop()])
    cut = await service.send(await service.session(), "Go!")
    assert cut["run"]["error"]["code"] == "tool_steps_exceeded"
    done = await go_on(service, cut)
    assert done["message"]["parts"][-1] == text("Done.")


async def test_a_repeated_request_goes_on_once(service: Service, script: Script) -> None:
    script.play(HALF, REST)
    cut = await service.send(await service.session(), "Why?")
    path, body = f"/api/sessions/{cut['run']['session_id']}/runs", {"continue": cut["message"]["id"]}
    headers = {"accept": "application/json", "idempotency-key": "k"}
    first, second = [await service.client.post(path, json=body, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert len(script.prompts) == 2


@pytest.mark.parametrize("target", ["completed", "user's", "unknown", "of another session"])
async def test_what_was_not_cut_cannot_go_on(service: Service, script: Script, target: str) -> None:
    script.play([say("Because."), stop()], HALF)
    session = await service.session()
    done = await service.send(session, "Why?")
    elsewhere = await service.send(await service.session(), "Why?")
    ids = {
        "completed": done["message"]["id"],
        "user's": done["user_message"]["id"],
        "unknown": uid("unknown"),
        "of another session": elsewhere["message"]["id"],
    }
    answer = await service.client.post(f"/api/sessions/{session}/runs", json={"continue": ids[target]})
    assert problem(answer, 422, "invalid_request")["detail"] == "continue: not an answer of this session that was cut"


@pytest.mark.parametrize("body", [{}, {"continue": uid("a"), "message_id": uid("a")}, {"continue": None}])
async def test_one_target_must_be_named(service: Service, script: Script, body: dict[str, Any]) -> None:
    invalid(await service.client.post(f"/api/sessions/{await service.session()}/runs", json=body))
