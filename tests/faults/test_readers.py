"""Readers of streams that are slow, do not read, come and go, or are very many: each gets exactly the log."""

import asyncio
import random
import resource
from collections.abc import Sequence

import pytest

from chatkeep.chat.types import RunKey
from chatkeep.store import events as store_events
from tests.api.streams import Event, split_units, streaming, text_of, until
from tests.faults.provider_checks import BACKGROUND_TOPICS, wait_until_idle
from tests.faults.raw import Raw, dialling, events_in, request, whole_chunks
from tests.script import Line, Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

WINDOW = 4096
"""Bytes that the kernel buffers for a reader that does not read."""


class Talk:
    """An answer that continues by one piece for each `step`."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.text = "".join(pieces)
        self._gates = [asyncio.Event() for _ in pieces]
        self._steps = iter(self._gates)
        gated: list[Line] = [
            line for gate, piece in zip(self._gates, pieces, strict=True) for line in (gate, say(piece))
        ]
        self.scene: list[Line] = [*gated, stop()]

    def step(self) -> None:
        """Release the next piece; does nothing after the last."""
        if gate := next(self._steps, None):
            gate.set()

    def finish(self) -> None:
        """Release all pieces."""
        for gate in self._steps:
            gate.set()


async def count_rows(service: Service, session_id: str) -> int:
    """Return the number of rows of the log of a session's first run."""
    run = RunKey(session_id, 1)
    return len(await service.runtime.db.snapshot(lambda tx: store_events.list_events(tx, run)))


async def fast(service: Service, path: str, talk: Talk | None = None) -> list[Event]:
    """Read at full speed. For the leading reader of `talk`, every event releases the next piece."""
    async with streaming(service, path) as stream:
        events = [await stream.next()]
        while events[-1]["type"] != "run.finished":
            if talk is not None:
                talk.step()
            events.append(await stream.next())
        return events


async def test_a_slow_reader_delays_no_other_and_gets_merged_deltas(service: Service, script: Script) -> None:
    talk = Talk([f"{number:05}" * 2000 for number in range(500)])
    script.play(talk.scene)
    session_id = await service.session()
    run_id = (await service.start(session_id, "why?"))["run"]["id"]
    path = f"/api/runs/{run_id}/events"
    readers = [asyncio.create_task(fast(service, path, leads)) for leads in (talk, None, None, None, None)]
    slow = await Raw.dial(service, WINDOW)
    await slow.send(request("GET", path))
    while not all(reader.done() for reader in readers):
        await slow.read(7)
        await asyncio.sleep(0)
    logs = [reader.result() for reader in readers]
    status, body = await slow.read_answer()
    slow.close()
    merged_events = events_in(body)
    rows = await count_rows(service, session_id)
    assert status == 200
    assert rows > 500
    assert len(merged_events) < rows
    assert max(len(event.get("text", "")) for event in merged_events) > 50_000  # many rows as one
    for log in [*logs, merged_events]:
        assert text_of(log[-1]["message"]) == talk.text
        assert "".join(event["text"] for event in log if event["type"] == "text.delta") == talk.text
        assert ends_of(log) == ends_of(logs[0])
    await wait_until_idle(service)


def ends_of(log: list[Event]) -> list[Event]:
    """Return the events that are no deltas, after checking that the positions have no gap."""
    position = 0
    for event in log:
        position += len(event["text"]) if event["type"] == "text.delta" else 1
        assert (event["position"], event["id"]) == (position, str(position))
    return [event for event in log if event["type"] != "text.delta"]


