"""A run's stream byte by byte, and its two laws (docs/events.md)."""

import asyncio
import json
import re
from typing import Any

import msgspec
import pytest

from chatkeep.chat.event_log import fold
from chatkeep.chat.events import decode
from chatkeep.llm.chunks import Choice, Chunk, MessageDelta
from tests.api.shapes import MESSAGE, RUN
from tests.api.streams import PATIENCE, Event, split_units, streaming, until
from tests.script import Line, Script, call, say, stop, think
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

FIELDS = {
    "run.started": {"run", "user_message", "message"},
    "text.delta": {"index", "text"},
    "reasoning.delta": {"index", "text"},
    "refusal.delta": {"index", "text"},
    "step.started": {"index"},
    "tool_call.started": {"index", "call_id", "name", "kind"},
    "tool_call.delta": {"index", "arguments_text"},
    "provider_state": {"index", "provider", "model", "value"},
    "tool_call.ready": {"index", "arguments"},
    "tool_call.finished": {"index", "state", "output", "error"},
    "run.finished": {"run", "message"},
}


def decline(text: str) -> Chunk:
    return Chunk([Choice(MessageDelta(refusal=text))])


def everything() -> list[list[Line]]:
    """Return two steps with every kind of part. The first step's call is invalid, so there is a second step."""
    return [
        [think("hm 🤔"), say("To get 🐔"), say(" across"), call("tell_joke", '{"te'), call(None, '": 1}'), stop()],
        [decline("no\u2028"), call("tell_joke", '{"text": '), call(None, '"ha 😀"}'), stop("tool_calls", (9, 9))],
    ]


def frames(body: bytes) -> list[bytes]:
    """Return the events of a stream, without comments."""
    assert body.endswith(b"\n\n")
    return re.sub(rb"(?m)^: ping\n", b"", body).removesuffix(b"\n\n").split(b"\n\n")


async def test_the_headers_forbid_to_cache_or_buffer_a_stream(service: Service, script: Script) -> None:
    session_id = await service.session()
    run_id = (await service.send(session_id, "1"))["run"]["id"]
    for method, path, body in (
        ("POST", f"/api/sessions/{session_id}/messages", {"content": "2"}),
        ("GET", f"/api/runs/{run_id}/events", None),
        ("GET", f"/api/sessions/{session_id}/events", None),
    ):
        async with streaming(service, path, method, **({"json": body} if body else {})) as stream:
            headers = stream.answer.headers
            assert headers["content-type"] == "text/event-stream"
            assert headers["cache-control"] == "no-store"
            assert headers["x-accel-buffering"] == "no"
            assert "content-length" not in headers


async def test_every_byte_of_a_stream_is_documented(service: Service, script: Script) -> None:
    script.play(*everything())
    path = f"/api/sessions/{await service.session()}/messages"
    answer = await service.client.post(path, json={"content": "why? 🐔"})
    replays = [await service.client.get(f"{answer.headers['content-location']}?after={after}") for after in (0, 3)]
    for body in [answer.content, *(replay.content for replay in replays)]:
        assert b"\r" not in body
        first, *rest = frames(body)
        prefix, first = first[:12], first[12:]
        assert prefix == b"retry: 1000\n"
        for frame in [first, *rest]:
            match = re.fullmatch(rb"id: (\d+)\ndata: (\{[^\n]*\})", frame)
            assert match, frame
            assert json.loads(match[2])["position"] == int(match[1])


async def test_every_event_has_its_fields_and_no_others(service: Service, script: Script) -> None:
    script.play(*everything())
    run = (await service.send(await service.session(), "why?"))["run"]
    assert run["status"] == "completed", run
    events = await service.events(run["id"])
    assert {event["type"] for event in events} == set(FIELDS)
    for event in events:
        assert set(event) == {"id", "type", "position"} | FIELDS[event["type"]]
        assert event["id"] == str(event["position"])
    assert set(events[0]["run"]) == set(events[-1]["run"]) == RUN
    assert all(set(message) == MESSAGE for message in (events[0]["message"], events[0]["user_message"]))
    assert set(events[-1]["message"]) == MESSAGE
    finished = [event for event in events if event["type"] == "tool_call.finished"]
    assert [(event["state"], event["output"]) for event in finished] == [
        ("failed", None),
        ("succeeded", {"text": "ha 😀"}),
    ]
    assert set(finished[0]["error"]) == {"code", "message"}
    assert finished[0]["error"]["code"] == "invalid_arguments"
    assert finished[1]["error"] is None


async def test_a_run_starts_once_and_finishes_once(service: Service, script: Script) -> None:
    first, *others = everything()
    gate = asyncio.Event()
    script.play([gate, *first], *others)
    started = await service.start(await service.session(), "why?")
    gate.set()
    events = await service.events(started["run"]["id"])
    kinds = [event["type"] for event in events]
    assert (kinds.count("run.started"), kinds.count("run.finished")) == (1, 1)
    assert (kinds[0], kinds[-1]) == ("run.started", "run.finished")
    assert {name: events[0][name] for name in ("run", "user_message", "message")} == started
    assert events[-1]["run"] == await service.run(started["run"]["id"])
    assert events[-1]["run"]["position"] == events[-1]["position"]


async def test_a_position_counts_code_points_of_deltas(service: Service, script: Script) -> None:
    script.play([say("🐔"), say("👩\u200d🔬é"), stop()])
    run = (await service.send(await service.session(), "why?"))["run"]
    assert run["position"] == 1 + 1 + 4 + 1
    units = split_units(await service.events(run["id"]))
    assert [unit[0] for unit in units] == list(range(1, 8))
    assert "".join(unit[3] for unit in units[1:-1]) == "🐔👩\u200d🔬é"


