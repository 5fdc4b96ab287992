"""A client that reads a stream event by event, with a time limit for each wait."""

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
        """Return the next event."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self._events)

    async def until(self, kind: str) -> list[Event]:
        """Return the events up to and with the first of this type."""
        events = [await self.next()]
        while events[-1]["type"] != kind:
            events.append(await self.next())
        return events

    async def read_units(self, count: int) -> list[Event]:
        """Return the events up to the `count`-th unit (a character or another event), however the deltas are cut."""
        events: list[Event] = []
        while len(split_units(events)) < count:
            events.append(await self.next())
        return events

    async def rest(self) -> list[Event]:
        """Return the events until the service closes the stream. An unclean end raises."""
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self._events]


@asynccontextmanager
async def streaming(service: Service, path: str, method: str = "GET", **request: Any) -> AsyncGenerator[Stream]:
    """Open the stream at `path`. Leaving the block disconnects the client."""
    async with service.client.stream(method, path, **request) as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(read_events(answer)) as events:
            yield Stream(answer, events)


def split_units(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """Return a log as units: each character of a delta, and each other event, with its position."""
    units: list[tuple[Any, ...]] = []
    for event in events:
        position = int(str(event["id"]).rpartition(".")[2])
        assert event["position"] == position
        if event["type"].endswith(".delta"):
            text = event.get("text", event.get("arguments_text"))
            assert text, "an empty delta"
            begin = position - len(text) + 1
            units += [(begin + n, event["type"], event["index"], letter) for n, letter in enumerate(text)]
        else:
            units.append((position, event["type"], {**event, "id": None}))
    return units


def text_of(message: dict[str, Any]) -> str:
    """Return the text of a message."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true; it is polled."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
