"""Wakes readers when something may have changed.

A notification says "look again" about a topic (the id of a run or a session), never what changed. So a lost one costs
a little time, because every wait also ends by itself, and a doubled one costs a look.

1. A reader subscribes, looks, and waits. What is notified between the look and the wait is remembered by the
   subscription: the wait returns at once.
2. One timer serves every wait of the process. A timer for each would take half a KB per stream.
3. Notifications of other processes come through a `RemoteNotifier`, where the database has one.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol, Self

TIMEOUT_SLACK_SECONDS = 0.1
"""How much longer than asked a wait may last: timeouts are checked no more often than this."""


class RemoteNotifier(Protocol):
    """The way to the notifiers of the other processes on the same database."""

    def publish(self, topic: str, *, everywhere: bool = False) -> None:
        """Notify the processes that have a reader of `topic`; with `everywhere`, all of them."""

    def request(self, topic: str) -> None:
        """Ask the other processes for their notifications of `topic`, because a reader here waits for them."""


class Notifier:
    """Subscriptions by topic, in this process and, through `remote`, in the others."""

    def __init__(self) -> None:
        self.remote: RemoteNotifier | None = None
        self.on_remote: Callable[[str], None] = lambda topic: None  # called with each topic another process notifies
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")  # when the timer fires, in the event loop's time
        self._checked_at = 0.0

    @property
    def topics(self) -> Collection[str]:
        """The topics that have a subscription in this process."""
        return tuple(self._subscriptions)

    def subscribe(self, topic: str) -> "Subscription":
        """Return a subscription to `topic`: a context manager, active while it is open."""
        return Subscription(self, topic)

    def notify(self, topic: str, *, everywhere: bool = False) -> None:
        """Wake the readers of `topic` here and elsewhere; with `everywhere`, tell processes without readers too."""
        self.notify_local(topic)
        if self.remote is not None:
            self.remote.publish(topic, everywhere=everywhere)

    def receive(self, topic: str) -> None:
        """Handle a notification of another process."""
        self.notify_local(topic)
        self.on_remote(topic)

    def notify_local(self, topic: str) -> None:
        """Wake the readers of `topic` in this process."""
        for subscription in tuple(self._subscriptions.get(topic, ())):
            subscription.notify()

    def notify_all(self) -> None:
        """Wake every reader in this process, e.g. when the service begins to drain."""
        for topic in tuple(self._subscriptions):
            self.notify_local(topic)

    def add(self, subscription: "Subscription") -> None:
        """Start notifying `subscription`."""
        if self.remote is not None and subscription.topic not in self._subscriptions:
            self.remote.request(subscription.topic)
        self._subscriptions.setdefault(subscription.topic, set()).add(subscription)

    def remove(self, subscription: "Subscription") -> None:
        """Stop notifying `subscription`."""
        subscriptions = self._subscriptions[subscription.topic]
        subscriptions.discard(subscription)
        if not subscriptions:
            del self._subscriptions[subscription.topic]

    def schedule_timeout(self, due: float) -> None:
        """Check timeouts at `due`, in the event loop's time, or up to `TIMEOUT_SLACK_SECONDS` later."""
        due = max(due, self._checked_at + TIMEOUT_SLACK_SECONDS)
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = asyncio.get_running_loop().call_at(due, self._check_timeouts)

    def _check_timeouts(self) -> None:
        now = max(asyncio.get_running_loop().time(), self._due)  # a timer may fire half a millisecond early
        self._checked_at, self._due = now, float("inf")
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.check_timeout(now)


class Subscription:
    """One reader's interest in a topic. A notification between two waits is remembered for the next one."""

    __slots__ = ("_due", "_is_notified", "_loop", "_notifier", "_waiter", "topic")

    def __init__(self, notifier: Notifier, topic: str) -> None:
        self.topic = topic
        self._notifier = notifier
        self._loop = asyncio.get_running_loop()  # stored: get_running_loop() is a system call on CPython 3.11
        self._is_notified = False
        self._waiter: asyncio.Future[bool] | None = None
        self._due = 0.0  # when the wait times out, in the event loop's time

    def __enter__(self) -> Self:
        self._notifier.add(self)
        return self

    def __exit__(self, *failure: object) -> None:
        self._notifier.remove(self)

    def notify(self) -> None:
        """End the current wait, or the next one if there is none."""
        if self._waiter is None or self._waiter.done():
            self._is_notified = True
        else:
            self._waiter.set_result(True)

    def wait(self, seconds: float) -> asyncio.Future[bool]:
        """Return a future: True when notified, False after `seconds` (and the slack). One wait at a time."""
        self._waiter = waiter = self._loop.create_future()
        if self._is_notified:
            self._is_notified = False
            waiter.set_result(True)
        else:
            self._due = self._loop.time() + seconds
            self._notifier.schedule_timeout(self._due)
        return waiter

    def check_timeout(self, now: float) -> None:
        """End the wait if its time is over at `now`; else have it checked again when it is."""
        if self._waiter is not None and not self._waiter.done():
            if self._due <= now:
                self._waiter.set_result(False)
            else:
                self._notifier.schedule_timeout(self._due)
