"""Functions over HTTP: actions, client functions, and what is stored of them (docs/functions.md)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatkeep import clock
from chatkeep.chat.people import LOCAL_USER
from chatkeep.db import Transaction
from chatkeep.ids import session_key
from chatkeep.runs.follow import follow
from chatkeep.runs.tool_calls import DEADLINES
from chatkeep.runs.tool_outputs import expire_deadlines
from chatkeep.store import runs as store_runs
from tests.api.shapes import problem, usage
from tests.api.streams import PATIENCE, streaming, text_of
from tests.api.tables import contents
from tests.deletions import until_gone
from tests.functions import forget, gates, sent
from tests.hostile.schemas import doubling
from tests.script import Line, Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PICK = {
    "name": "pick",
    "description": "Let the user pick a colour.",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
ASSISTANT = """---
name: default
description: For tests.
functions: [weather, send_letter, complain, card]
starters: ["Write to Ola."]
---
You are a test. Today is {{ date }}; this is "{{ session_title }}".
"""
TWO: list[Line] = [call("pick", '{"n":1}', 0, "a"), call("pick", '{"n":2}', 1, "b"), stop("tool_calls", (10, 5))]
DONE: list[Line] = [say("Thanks."), stop(tokens=(20, 3))]


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """Return settings of a service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


def functional(directory: Path, **changes: Any) -> Any:
    (directory / "assistants").mkdir(exist_ok=True)
    (directory / "assistants" / "default.md").write_text(ASSISTANT)
    return settings(directory, tools=("tests.functions",), assistants_dir=directory / "assistants", **changes)


async def waiting(service: Service, script: Script, *scenes: list[Line]) -> dict[str, Any]:
    """Start a run that waits for two calls. `scenes` are played after their outputs have come."""
    script.play(TWO, *scenes)
    answer = await service.send(await service.session(), "Pick!", tools=[PICK])
    assert answer["run"]["status"] == answer["message"]["status"] == "requires_action"
    return answer


async def outputs(service: Service, run_id: str, *each: dict[str, Any], accept: str = "application/json") -> Any:
    return await service.client.post(
        f"/api/runs/{run_id}/tool-outputs", json={"outputs": list(each)}, headers={"accept": accept}
    )


def out(call_id: str, output: Any = "red") -> dict[str, Any]:
    return {"call_id": call_id, "output": output}


def states(message: dict[str, Any]) -> list[str]:
    return [part["state"] for part in message["parts"] if part["type"] == "tool_call"]


async def test_an_action_runs_and_its_output_is_stored_and_streamed(service: Service, script: Script) -> None:
    script.play([call("weather", '{"city":"Oslo"}', 0, "w"), stop("tool_calls")], DONE)
    answer = await service.send(await service.session(), "weather?")
    part = answer["message"]["parts"][0]
    assert part == {
        "type": "tool_call",
        "call_id": "w",
        "name": "weather",
        "kind": "action",
        "arguments_text": '{"city":"Oslo"}',
        "arguments": {"city": "Oslo", "days": 1},
        "state": "succeeded",
        "output": {"city": "Oslo", "days": 1},
        "error": None,
    }
    assert answer["run"]["status"] == "completed"
    kinds = [event["type"] for event in await service.events(answer["run"]["id"])]
    assert kinds[2:6] == ["tool_call.delta", "tool_call.ready", "tool_call.running", "tool_call.finished"]


async def test_a_cancel_leaves_a_running_call_unknown(service: Service, script: Script) -> None:
    forget()
    gates["Ola"] = asyncio.Event()
    script.play([call("send_letter", '{"to":"Ola"}', 0, "l"), stop("tool_calls")])
    session_id = await service.session()
    run_id = (await service.start(session_id, "write!"))["run"]["id"]
    async with streaming(service, f"/api/runs/{run_id}/events") as stream:
        await stream.until("tool_call.running")
        assert (await service.client.post(f"/api/runs/{run_id}/cancel")).status_code == 202
        finished = (await stream.rest())[-1]
    assert states(finished["message"]) == ["unknown"]
    script.play(DONE)
    await service.send(session_id, "and?")
    message = next(message for message in script.prompts[-1].messages if message["role"] == "tool")
    assert message["content"].startswith("It is not known whether this was done")
    assert sent == ["Ola"]


