"""A provider whose answers follow from a seed and the prompt: long, short, with functions, wrong, endless."""

import asyncio
import json
import random
import re
from typing import Any, Self

from tests.provider import Answer, ProviderRequest, refuses, streams, text_chunks

WORDS = ("To get ", "to the ", "other side", ", naïve", " 鸡过马路", "\n\n", "🐔🛣️", ' \\ "quoted" ', "é", " <b>&")
ENDLESS = "endless"
"""First word of a message whose answer goes on until it is stopped."""
HELD = "held"
"""First word of a message whose answer stalls after its start."""
GATED = "gated"
"""First word of a message whose answer stalls until the gate is opened."""
ECHO = "echo"
"""First word of a message whose answer is the message in capitals."""
QUICK = "quick"
"""First word of a message whose answer is short and complete."""
_GAPS = (0.0, 0.0, 0.0, 0.001, 0.003, 0.01, 0.02)


class Upstream:
    """A provider on loopback. When a client dies, it goes on with the next."""

    def __init__(self, seed: int) -> None:
        """The same `seed` and prompt make the same answer. `open` counts answers under way."""
        self.request_count = 0
        self.open = 0
        self.url = ""
        self.gate = asyncio.Event()
        self._seed = seed
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                self.request_count += 1
                self.open += 1
                try:
                    await self._answer(ProviderRequest("/v1/chat/completions", {}, body), writer)
                finally:
                    self.open -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # it left, or died
        except RuntimeError as error:
            if "closed" not in str(error):  # the same, in uvloop's words
                raise
        finally:
            writer.close()

    async def _answer(self, request: ProviderRequest, writer: asyncio.StreamWriter) -> None:
        messages = request.body["messages"]
        user_text = next(message["content"] for message in reversed(messages) if message["role"] == "user")
        user_text = user_text.rpartition("\n\n")[2]  # messages without an answer between them come as one
        if user_text.startswith((HELD, GATED)):
            gate = self.gate if user_text.startswith(GATED) else asyncio.Event()
            await streams(*text_chunks("half ")[:1], gate, *text_chunks("and half"))(request, writer)
        else:
            await _choose_answer(random.Random(f"{self._seed} {len(messages)} {user_text}"), user_text)(request, writer)


def _choose_answer(rng: random.Random, user_text: str) -> Answer:
    if user_text.startswith(QUICK):
        return streams(*text_chunks("At once", "."))
    if user_text.startswith(ECHO):
        return streams(*text_chunks(user_text.upper()))
    if user_text.startswith(ENDLESS):
        return streams(*_text_pieces(rng, 20), *(piece for _ in range(2_000) for piece in (*_text(rng), 0.02)))
    kind = rng.choices(("speech", "call", "refusal", "torn", "cut"), (60, 25, 3, 6, 6))[0]
    if kind == "refusal":
        return refuses(500, {"error": {"message": "not today"}})
    if kind == "call":
        return streams(*_text_pieces(rng, rng.randint(0, 5)), *_call_pieces(rng))
    pieces = _text_pieces(rng, rng.randint(1, 60))
    ending = [] if kind in ("torn", "cut") else text_chunks()
    return streams(*pieces, *ending, end=kind != "torn")


def _text_pieces(rng: random.Random, pieces: int) -> list[bytes | float]:
    thought = [_chunk(reasoning_content=word) for word in rng.choices(WORDS, k=rng.choice((0, 0, 4)))]
    return [*thought, *(piece for _ in range(pieces) for piece in (*_text(rng), rng.choice(_GAPS)))]


def _text(rng: random.Random) -> list[bytes]:
    return [_chunk(content="".join(rng.choices(WORDS, k=rng.randint(1, 4))))]


def _call_pieces(rng: random.Random) -> list[bytes | float]:
    """Return a call in pieces. One in four is invalid, so the turn takes another step."""
    arguments = json.dumps({"text": "".join(rng.choices(WORDS, k=20))} if rng.random() < 0.75 else {"joke": 1})
    pieces: list[bytes | float] = []
    first: dict[str, Any] = {"index": 0, "id": f"call_{rng.randrange(10**6)}", "type": "function"}
    pieces.append(_chunk(tool_calls=[{**first, "function": {"name": "tell_joke", "arguments": ""}}]))
    while arguments:
        size = rng.randint(1, 9)
        piece, arguments = arguments[:size], arguments[size:]
        pieces += [_chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]), rng.choice(_GAPS)]
    return [*pieces, *text_chunks(reason="tool_calls")]


def _chunk(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
