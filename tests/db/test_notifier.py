"""A ring is never lost, whenever it comes."""

import asyncio

import pytest

from chatkeep.db.notifier import Notifier

pytestmark = pytest.mark.anyio

LONG = 60.0


async def test_a_ring_wakes_who_waits_for_that_topic_and_nobody_else() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as one, notifier.subscribe("a") as two, notifier.subscribe("b") as other:
        waiting = [asyncio.ensure_future(bell.wait(LONG)) for bell in (one, two, other)]
        await asyncio.sleep(0)
        notifier.notify("a")
        assert await waiting[0]
        assert await waiting[1]
        assert not waiting[2].done()
        notifier.notify_all()
        assert await waiting[2]


async def test_a_ring_between_two_waits_is_kept_once() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as bell:
        notifier.notify("a")
        notifier.notify("a")
        assert await bell.wait(LONG)
        assert not await bell.wait(0)


async def test_without_a_ring_the_wait_ends_with_its_time() -> None:
    with Notifier().subscribe("a") as bell:
        assert not await bell.wait(0.001)


async def test_each_wait_ends_with_its_own_time() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as patient, notifier.subscribe("a") as hasty, notifier.subscribe("b") as other:
        waiting = asyncio.ensure_future(patient.wait(LONG))
        for _ in range(2):  # the timer that they share goes on
            assert not await hasty.wait(0.001)
            assert not await other.wait(0.001)
        assert not waiting.done()
        notifier.notify("a")
        assert await waiting


async def test_a_wait_that_begins_later_and_is_shorter_ends_first() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as patient, notifier.subscribe("a") as hasty:
        long = asyncio.ensure_future(patient.wait(0.5))
        assert not await hasty.wait(0.001)
        assert not long.done()
        assert not await long


async def test_nobody_is_remembered_who_has_gone() -> None:
    notifier = Notifier()
    with notifier.subscribe("a"):
        pass
    notifier.notify("a")
    assert not notifier.topics


async def test_a_wait_that_is_cancelled_leaves_the_bell_usable() -> None:
    with (notifier := Notifier()).subscribe("a") as bell:
        waiting = asyncio.ensure_future(bell.wait(LONG))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        notifier.notify("a")
        assert await bell.wait(LONG)
