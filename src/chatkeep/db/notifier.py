"""Wake-ups. A ring says "look again", never what there is to see: a missed or doubled one does no harm."""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol, Self

SLACK = 0.1
"""Seconds that a wait may last longer: between two looks at all who wait pass as many."""


class Far(Protocol):
    """The way to the doorbells of other processes."""

    def tell(self, topic: str, *, everybody: bool = False) -> None:
        """Ring at the processes that asked for `topic`; or at all of them."""

    def ask(self, topic: str) -> None:
        """Let the others know that somebody waits for `topic` here."""


class Doorbell:
    """Bells by topic (the id of a run or a session); of this process, and of others where there is a way to them."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}
        self._timer: asyncio.TimerHandle | None = None  # one for all: its own would take half a KB for each stream
        self._due = float("inf")  # when it rings, in the event loop's time
        self._looked = 0.0
        self.far: Far | None = None
        self.heard: Callable[[str], None] = lambda topic: None  # called with each topic that another process rings

    @property
    def topics(self) -> Collection[str]:
        """What somebody waits for here."""
        return tuple(self._bells)

    def listen(self, topic: str) -> "Bell":
        """A bell for `topic`; a context manager, connected while it is open."""
        return Bell(self, topic)

    def ring(self, topic: str, *, everywhere: bool = False) -> None:
        """Wake all who listen for `topic`; `everywhere`: and every other process, whether it asked or not."""
        self.wake(topic)
        if self.far is not None:
            self.far.tell(topic, everybody=everywhere)

    def hear(self, topic: str) -> None:
        """Another process rings."""
        self.wake(topic)
        self.heard(topic)

    def wake(self, topic: str) -> None:
        """Wake those who listen for `topic` in this process."""
        for bell in tuple(self._bells.get(topic, ())):
            bell.ring()

    def ring_all(self) -> None:
        """Wake everyone here, e.g. when the service begins to drain."""
        for topic in tuple(self._bells):
            self.wake(topic)

    def connect(self, bell: "Bell") -> None:
        """Let `bell` hear its topic."""
        if self.far is not None and bell.topic not in self._bells:
            self.far.ask(bell.topic)
        self._bells.setdefault(bell.topic, set()).add(bell)

    def disconnect(self, bell: "Bell") -> None:
        """Forget `bell`."""
        bells = self._bells[bell.topic]
        bells.discard(bell)
        if not bells:
            del self._bells[bell.topic]

    def expect(self, due: float) -> None:
        """Look whose wait is over at `due`, in the event loop's time."""
        due = max(due, self._looked + SLACK)
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        now = max(asyncio.get_running_loop().time(), self._due)  # a timer may be half a millisecond early
        self._looked, self._due = now, float("inf")
        for bells in self._bells.values():
            for bell in bells:
                bell.time_out(now)


class Bell:
    """One listener. A ring between two waits is kept: the next wait returns at once."""

    __slots__ = ("_doorbell", "_due", "_loop", "_rung", "_waiter", "topic")

    def __init__(self, doorbell: Doorbell, topic: str) -> None:
        self.topic = topic
        self._doorbell = doorbell
        self._loop = asyncio.get_running_loop()  # kept: to ask for it is a system call on CPython 3.11
        self._rung = False
        self._waiter: asyncio.Future[bool] | None = None
        self._due = 0.0  # when the wait is over, in the event loop's time

    def __enter__(self) -> Self:
        self._doorbell.connect(self)
        return self

    def __exit__(self, *failure: object) -> None:
        self._doorbell.disconnect(self)

    def ring(self) -> None:
        """Wake whoever waits; or, if nobody does, the next one who will."""
        if self._waiter is None or self._waiter.done():
            self._rung = True
        else:
            self._waiter.set_result(True)

    def wait(self, seconds: float) -> asyncio.Future[bool]:
        """Until the bell rings: True; or for `seconds`, and up to SLACK longer: False. One wait at a time."""
        self._waiter = waiter = self._loop.create_future()
        if self._rung:
            self._rung = False
            waiter.set_result(True)
        else:
            self._due = self._loop.time() + seconds
            self._doorbell.expect(self._due)
        return waiter

    def time_out(self, now: float) -> None:
        """Let go on whoever has waited long enough; expect the others."""
        if self._waiter is not None and not self._waiter.done():
            if self._due <= now:
                self._waiter.set_result(False)
            else:
                self._doorbell.expect(self._due)