async def test_a_reader_that_never_reads_delays_no_other(service: Service, script: Script) -> None:
    long = "0123456789abcdef" * 4096
    script.play([*[say(long) for _ in range(96)], stop()])
    lazy = [await service.session() for _ in range(2)]
    silent = await Raw.dial(service, WINDOW)
    await silent.send(request("POST", f"/api/sessions/{lazy[0]}/messages", {"content": "why?"}))
    await until(lambda: script.prompts)
    script.play(*[[say("well"), stop()] for _ in range(20)])
    for _ in range(20):
        answer = await service.send(await service.session(), "why?")
        assert (answer["run"]["status"], text_of(answer["message"])) == ("completed", "well")
    await until(lambda: not service.runtime.tasks)
    messages = (await service.client.get(f"/api/sessions/{lazy[0]}/messages")).json()["data"]
    assert (messages[1]["status"], text_of(messages[1]) == long * 96) == ("completed", True)
    assert set(service.runtime.notifier.topics) - BACKGROUND_TOPICS  # it is still being waited for
    silent.reset()
    await wait_until_idle(service)


async def test_a_thousand_readers_of_one_run_get_the_same(service: Service, script: Script) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if 0 < hard < 8192 else 8192, hard))
    talk = Talk([f"word {number} 🐔 " for number in range(20)])
    script.play(talk.scene)
    run_id = (await service.start(await service.session(), "why?"))["run"]["id"]
    path = f"/api/runs/{run_id}/events"
    readers = [await Raw.dial(service) for _ in range(1000)]
    for reader in readers:
        await reader.send(request("GET", path))
    for reader in readers:
        await reader.read_until(b"\n\n")
    assert await fast(service, path, talk)
    bodies = [await reader.read_answer() for reader in readers]
    for reader in readers:
        reader.close()
    log = split_units(await service.events(run_id))
    assert {status for status, _ in bodies} == {200}
    assert all(split_units(events_in(body)) == log for body in {body for _, body in bodies})
    assert len({body[body.rindex(b"\nid: ") :] for _, body in bodies}) == 1
    assert len(script.prompts) == 1
    await wait_until_idle(service)


async def test_a_thousand_readers_of_an_ended_run_get_the_same_bytes(service: Service, script: Script) -> None:
    talk = Talk(["To get ", "to the ", "other side"])
    talk.finish()
    script.play(talk.scene)
    run_id = (await service.send(await service.session(), "why?"))["run"]["id"]

    async def read() -> tuple[int, bytes]:
        async with dialling(service) as raw:
            await raw.send(request("GET", f"/api/runs/{run_id}/events"))
            return await raw.read_answer()

    bodies = await asyncio.gather(*[read() for _ in range(1000)])
    assert len(set(bodies)) == 1
    assert split_units(events_in(bodies[0][1])) == split_units(await service.events(run_id))
    await wait_until_idle(service)


async def restless(service: Service, path: str, talk: Talk, seed: int) -> tuple[list[Event], int]:
    """Read some bytes, reset the connection, resume after the last complete event; until `run.finished`."""
    rng = random.Random(seed)
    events: list[Event] = []
    connections = 0
    while not events or events[-1]["type"] != "run.finished":
        connections += 1
        assert connections < 2000, "it does not get on"
        async with dialling(service) as raw:
            headers = {"last-event-id": events[-1]["id"]} if events else {}
            await raw.send(request("GET", path, **headers))
            await raw.read_until(b"\r\n\r\n")
            talk.step()
            least = rng.choice([1, 1, 1, 1, 40, 200])
            while not (found := events_in(whole_chunks(raw.got))) and least > 0:
                assert await raw.read(rng.choice([7, 300, 5000]))
                least = least if least == 1 else least - 40
            events += found
    return events, connections


async def test_a_reader_that_reconnects_often_gets_exactly_the_log(service: Service, script: Script) -> None:
    talk = Talk([f"{number} 🐔é " * 9 for number in range(400)])
    script.play(talk.scene)
    run_id = (await service.start(await service.session(), "why?"))["run"]["id"]
    path = f"/api/runs/{run_id}/events"
    read = await asyncio.gather(*[restless(service, path, talk, seed) for seed in range(3)])
    log = split_units(await service.events(run_id))
    for events, connections in read:
        assert connections > 100
        assert split_units(events) == log
    await wait_until_idle(service)
