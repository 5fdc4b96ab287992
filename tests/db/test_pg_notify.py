"""Notifiers of several processes over LISTEN and NOTIFY: which are notified, and how a lost connection recovers."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple

import pytest

from chatkeep.db.notifier import Notifier
from chatkeep.db.pg_notify import PostgresNotifier
from tests.api.streams import PATIENCE, until
from tests.databases import new_database
from tests.postgres import Server, execute, slot_taken_over

pytestmark = pytest.mark.anyio


class End(NamedTuple):
    """One of the connected processes."""

    notifier: Notifier
    relay: PostgresNotifier
    received: list[str]


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture
async def ends(url: str) -> AsyncGenerator[tuple[End, End]]:
    first, second = Notifier(), Notifier()
    async with PostgresNotifier(url, first) as here, PostgresNotifier(url, second) as there:
        ends = End(first, here, []), End(second, there, [])
        for end in ends:
            end.notifier.on_remote = end.received.append
        yield ends


def is_subscribed(end: End, topic: str) -> bool:
    return topic in vars(end.relay)["_requested_until"]


async def test_a_notification_wakes_the_subscribers_of_its_topic_only(ends: tuple[End, End]) -> None:
    here, there = ends
    with there.notifier.subscribe("wanted") as subscription:
        await until(lambda: is_subscribed(here, "wanted"))
        here.notifier.notify("not-wanted")
        here.notifier.notify("wanted")
        assert await subscription.wait(PATIENCE)
    here.notifier.notify("for-all", everywhere=True)
    await until(lambda: "for-all" in there.received)
    assert there.received == ["wanted", "for-all"]
    assert here.received == []  # not its own


async def test_many_topics_are_split_over_several_messages(ends: tuple[End, End]) -> None:
    here, there = ends
    topics = [f"01936f3e-8c1a-7000-8000-{number:012}" for number in range(1_000)]
    for topic in topics:
        here.notifier.notify(topic, everywhere=True)
    await until(lambda: len(there.received) == len(topics))
    assert there.received == topics


async def test_a_late_process_learns_the_topics_of_the_others(ends: tuple[End, End], url: str) -> None:
    here, _ = ends
    late = Notifier()
    with here.notifier.subscribe("since-long-ago") as subscription:
        async with PostgresNotifier(url, late) as relay:
            await until(lambda: is_subscribed(End(late, relay, []), "since-long-ago"))
            late.notify("since-long-ago")
            assert await subscription.wait(PATIENCE)


async def test_a_lost_connection_is_restored_and_wakes_all(ends: tuple[End, End], postgres: Server, url: str) -> None:
    here, there = ends
    slot = there.relay.slot
    with there.notifier.subscribe("topic") as subscription:
        name = url.rpartition("/")[2]
        victim = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await execute(postgres.url(), victim)
        assert await subscription.wait(PATIENCE)  # whatever was missed
        async with asyncio.timeout(PATIENCE):
            while not await subscription.wait(0.1):
                here.notifier.notify("topic", everywhere=True)
    assert there.relay.slot == slot != here.relay.slot


async def test_a_slot_lost_to_another_process_is_replaced(ends: tuple[End, End], url: str) -> None:
    here, there = ends
    lost, new_slots = here.relay.slot, list[str]()
    here.relay.on_new_slot = new_slots.append
    async with slot_taken_over(url, lost):
        await until(lambda: new_slots)
        assert new_slots == [here.relay.slot]
        assert here.relay.slot not in (lost, there.relay.slot, "")
        there.notifier.notify("for-all", everywhere=True)
        await until(lambda: "for-all" in here.received)
