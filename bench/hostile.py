"""Plays hostile inputs against the service, and measures the longest time for which its event loop stands still.

All that a process does shares one event loop, so an input that keeps it busy makes every other user wait (`lag.py`).
Each input is played in several rounds, and the smallest lag counts: whatever else a machine does only adds to it.

The provider and the clients run on the first core, the service on the last. The inputs are those of `tests/hostile`,
and of `tests/llm/*.sse`; each line says what became of them.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import httpx2
from archive import SAID, add_session, opened
from lag import largest_lag

from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.json_schema import schema_check
from tools import HERE, OUR_CORE, THEIR_CORE, started

GOAL_MS = 100
"""The largest lag that an input may cause on a quiet machine, in milliseconds."""
CORPUS = HERE.parent / "tests" / "llm"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
OBJECT = {"type": "object"}
WRONG_ITEMS = {**OBJECT, "properties": {"a": {"items": {"type": "string"}}}}
LONG_SESSION = 2_000
"""Messages of the session that has a long history."""

Input: TypeAlias = "Callable[[Player], Awaitable[str]]"


def doubling(times: int) -> dict[str, Any]:
    """Return a schema that is checked 2 to the power of `times` times."""
    defs: dict[str, Any] = {"x0": {"type": "string"}}
    for i in range(1, times + 1):
        defs[f"x{i}"] = {"allOf": [{"$ref": f"#/$defs/x{i - 1}"}] * 2}
    return {**OBJECT, "$defs": defs, "properties": {"a": {"$ref": f"#/$defs/x{times}"}}, "required": ["a"]}


def function(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": "d", "parameters": schema}


def chunk(delta: Any, reason: str | None = None, **more: Any) -> bytes:
    """Return a chunk of a provider's answer as an event."""
    return (
        b"data: %b\n\n"
        % json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}).encode()
    )


def calling(arguments: str, index: int = 0, name: str | None = "f") -> dict[str, Any]:
    call = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"call_{index}", "function": call}]}


def body(*chunks: bytes, reason: str = "stop") -> bytes:
    return b"".join([*chunks, chunk({}, reason), b"data: [DONE]\n\n"])


