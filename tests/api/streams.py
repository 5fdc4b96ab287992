"""A client that stays: it reads a stream event by event, and never waits for ever."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import httpx2

from tests.service import Service, read_events

PATIENCE = 20.0
"""Seconds after which something that should have happened counts as not happening."""

Event: TypeAlias = dict[str, Any]


class Stream:
    """An open stream."""

    def __init__(self, answer: httpx2.Response, events: AsyncGenerator[Event]) -> None:
        self.answer = answer
        self._events = events

    async def next(self) -> Event:
        """The next event."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self._events)

    async def until(self, kind: str) -> list[Event]:
        """The events up to the first of this type, and that one."""
        events = [await self.next()]
        while events[-1]["type"] != kind:
            events.append(await self.next())
        return events

    async def said(self, count: int) -> list[Event]:
        """The events up to the `count`-th character or event, wherever the deltas were cut."""
        events: list[Event] = []
        while len(spelled(events)) < count:
            events.append(await self.next())
        return events

    async def rest(self) -> list[Event]:
        """The events until the service closes the stream; an end that is not clean raises."""
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self._events]


@asynccontextmanager
async def streaming(service: Service, path: str, method: str = "GET", **request: Any) -> AsyncGenerator[Stream]:
    """The stream at `path`; leaving the block is the client's leaving."""
    async with service.client.stream(method, path, **request) as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(read_events(answer)) as events:
            yield Stream(answer, events)


def spelled(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """A log unit by unit: each character of a delta, and each other event, with the position that it takes."""
    position_length: list[tuple[Any, ...]] = []
    for event in events:
        position = int(str(event["id"]).rpartition(".")[2])
        assert event["position"] == position
        if event["type"].endswith(".delta"):
            said = event.get("text", event.get("arguments_text"))
            assert said, "an empty delta"
            begin = position - len(said) + 1
            position_length += [(begin + n, event["type"], event["index"], letter) for n, letter in enumerate(said)]
        else:
            position_length.append((position, event["type"], {**event, "id": None}))
    return position_length


def text_of(message: dict[str, Any]) -> str:
    """What is said in a message."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