async def test_law_1_the_message_is_the_fold_of_its_events(service: Service, script: Script) -> None:
    script.play(*everything())
    answer = await service.send(await service.session(), "why?")
    events = await service.events(answer["run"]["id"])
    assert [unit[0] for unit in split_units(events)] == list(range(1, answer["run"]["position"] + 1))
    folded: Any = msgspec.to_builtins(fold(decode(json.dumps(event)) for event in events))
    assert json.loads(json.dumps(folded)) == events[-1]["message"] == answer["message"]
    assert [part["type"] for part in answer["message"]["parts"]] == [
        "reasoning",
        "text",
        "tool_call",
        "step",
        "refusal",
        "tool_call",
    ]


async def test_law_2_every_position_is_followed_by_the_rest(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    first, second = everything()
    script.play([*first[:2], gate, *first[2:]], second)
    run_id = (await service.start(await service.session(), "why?"))["run"]["id"]
    path = f"/api/runs/{run_id}/events"
    so_far = 1 + len("hm 🤔To get 🐔")

    async def follow(position: int) -> list[Event]:
        async with streaming(service, path, params={"after": position}) as stream:
            events = await stream.read_units(so_far - position)
            reading.append(position)
            if len(reading) == so_far + 1:
                gate.set()
            return events + await stream.rest()

    async with streaming(service, path) as first_reader:
        await first_reader.read_units(so_far)  # the log has come to every place that is followed from
    reading: list[int] = []
    async with asyncio.timeout(PATIENCE):
        streams = await asyncio.gather(*(follow(position) for position in range(so_far + 1)))
    whole = split_units(streams[0])
    end = whole[-1][0]
    assert [unit[0] for unit in whole] == list(range(1, end + 1))
    for position, events in enumerate(streams):
        assert split_units(events) == whole[position:]
    for position in range(end):
        assert split_units(await service.events(run_id, position)) == whole[position:]
    assert (await service.client.get(path, params={"after": end})).status_code == 204


async def test_a_reader_that_is_behind_gets_merged_deltas(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([*(say(letter * 30_000) for letter in "abcdefg"), gate, stop()])
    run_id = (await service.start(await service.session(), "why?"))["run"]["id"]
    text = "".join(letter * 30_000 for letter in "abcdefg")

    def check(events: list[Event]) -> None:
        deltas = [event["text"] for event in events if event["type"] == "text.delta"]
        assert "".join(deltas) == text
        assert max(map(len, deltas)) <= 65_536

    async with streaming(service, f"/api/runs/{run_id}/events") as stream:
        check(await stream.read_units(1 + len(text)))
    async with streaming(service, f"/api/runs/{run_id}/events", params={"after": 1}) as behind:
        check(await behind.read_units(len(text)))
    async with streaming(service, f"/api/runs/{run_id}/events", params={"after": 100_001}) as middle:
        deltas = await middle.read_units(len(text) - 100_000)
        assert "".join(event["text"] for event in deltas) == text[100_000:]
        gate.set()
        await middle.rest()
    check(await service.events(run_id))


async def test_many_small_deltas_are_read_back_as_one(service: Service, script: Script) -> None:
    script.play([*(say(letter) for letter in "abcdefghijklmnopqrstuvwxyz" * 50), stop()])
    run_id = (await service.send(await service.session(), "why?"))["run"]["id"]
    events = await service.events(run_id)
    assert "".join(event["text"] for event in events[1:-1]) == "abcdefghijklmnopqrstuvwxyz" * 50
    assert len(events) < 10


async def test_a_ping_is_a_comment_and_one_newline(database: str, script: Script) -> None:
    gate = asyncio.Event()
    script.play([gate, say("across"), stop()])
    async with serving(settings(database, ping_interval=0.02), script) as service:
        session_id = await service.session()
        run_id = (await service.start(session_id, "why?"))["run"]["id"]
        pinged = {f"/api/runs/{run_id}/events?after=1": b"", f"/api/sessions/{session_id}/events?after=1.1": b""}

        async def listen(path: str) -> None:
            async with service.client.stream("GET", path) as answer:
                async for data in answer.aiter_bytes():
                    pinged[path] += data
                    if all(body.count(b": ping") >= 3 for body in pinged.values()):
                        gate.set()
                    if b"run.finished" in data:
                        return

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(listen, pinged))
    for body in pinged.values():
        before, _, rest = body.partition(b"retry: 1000\nid: ")
        assert re.fullmatch(rb"(: ping\n){3,}", before)
        assert rest
        assert b"retry" not in rest


async def test_no_stream_ever_names_an_event(service: Service, script: Script) -> None:
    script.play([say("\nevent: x\n\ndata: y\n\n"), stop()])
    answer = await service.client.post(f"/api/sessions/{await service.session()}/messages", json={"content": "1"})
    lines = answer.content.split(b"\n")
    assert {line.partition(b":")[0] for line in lines} == {b"retry", b"id", b"data", b""}


async def test_fifty_readers_cause_one_call_of_the_model(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get "), gate, say("across."), stop()])
    run_id = (await service.start(await service.session(), "why?"))["run"]["id"]
    readers = [asyncio.create_task(service.events(run_id)) for _ in range(50)]
    await until(lambda: script.prompts)
    gate.set()
    async with asyncio.timeout(PATIENCE):
        logs = [split_units(events) for events in await asyncio.gather(*readers)]
    assert all(log == logs[0] for log in logs)
    assert len(script.prompts) == 1
