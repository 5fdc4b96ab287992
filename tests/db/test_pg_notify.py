"""The doorbell between processes: who asks is rung, nobody else; a line that was lost is there again."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple

import pytest

from chatkeep.db.notifier import Doorbell
from chatkeep.db.pg_notify import Relay
from tests.api.streams import PATIENCE, until
from tests.databases import new_database
from tests.postgres import Server, execute

pytestmark = pytest.mark.anyio


class End(NamedTuple):
    """One of the processes."""

    doorbell: Doorbell
    relay: Relay
    heard: list[str]


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture
async def ends(url: str) -> AsyncGenerator[tuple[End, End]]:
    first, second = Doorbell(), Doorbell()
    async with Relay(url, first) as here, Relay(url, second) as there:
        ends = End(first, here, []), End(second, there, [])
        for end in ends:
            end.doorbell.heard = end.heard.append
        yield ends


def asked(end: End, topic: str) -> bool:
    return topic in vars(end.relay)["_wanted"]


async def test_who_asks_is_rung_and_nobody_is_told_of_anything_else(ends: tuple[End, End]) -> None:
    here, there = ends
    with there.doorbell.listen("wanted") as bell:
        await until(lambda: asked(here, "wanted"))
        here.doorbell.ring("not-wanted")
        here.doorbell.ring("wanted")
        assert await bell.wait(PATIENCE)
    here.doorbell.ring("for-all", everywhere=True)
    await until(lambda: "for-all" in there.heard)
    assert there.heard == ["wanted", "for-all"]
    assert here.heard == []  # not its own


async def test_many_topics_take_several_messages(ends: tuple[End, End]) -> None:
    here, there = ends
    topics = [f"01936f3e-8c1a-7000-8000-{number:012}" for number in range(1_000)]
    for topic in topics:
        here.doorbell.ring(topic, everywhere=True)
    await until(lambda: len(there.heard) == len(topics))
    assert there.heard == topics


async def test_one_that_comes_later_learns_what_the_others_wait_for(ends: tuple[End, End], url: str) -> None:
    here, _ = ends
    late = Doorbell()
    with here.doorbell.listen("since-long-ago") as bell:
        async with Relay(url, late) as relay:
            await until(lambda: asked(End(late, relay, []), "since-long-ago"))
            late.ring("since-long-ago")
            assert await bell.wait(PATIENCE)


async def test_a_line_that_was_lost_is_there_again_and_everybody_looks(
    ends: tuple[End, End], postgres: Server, url: str
) -> None:
    here, there = ends
    place = there.relay.place
    with there.doorbell.listen("topic") as bell:
        name = url.rpartition("/")[2]
        victim = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await execute(postgres.url(), victim)
        assert await bell.wait(PATIENCE)  # whatever was missed
        async with asyncio.timeout(PATIENCE):
            while not await bell.wait(0.1):
                here.doorbell.ring("topic", everywhere=True)
    assert there.relay.place == place != here.relay.place