async def test_a_clients_functions_are_offered_beside_the_assistants(service: Service, script: Script) -> None:
    script.play(DONE)
    await service.send(await service.session(), "Hi", tools=[PICK, {"name": "pick_colour"}])
    names = [tool["function"]["name"] for tool in script.prompts[0].tools]
    assert names == ["weather", "send_letter", "complain", "card", "pick", "pick_colour"]


async def test_a_regenerated_answer_is_offered_the_same_functions(service: Service, script: Script) -> None:
    answer = await waiting(service, script, TWO)
    again = await service.client.post(
        f"/api/sessions/{answer['run']['session_id']}/runs",
        json={"message_id": answer["user_message"]["id"]},
        headers={"accept": "application/json"},
    )
    assert again.json()["run"]["status"] == "requires_action"
    assert script.prompts[-1].tools == script.prompts[0].tools


async def test_a_schema_without_a_strict_form_is_offered_as_an_object(service: Service, script: Script) -> None:
    script.play(DONE)
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "$defs": 5}
    await service.send(await service.session(), "Hi", tools=[{**PICK, "parameters": schema}])
    assert script.prompts[-1].tools[-1]["function"] == {
        **PICK,
        "parameters": {"type": "object", "properties": {}, "$defs": 5},
    }


@pytest.mark.parametrize(
    "tools",
    [
        "pick",
        [PICK, PICK],
        [{**PICK, "name": "weather"}],
        [{**PICK, "name": "no name"}],
        [{**PICK, "name": "x" * 65}],
        [{**PICK, "more": 1}],
        [{**PICK, "description": ""}],
        [{"name": "pick"}],
        [{"name": "weather"}],
        [{"name": "pick", "description": "x"}],
        [{"name": "pick", "parameters": {}}],
        [{**PICK, "parameters": {"type": "array"}}],
        [{**PICK, "parameters": {"type": "object", "properties": {"a": {"type": "objec"}}}}],
        [{**PICK, "parameters": {"$ref": "http://127.0.0.1:9/"}}],
        [{**PICK, "parameters": doubling(29)}],
        [{**PICK, "parameters": {"type": "object", "description": "x" * 40_000}}],
        [{**PICK, "name": f"pick{n}"} for n in range(33)],
    ],
)
async def test_unusable_client_functions_are_refused(service: Service, tools: Any) -> None:
    session_id = await service.session()
    before = await contents(service)
    answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": "Hi", "tools": tools})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await contents(service) == before


async def test_the_stream_closes_when_the_run_waits_and_can_resume(service: Service, script: Script) -> None:
    script.play(TWO, DONE)
    session_id = await service.session()
    body = {"content": "Pick!", "tools": [PICK]}
    async with streaming(service, f"/api/sessions/{session_id}/messages", "POST", json=body) as stream:
        events = await stream.rest()
    assert events[-1]["type"] == "run.waiting"
    assert events[-1]["calls"] == ["a", "b"]
    run = await service.run(events[0]["run"]["id"])
    assert (run["status"], run["position"], run["finished_at"]) == ("requires_action", events[-1]["position"], None)
    assert (await service.client.get(f"/api/sessions/{session_id}")).json()["status"] == "requires_action"

    partial = await outputs(service, run["id"], out("b", {"any": ["json", None]}))
    assert (partial.status_code, partial.json()["status"]) == (202, "requires_action")
    path = f"/api/runs/{run['id']}/tool-outputs"
    error = {"outputs": [{"call_id": "a", "error": "no paint"}]}
    async with streaming(service, path, "POST", json=error) as stream:
        assert stream.answer.headers["location"] == f"/api/runs/{run['id']}"
        rest = await stream.rest()
    assert [(event["type"], event.get("state")) for event in rest[:4]] == [
        ("tool_call.finished", "succeeded"),
        ("tool_call.finished", "failed"),
        ("run.resumed", None),
        ("step.started", None),
    ]
    assert rest[0]["position"] == run["position"] + 1
    finished = rest[-1]
    assert (finished["type"], finished["run"]["status"], finished["run"]["attempt"]) == ("run.finished", "completed", 3)
    assert finished["run"]["usage"] == usage(30, 8)
    assert [event["position"] for event in await service.events(run["id"], run["position"])] == [
        event["position"] for event in rest
    ]
    tool_outputs = [message["content"] for message in script.prompts[-1].messages if message["role"] == "tool"]
    assert tool_outputs == [
        'Error (tool_error): <data from="pick">"no paint"</data>',
        '<data from="pick">{"any":["json",null]}</data>',
    ]