class Player:
    """The hostile client, and the hostile provider behind the service. `answer`: what the provider sends next."""

    def __init__(self) -> None:
        self.answer = b""
        self.client = httpx2.AsyncClient()
        self.long_session = ""

    async def provide(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the service: one request, one answer."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(HEAD + self.answer)
            await writer.drain()
        writer.close()

    async def send(self, answer: bytes = b"", session: str = "", **message: Any) -> str:
        """Send a message, have the provider send `answer`, and return what became of it."""
        self.answer = answer or body(chunk({"content": "Hi."}))
        session = session or (await self.client.post("/api/sessions", json={})).json()["id"]
        response = await self.client.post(
            f"/api/sessions/{session}/messages",
            json={"content": "Hi", **message},
            headers={"accept": "application/json"},
        )
        if response.status_code != 200:
            return str(response.status_code)
        run = response.json()["run"]
        return run["error"]["code"] if run["error"] else run["status"]

    async def call(self, schema: dict[str, Any], value: Any) -> str:
        """Have the provider call a function of that schema, with `value` as its argument `a`."""
        answer = body(chunk(calling(json.dumps({"a": value}))), reason="tool_calls")
        return await self.send(answer, tools=[function("f", schema)])

    async def post(self, path: str, content: bytes) -> str:
        """Send a body as it is; return the status."""
        answer = await self.client.post(path, content=content, headers={"content-type": "application/json"})
        return str(answer.status_code)


async def all_of(outcomes: Sequence[Awaitable[str]]) -> str:
    """Play inputs one after the other, and count what became of them."""
    seen = Counter([await outcome for outcome in outcomes])
    return ", ".join(f"{count} {outcome}" for outcome, count in seen.most_common())


async def rest(player: Player) -> str:
    await asyncio.sleep(3)
    return "the lag of the measurement itself"


async def schemas(player: Player) -> str:
    patterns = [
        {**OBJECT, "properties": {f"p{i}": {"pattern": f"^{i}[a-z]{{1,9}}$"} for i in range(n, n + 45)}}
        for n in range(32)
    ]
    heavy = [function(f"f{n}", {**doubling(11), "title": str(n)}) for n in range(32)]
    return await all_of(
        [
            player.send(tools=[function("f", doubling(29))]),
            player.send(tools=heavy),
            player.send(tools=[function(f"f{n}", schema) for n, schema in enumerate(patterns)]),
        ]
    )


async def wrong_values(player: Player) -> str:
    """As many errors as are made, and so many values that no error is."""
    return await all_of([player.call(WRONG_ITEMS, [1] * count) for count in (1_990, 100_000, 400_000)])


async def heavy_schemas(player: Player) -> str:
    return await all_of([player.call(doubling(11), value) for value in (7, "x" * 60_000)])


async def patterns(player: Player) -> str:
    schema = {**OBJECT, "properties": {"a": {"pattern": r"(?=a)(a|a)*$"}}}
    return await all_of([player.call(schema, "a" * count + "!") for count in (12_000, 100_000)])


async def odd_chunks(player: Player) -> str:
    return await all_of([player.send(file.read_bytes()) for file in sorted(CORPUS.glob("*.sse"))])


async def many_calls(player: Player) -> str:
    """As a provider that never stops calling: one call in a chunk, and all in one."""
    single = [chunk(calling("{}", n)) for n in range(20_000)]
    at_once = chunk({"tool_calls": [calling("{}", n)["tool_calls"][0] for n in range(20_000)]})
    tools = [function("f", OBJECT)]
    return await all_of(
        [player.send(body(*answer, reason="tool_calls"), tools=tools) for answer in (single, [at_once])]
    )


async def names_in_pieces(player: Player) -> str:
    pieces = ['{"a": "', *["x" * 20] * 8_000, '"}']
    chunks = [chunk(calling(piece)) for piece in pieces]
    return await player.send(body(*chunks, reason="tool_calls"), tools=[function("f", OBJECT)])


async def unknown_fields(player: Player) -> str:
    fields = {f"field {n}": n for n in range(60_000)}
    return await all_of(
        [
            player.send(body(chunk({"content": "Hi.", **fields}))),
            player.post("/api/sessions", json.dumps(fields).encode()),
            player.send(metadata=dict.fromkeys(map(str, range(60_000)), "")),
        ]
    )


async def deep(player: Player) -> str:
    nested = b'{"metadata":' + b'{"a":' * 100_000
    call = chunk(calling('{"a":' * 100_000 + "1" + "}" * 100_000))
    return await all_of([player.post("/api/sessions", nested), player.send(body(call, reason="tool_calls"))])


async def long_messages(player: Player) -> str:
    return await all_of([player.send(content=text) for text in ("x" * 250_000, "\\\u0000 😀" * 25_000)])


async def long_answer(player: Player) -> str:
    return await player.send(body(chunk({"content": "x" * 4_000_000})))


async def fast_answer(player: Player) -> str:
    return await player.send(body(*[chunk({"content": "word "})] * 100_000))


async def long_history(player: Player) -> str:
    return await player.send(session=player.long_session)


async def search(player: Player) -> str:
    words = ["nowhere to be found", "a b c d e f g h i j " * 10, "é" * 200]
    answers = [await player.client.get("/api/search", params={"q": q, "limit": 100}) for q in words]
    return ", ".join(f"{len(answer.json()['data'])} found" for answer in answers)


INPUTS: dict[str, Input] = {
    "nothing": rest,
    "schemas of client functions": schemas,
    "arguments with many wrong values": wrong_values,
    "arguments for a heavy schema": heavy_schemas,
    "arguments for a pattern that goes back": patterns,
    "odd chunks, all of the corpus": odd_chunks,
    "20,000 calls in a step": many_calls,
    "a name in each of 8,000 pieces": names_in_pieces,
    "60,000 unknown fields": unknown_fields,
    "100,000 levels of JSON": deep,
    "messages of 250 KB": long_messages,
    "an answer of 4 MB in one chunk": long_answer,
    "100,000 chunks at once": fast_answer,
    "a history of 2,000 messages": long_history,
    "search that finds nothing": search,
}


async def archive(path: Path) -> str:
    """Fill a database with 500 sessions of 20 messages, and one with a long history, whose id is returned."""
    async with opened(path) as db:
        for _ in range(500):
            await db.transaction(lambda tx: add_session(tx, 20, SAID * 5))
        return await db.transaction(lambda tx: add_session(tx, LONG_SESSION, SAID * 100))


@contextlib.asynccontextmanager
async def playing(folder: Path) -> AsyncGenerator[tuple[int, Player]]:
    """Start the provider and the service, and yield the service's port and the player."""
    player = Player()
    player.long_session = await archive(folder / "chatkeep.db")
    upstream = await asyncio.start_server(player.provide, "127.0.0.1", 0, limit=2**20)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/v1"
    environment = {"CHATKEEP_DATABASE_URL": f"sqlite:///{folder / 'chatkeep.db'}", "OPENAI_BASE_URL": url}
    environment |= {"OPENAI_API_KEY": "x", "CHATKEEP_MODEL_RETRIES": "0", "PYTHONPATH": str(HERE.parent / "src")}
    command = [sys.executable, "-m", "chatkeep", "serve", "--port", "0"]
    with started("hostile", command, THEIR_CORE, environment, folder) as service:
        url = f"http://127.0.0.1:{service.port}"
        async with httpx2.AsyncClient(base_url=url, timeout=300, trust_env=False) as player.client:
            yield service.port, player
    upstream.close()


async def play_all(names: Sequence[str], rounds: int) -> dict[str, tuple[float, str]]:
    """Play the inputs of these names; return the smallest lag of the rounds, and the outcome of each."""
    with tempfile.TemporaryDirectory(prefix="bench-hostile-") as folder:
        async with playing(Path(folder)) as (port, player):
            await player.send()
            played = [(name, await largest_lag(port, INPUTS[name](player))) for _ in range(rounds) for name in names]
    return {name: min(seen for each, seen in played if each == name) for name in names}


def error_us() -> float:
    """Return the microseconds that one error of a validation costs (median): why their number is limited."""
    check, count = schema_check(WRONG_ITEMS), 1_990
    taken: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        with contextlib.suppress(InvalidArguments):
            check({"a": [1] * count})
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6 / count


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=INPUTS, default=list(INPUTS), metavar="INPUT")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.sched_setaffinity(0, {OUR_CORE})
    print(f"| input | largest lag, ms (goal ≤ {GOAL_MS}) | what became of it |\n|---|--:|---|")
    for name, (lag, outcome) in asyncio.run(play_all(given.only, given.rounds)).items():
        print(f"| {name} | {lag:.0f} | {outcome} |")
    print(f"\nAn error of a validation costs {error_us():.0f} µs.")


if __name__ == "__main__":
    main()
