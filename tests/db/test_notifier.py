"""The notifier: a notification is never lost, whenever it comes."""

import asyncio

import pytest

from chatkeep.db.notifier import Notifier

pytestmark = pytest.mark.anyio

LONG = 60.0


async def test_a_notification_wakes_only_subscribers_of_its_topic() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as one, notifier.subscribe("a") as two, notifier.subscribe("b") as other:
        waiting = [asyncio.ensure_future(subscription.wait(LONG)) for subscription in (one, two, other)]
        await asyncio.sleep(0)
        notifier.notify("a")
        assert await waiting[0]
        assert await waiting[1]
        assert not waiting[2].done()
        notifier.notify_all()
        assert await waiting[2]


async def test_a_notification_between_two_waits_is_remembered_once() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as subscription:
        notifier.notify("a")
        notifier.notify("a")
        assert await subscription.wait(LONG)
        assert not await subscription.wait(0)


async def test_without_a_notification_the_wait_times_out() -> None:
    with Notifier().subscribe("a") as subscription:
        assert not await subscription.wait(0.001)


async def test_each_wait_has_its_own_timeout() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as patient, notifier.subscribe("a") as hasty, notifier.subscribe("b") as other:
        waiting = asyncio.ensure_future(patient.wait(LONG))
        for _ in range(2):  # the timer that they share goes on
            assert not await hasty.wait(0.001)
            assert not await other.wait(0.001)
        assert not waiting.done()
        notifier.notify("a")
        assert await waiting


async def test_a_later_and_shorter_wait_ends_first() -> None:
    notifier = Notifier()
    with notifier.subscribe("a") as patient, notifier.subscribe("a") as hasty:
        long = asyncio.ensure_future(patient.wait(0.5))
        assert not await hasty.wait(0.001)
        assert not long.done()
        assert not await long


async def test_a_closed_subscription_is_forgotten() -> None:
    notifier = Notifier()
    with notifier.subscribe("a"):
        pass
    notifier.notify("a")
    assert not notifier.topics


async def test_a_cancelled_wait_leaves_the_subscription_usable() -> None:
    with (notifier := Notifier()).subscribe("a") as subscription:
        waiting = asyncio.ensure_future(subscription.wait(LONG))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        notifier.notify("a")
        assert await subscription.wait(LONG)