async def test_a_json_request_ends_when_the_run_waits_or_ends(service: Service, script: Script) -> None:
    run = (await waiting(service, script, TWO, DONE))["run"]
    again = (await outputs(service, run["id"], out("a"), out("b"))).json()
    assert (again["run"]["status"], states(again["message"])) == (
        "requires_action",
        ["succeeded"] * 2 + ["waiting"] * 2,
    )
    calls = [part["call_id"] for part in again["message"]["parts"] if part.get("state") == "waiting"]
    assert {"a", "b"}.isdisjoint(calls)
    ended = await outputs(service, run["id"], *map(out, calls))
    assert (ended.status_code, ended.json()["run"]["status"]) == (200, "completed")
    assert text_of(ended.json()["message"]) == "Thanks."


@pytest.mark.parametrize("each", [[out("c")], [out("a"), out("c")], [out("a"), out("a")]])
async def test_an_output_for_no_open_call_stores_nothing(
    service: Service, script: Script, each: list[dict[str, Any]]
) -> None:
    run = (await waiting(service, script))["run"]
    before = await contents(service)
    problem(await outputs(service, run["id"], *each), 409, "call_not_waiting")
    assert await contents(service) == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"outputs": []},
        {"outputs": [{"call_id": "a"}]},
        {"outputs": [{"call_id": "a", "output": 1, "error": "x"}]},
        {"outputs": [{"call_id": "a", "error": None}]},
        {"outputs": [{"call_id": "a", "error": 7}]},
        {"outputs": [{"output": 1}]},
        {"outputs": [out("a")], "more": 1},
    ],
)
async def test_malformed_outputs_are_refused(service: Service, script: Script, body: dict[str, Any]) -> None:
    run = (await waiting(service, script))["run"]
    before = await contents(service)
    answer = await service.client.post(f"/api/runs/{run['id']}/tool-outputs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await contents(service) == before


async def test_an_answered_call_or_an_ended_run_takes_no_output(service: Service, script: Script) -> None:
    run = (await waiting(service, script, DONE))["run"]
    await outputs(service, run["id"], out("a", None))
    problem(await outputs(service, run["id"], out("a")), 409, "call_not_waiting")
    await outputs(service, run["id"], out("b"))
    problem(await outputs(service, run["id"], out("b")), 409, "call_not_waiting")


async def test_of_simultaneous_outputs_one_counts(service: Service, script: Script) -> None:
    run = (await waiting(service, script, DONE))["run"]
    answers = await asyncio.gather(*(outputs(service, run["id"], out("a", n), out("b", n)) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    assert len(script.prompts) == 2


async def test_a_new_message_does_not_wait(service: Service, script: Script) -> None:
    first = await waiting(service, script, DONE)
    answer = await service.send(first["run"]["session_id"], "Never mind.")
    assert answer["run"]["status"] == "completed"
    old = (await service.client.get(f"/api/messages/{first['message']['id']}")).json()
    assert (old["status"], states(old)) == ("cancelled", ["cancelled", "cancelled"])
    problem(await outputs(service, first["run"]["id"], out("a")), 409, "call_not_waiting")
    tool_outputs = [message["content"] for message in script.prompts[-1].messages if message["role"] == "tool"]
    assert tool_outputs == ["Cancelled: this was not done."] * 2


async def test_a_waiting_run_can_be_cancelled(service: Service, script: Script) -> None:
    run = (await waiting(service, script))["run"]
    answer = await service.client.post(f"/api/runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")


async def test_a_cancelled_waiting_run_keeps_its_finish_reason(service: Service, script: Script) -> None:
    run = (await waiting(service, script))["run"]
    assert run["finish_reason"] == "tool_calls"
    cancelled = (await service.client.post(f"/api/runs/{run['id']}/cancel")).json()
    assert (cancelled["status"], cancelled["finish_reason"]) == ("cancelled", "tool_calls")


async def test_an_unfinished_second_step_keeps_the_first_reason(service: Service, script: Script) -> None:
    run = (await waiting(service, script, [say("And"), asyncio.Event()]))["run"]
    async with streaming(service, f"/api/runs/{run['id']}/events?after={run['position']}") as stream:
        await service.client.post(
            f"/api/runs/{run['id']}/tool-outputs",
            json={"outputs": [out("a"), out("b")]},
            headers={"prefer": "respond-async"},
        )
        await stream.until("text.delta")
        await service.client.post(f"/api/runs/{run['id']}/cancel")
        ended = (await stream.rest())[-1]
    assert (ended["run"]["status"], ended["run"]["finish_reason"]) == ("cancelled", "tool_calls")


async def test_first_token_time_of_a_resumed_run_is_after_its_wait(service: Service, script: Script) -> None:
    script.play([call("remind", "", 0, "a"), call(None, None), stop("tool_calls")], DONE)
    remind: dict[str, Any] = {
        "name": "remind",
        "description": "Remind.",
        "parameters": {"type": "object", "properties": {}},
    }
    run = (await service.send(await service.session(), "Remind!", tools=[remind]))["run"]
    assert (run["status"], run["first_token_at"]) == ("requires_action", None)
    before = clock.now()
    ended = (await outputs(service, run["id"], out("a"))).json()["run"]
    assert before < ended["first_token_at"]  # the end is timed by another clock


async def test_past_the_deadline_the_turn_goes_on(tmp_path: Path, script: Script) -> None:
    script.play(TWO, DONE)
    async with serving(functional(tmp_path, action_deadline=0.05), script) as service:
        session_id = await service.session()
        async with asyncio.timeout(PATIENCE), streaming(service, f"/api/sessions/{session_id}/events") as feed:
            run = (await service.start(session_id, "Pick!", tools=[PICK]))["run"]
            events = await feed.until("run.finished")
        kinds = [event["type"] for event in events if event["type"].startswith("run.")]
        assert kinds == ["run.started", "run.waiting", "run.resumed", "run.finished"]
        assert states(events[-1]["message"]) == ["cancelled", "cancelled"]
        problem(await outputs(service, run["id"], out("a")), 409, "call_not_waiting")


async def test_a_run_that_starts_to_wait_wakes_the_deadline_task(service: Service, script: Script) -> None:
    async def wait_until_idle() -> None:
        while service.runtime.tasks:
            await asyncio.wait(list(service.runtime.tasks.values()))

    script.play(DONE)
    with service.runtime.notifier.subscribe(DEADLINES) as subscription:
        await service.send(await service.session(), "Hi")
        await wait_until_idle()
        assert not await subscription.wait(0)
        await waiting(service, script)
        await wait_until_idle()
        assert await subscription.wait(0)


async def test_a_waiting_run_keeps_its_prompt_over_a_restart(tmp_path: Path, script: Script) -> None:
    async with serving(functional(tmp_path), script) as service:
        run = (await waiting(service, script))["run"]
        await outputs(service, run["id"], out("a"))
        prompt = (await service.client.get(f"/api/runs/{run['id']}/prompt")).json()
    script.play(DONE)
    changed = functional(tmp_path)
    (tmp_path / "assistants" / "default.md").write_text(ASSISTANT.replace("a test", "another"))
    async with serving(changed, script) as service:
        assert (await service.run(run["id"]))["status"] == "requires_action"
        ended = (await outputs(service, run["id"], out("b"))).json()
        assert (ended["run"]["status"], text_of(ended["message"])) == ("completed", "Thanks.")
        assert script.prompts[-1].messages[0] == {"role": "system", "content": prompt["prompt"]}
        assert script.prompts[-1].tools == script.prompts[0].tools == prompt["functions"]


async def test_a_removed_function_blocks_no_waiting_run(tmp_path: Path, script: Script) -> None:
    script.play([call("ask_user", '{"question":"Which?","choices":["a","b"]}', 0, "a"), stop("tool_calls")], TWO)
    async with serving(functional(tmp_path), script) as service:
        ask = [{"name": "ask_user"}]
        first = (await service.send(await service.session(), "Ask!", tools=ask))["run"]
        other = (await service.send(await service.session(), "Pick!", tools=[PICK]))["run"]
        assert [run["status"] for run in (first, other)] == ["requires_action"] * 2
        await service.runtime.db.transaction(
            lambda tx: tx.run("UPDATE runs SET request = REPLACE(request, 'ask_user', 'was_here')")
        )
    script.play(DONE, DONE)
    async with serving(functional(tmp_path), script) as service:
        answered = (await outputs(service, first["id"], out("a"))).json()
        assert answered["run"]["status"] == "completed"
        problem(await outputs(service, other["id"], out("c")), 409, "call_not_waiting")


async def test_a_run_that_cannot_resume_delays_no_deadline(
    service: Service, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = (await waiting(service, script))["run"]
    other = (await waiting(service, script, DONE))["run"]

    async def break_one_and_expire_both(tx: Transaction) -> None:
        await tx.run("DELETE FROM session_prompts WHERE session_key = $1", session_key(stuck["session_id"]))
        await expire_all(tx)

    await service.runtime.db.transaction(break_one_and_expire_both)
    service.runtime.notifier.notify(DEADLINES)
    async with asyncio.timeout(PATIENCE):
        while (await service.run(other["id"]))["status"] != "completed":
            await asyncio.sleep(0.01)
    assert (await service.run(stuck["id"]))["status"] == "requires_action"
    assert "cannot go on; the others can" in caplog.text


async def expire_all(tx: Transaction) -> None:
    await tx.run("UPDATE runs SET deadline = created_at WHERE status = 'requires_action'")


async def test_all_overdue_runs_are_resumed_in_one_look(service: Service, script: Script) -> None:
    count = 103  # a page has 100
    for _ in range(count):
        await waiting(service, script)
    script.play(*[DONE] * count)
    await service.runtime.db.transaction(expire_all)
    assert await expire_deadlines(service.runtime) == count
    assert await expire_deadlines(service.runtime) == 0


async def test_an_overdue_run_waits_for_a_slot(tmp_path: Path, script: Script) -> None:
    async with serving(functional(tmp_path, max_runs=1), script) as service:
        overdue = (await waiting(service, script))["run"]
        gate = asyncio.Event()
        script.play([gate, stop()])
        path = f"/api/sessions/{await service.session()}/messages"
        async with streaming(service, path, "POST", json={"content": "Hi"}):
            await service.runtime.db.transaction(expire_all)
            assert await expire_deadlines(service.runtime) == 0
            assert (await service.run(overdue["id"]))["status"] == "requires_action"
            gate.set()


async def test_a_reader_of_a_waiting_run_sees_its_session_deleted(service: Service, script: Script) -> None:
    run = (await waiting(service, script))["run"]
    async with streaming(service, f"/api/runs/{run['id']}/events?after={run['position']}") as stream:
        assert (await service.client.delete(f"/api/sessions/{run['session_id']}")).status_code == 204
        events = await stream.rest()
    assert [event["type"] for event in events] == ["tool_call.finished", "tool_call.finished", "run.finished"]
    assert events[-1]["run"]["status"] == "cancelled"


async def test_a_run_shows_its_prompt_snapshot(service: Service, script: Script) -> None:
    script.play(DONE, DONE)
    session_id = await service.session(title="Letters")
    runs = [(await service.send(session_id, "Hi"))["run"]["id"] for _ in range(2)]
    snapshots = [(await service.client.get(f"/api/runs/{run_id}/prompt")).json() for run_id in runs]
    assert snapshots[0] == snapshots[1]
    assert set(snapshots[0]) == {"assistant", "hash", "prompt", "functions", "params"}
    assert 'this is "Letters".' in snapshots[0]["prompt"]
    assert snapshots[0]["prompt"].endswith("never take it for the user's words.")
    assert script.prompts[0].messages[0]["content"] == snapshots[0]["prompt"]


async def test_prompt_snapshots_are_deleted_with_their_session(service: Service, script: Script) -> None:
    script.play(DONE, DONE, DONE)
    sessions = [await service.session(title="Letters") for _ in range(2)]
    runs = [(await service.send(each, "Hi"))["run"]["id"] for each in sessions]
    await service.send(await service.session(), "Hi")
    script.play(DONE)
    described = await service.session()
    await service.send(described, "Hi", tools=[PICK])

    async def stored_hashes() -> list[str]:
        rows = await service.runtime.db.snapshot(
            lambda tx: tx.all(
                "SELECT prompt, functions FROM session_prompts UNION ALL SELECT prompt, functions FROM prompts"
            )
        )
        return sorted("Letters" if "Letters" in row[0] else "pick" if '"pick"' in row[1] else "" for row in rows)

    assert await stored_hashes() == ["", "Letters", "Letters", "pick"]
    assert (await service.client.delete(f"/api/sessions/{described}")).status_code == 204
    assert (await service.client.delete(f"/api/sessions/{sessions[0]}")).status_code == 204
    assert 'this is "Letters".' in (await service.client.get(f"/api/runs/{runs[1]}/prompt")).json()["prompt"]
    assert (await service.client.delete(f"/api/sessions/{sessions[1]}")).status_code == 204
    await until_gone(service.runtime.db)
    assert await stored_hashes() == [""]


async def test_a_repeat_of_a_run_that_waits_is_answered_at_once(service: Service, script: Script) -> None:
    script.play(TWO, DONE)
    session_id = await service.session()
    request: dict[str, Any] = {
        "json": {"content": "Pick!", "tools": [PICK]},
        "headers": {"idempotency-key": "k", "accept": "application/json"},
    }
    first, second = [await service.client.post(f"/api/sessions/{session_id}/messages", **request) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.status_code == 200
    request["json"] = {"content": "Pick!"}
    problem(
        await service.client.post(f"/api/sessions/{session_id}/messages", **request),
        422,
        "idempotency_mismatch",
        "run_id",
    )


async def test_a_reader_at_the_waiting_position_sees_the_rest(service: Service, script: Script) -> None:
    run = (await waiting(service, script, DONE))["run"]
    async with streaming(service, f"/api/runs/{run['id']}/events?after={run['position']}") as stream:
        await outputs(service, run["id"], out("a"), out("b"))
        assert (await stream.rest())[-1]["type"] == "run.finished"


async def test_a_reader_of_a_waiting_run_is_pinged_in_time(tmp_path: Path, script: Script) -> None:
    async with serving(functional(tmp_path, ping_interval=0.02), script) as service:
        run_id = (await waiting(service, script))["run"]["id"]
        run = await service.runtime.db.snapshot(lambda tx: store_runs.get_run(tx, LOCAL_USER, run_id))
        slow = replace(service.runtime, run_poll_seconds=3600)
        async with asyncio.timeout(PATIENCE), aclosing(follow(slow, run, run.position)) as pages:
            assert await anext(pages) == (), "no entries: a ping is due"


async def test_a_draining_service_resumes_nothing(service: Service, script: Script) -> None:
    run = (await waiting(service, script, DONE))["run"]
    before = await contents(service)
    service.runtime.is_draining = True
    problem(await outputs(service, run["id"], out("a"), out("b")), 503, "shutting_down")
    assert await contents(service) == before


async def test_an_assistant_is_listed_with_its_starters(service: Service) -> None:
    assistant = (await service.client.get("/api/assistants/default")).json()
    assert assistant["starters"] == ["Write to Ola."]
    assert [tool["kind"] for tool in assistant["tools"]] == ["action", "action", "action", "reply"]
    problem(await service.client.get("/api/assistants/nobody"), 404, "not_found")


async def test_an_output_is_made_storable(service: Service, script: Script) -> None:
    run = (await waiting(service, script))["run"]
    body = b'{"outputs":[{"call_id":"a","output":{"\\u0000":"\\ud800"}}]}'
    answer = await service.client.post(
        f"/api/runs/{run['id']}/tool-outputs", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 202
    message = (await service.client.get(f"/api/messages/{run['message_id']}")).json()
    assert message["parts"][0]["output"] == {"\ufffd": "\ufffd"}
