"""The mixed load of `soak.py`: clients that use every route, and a provider with every fault."""

import asyncio
import contextlib
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import httpx2

HEAD = b"HTTP/1.1 %d Whatever\r\ncontent-type: %b\r\nconnection: close\r\n\r\n"
FAULTS = {"none": 60, "slow": 8, "500": 3, "429": 2, "torn": 4, "stall": 2, "garbage": 3, "cut": 3, "call": 8}
"""The kinds of answers of the provider, and how many of 100 answers are of each."""
STALL_SECONDS = 6
"""Longer than the service waits for the next chunk (`soak.SETTINGS`)."""


Odd: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer of another kind."""


class Provider:
    """An OpenAI-compatible provider with faults; `faults` counts the answers of each kind."""

    def __init__(self, odd: "Mapping[str, Odd] | None" = None, functions: Sequence[str] = ("tell_joke",)) -> None:
        """`odd` are further kinds of answers, each given as often as a rare fault; `functions` are called."""
        self.faults: Counter[str] = Counter()
        self._odd = odd or {}
        self._functions = functions

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request, one answer."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
            kinds = {**FAULTS, **dict.fromkeys(self._odd, 2)}
            fault = random.choices(list(kinds), list(kinds.values()))[0]
            self.faults[fault] += 1
            await (self._odd[fault](writer) if fault in self._odd else self._answer(writer, fault))
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, fault: str) -> None:
        if fault in ("500", "429"):
            writer.write(HEAD % (int(fault), b"application/json") + b'{"error":{"message":"not now"}}')
            return
        writer.write(HEAD % (200, b"text/event-stream"))
        pieces = random.randint(5, 120)
        for number in range(pieces):
            if fault in ("torn", "stall", "garbage", "cut") and number == pieces // 2:
                break
            writer.write(_chunk({"content": random.choice(("To get ", "to the ", "other side. ", "鸡🐔 "))}))
            await writer.drain()
            await asyncio.sleep(random.choice((0, 0.01, 0.02, 0.05)) if fault != "slow" else 0.1)
        if fault == "torn":
            writer.transport.abort()
        elif fault == "stall":
            await asyncio.sleep(STALL_SECONDS)
        elif fault == "garbage":
            writer.write(b"data: {no json\n\n" * 3)
        elif fault != "cut":
            if fault == "call":
                call = {"name": random.choice(self._functions), "arguments": '{"text": "the other side"}'}
                writer.write(_chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": call}]}))
            writer.write(_chunk({}, "tool_calls" if fault == "call" else "stop"))
            writer.write(b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9}}\n\ndata: [DONE]\n\n')
        await writer.drain()


class Load:
    """Clients at work. `counts` counts what they did, `wrong` the errors that should not happen."""

    def __init__(self, url: str) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
        self.client = httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False, limits=limits)
        self.counts: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.examples: list[str] = []
        self.streams = 0
        self.stopping = False

    async def person(self) -> None:
        """Run one client: a session, some turns in it, then the next session."""
        while not self.stopping:
            try:
                await self._session()
            except (httpx2.HTTPError, AssertionError, KeyError, ValueError) as error:
                self.wrong[type(error).__name__] += 1
                self.examples.append(f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(0.5)

    async def _session(self) -> None:
        session = f"/api/sessions/{uuid.uuid4()}"
        await self.ask("POST", "/api/sessions", (201,), json={"id": session.rpartition("/")[2]})
        feed = asyncio.create_task(self._feed(session)) if random.random() < 0.3 else None
        try:
            for _ in range(random.randint(1, 12)):
                if self.stopping:
                    break
                turns = (
                    self._listen,
                    self._leave,
                    self._leave,
                    self._json,
                    self._repeat,
                    self._cancel,
                    self._interrupt,
                )
                await random.choice(turns)(session)
                await self.ask("GET", f"{session}/messages", (200,))
            if random.random() < 0.3:
                await self.ask("POST", f"{session}/messages", (202,), prefer="respond-async", json={"content": "x"})
            await self.ask("DELETE", session, (204,))
            await self.ask("GET", session, (404,))
        finally:
            if feed is not None:
                feed.cancel()
                await asyncio.gather(feed, return_exceptions=True)

    async def ask(self, method: str, path: str, fine: Sequence[int], json: Any = None, **headers: str) -> Any:
        """Send one request, whose status must be one of `fine`, and return the answer's JSON; None without content."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.request(method, path, json=json, headers=names)
        self.counts["requests"] += 1
        assert answer.status_code in fine, f"{method} {path}: {answer.status_code} {answer.text[:150]}"
        return answer.json() if answer.content else None

    async def _say(self, session: str, limit: float, **more: str) -> tuple[str, int, bool]:
        json = {"content": f"why? {random.random()}", **more}
        return await self._read("POST", f"{session}/messages", 0, limit, json=json)

    async def _read(self, method: str, path: str, after: int, limit: float, **more: Any) -> tuple[str, int, bool]:
        """Read up to `limit` events after a position. Returns the run, the last position, and if the run is over."""
        self.streams += 1
        try:
            async with self.client.stream(method, path, **more) as answer:
                self.counts["requests"] += 1
                if answer.status_code == 204:
                    return path.split("/")[3], after, True
                assert answer.status_code == 200, f"stream: {answer.status_code} {await answer.aread()!r}"
                self.counts["streams"] += 1
                run, over = answer.headers.get("location", path).split("/")[3], False
                async for event in _events(answer):
                    said = event.get("text", event.get("arguments_text", "."))
                    assert event["position"] - len(said) == after, f"a gap after {after}: {event}"
                    after, over = event["position"], event["type"] == "run.finished"
                    self.counts["events"] += 1
                    if over:
                        self.counts[f"run {event['run']['status']}"] += 1
                    if (limit := limit - 1) <= 0:
                        return run, after, over
                assert over, f"a stream ended at {after}, before its run"
                return run, after, over
        finally:
            self.streams -= 1

    async def _listen(self, session: str) -> None:
        run, position, _ = await self._say(session, float("inf"))
        await self.ask("GET", f"/api/runs/{run}/events?after={position}", (204,))

    async def _leave(self, session: str) -> None:
        run, position, over = await self._say(session, random.randint(1, 30))
        while not over:
            self.counts["disconnects and resumes"] += 1
            headers = {"last-event-id": str(position)}
            limit = random.choice((3, 10, 30, float("inf")))
            run, position, over = await self._read("GET", f"/api/runs/{run}/events", position, limit, headers=headers)

    async def _json(self, session: str) -> None:
        json = {"content": "all at once"}
        told = await self.ask("POST", f"{session}/messages", (200,), json=json, accept="application/json")
        json = {"message_id": told["user_message"]["id"]}
        await self.ask("POST", f"{session}/runs", (200,), json=json, accept="application/json")

    async def _repeat(self, session: str) -> None:
        key, json = uuid.uuid4().hex, {"content": "once"}
        asked = [
            self.ask("POST", f"{session}/messages", (202,), json=json, prefer="respond-async", idempotency_key=key)
            for _ in range(3)
        ]
        runs = {told["run"]["id"] for told in await asyncio.gather(*asked)}
        assert len(runs) == 1, f"one key made {len(runs)} runs"
        self.counts["idempotent repeats"] += 2
        await self._read("GET", f"/api/runs/{runs.pop()}/events", 0, float("inf"))

    async def _cancel(self, session: str) -> None:
        run, _, _ = await self._say(session, random.randint(1, 10))
        told = await self.ask("POST", f"/api/runs/{run}/cancel", (200, 202))
        self.counts[f"cancel: {told['status']}"] += 1

    async def _interrupt(self, session: str) -> None:
        await self._say(session, random.randint(1, 5))
        self.counts["interrupts"] += 1
        await self._say(session, float("inf"), on_busy="interrupt")

    async def _feed(self, session: str) -> None:
        self.streams += 1
        try:
            async with self.client.stream("GET", f"{session}/events") as answer:
                async for _ in _events(answer):
                    self.counts["feed events"] += 1
        except httpx2.HTTPError as error:
            self.wrong[f"feed: {type(error).__name__}"] += 1
        finally:
            self.streams -= 1


def _chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()


async def _events(answer: httpx2.Response) -> AsyncGenerator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
