"""Wake-ups. A ring says "look again", never what there is to see: a missed or doubled one does no harm."""

import asyncio
from types import TracebackType
from typing import Self


class Doorbell:
    """Bells by topic (the id of a run or a session), within this process."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}

    def listen(self, topic: str) -> "Bell":
        """A bell for `topic`; a context manager, connected while it is open."""
        return Bell(self, topic)

    def ring(self, topic: str) -> None:
        """Wake all who listen for `topic`."""
        for bell in tuple(self._bells.get(topic, ())):
            bell.ring()

    def ring_all(self) -> None:
        """Wake everyone, e.g. when the service begins to drain."""
        for topic in tuple(self._bells):
            self.ring(topic)

    def connect(self, bell: "Bell") -> None:
        """Let `bell` hear its topic."""
        self._bells.setdefault(bell.topic, set()).add(bell)

    def disconnect(self, bell: "Bell") -> None:
        """Forget `bell`."""
        bells = self._bells[bell.topic]
        bells.discard(bell)
        if not bells:
            del self._bells[bell.topic]


class Bell:
    """One listener. A ring between two waits is kept: the next wait returns at once."""

    def __init__(self, doorbell: Doorbell, topic: str) -> None:
        self.topic = topic
        self._doorbell = doorbell
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._doorbell.connect(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._doorbell.disconnect(self)

    def ring(self) -> None:
        """Wake whoever waits; or, if nobody does, the next one who will."""
        self._rung = True
        self._release()

    async def wait(self, seconds: float) -> bool:
        """Until the bell rings: True; or for `seconds`: False."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self._release)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        rung, self._rung = self._rung, False
        return rung

    def _release(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
