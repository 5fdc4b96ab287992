"""The doorbell between processes on one PostgreSQL: LISTEN and NOTIFY on one channel, by a connection of its own.

1. A message is its sender and topics: never what there is to see. What is lost does no harm: everybody looks again
   by the clock as well. A connection that was lost and is there again rings every bell.
2. A process asks for the topics that its readers wait for ("?" before them); others tell of no topic but those.
3. Rings are gathered for a moment and sent outside of any transaction: a commit with a NOTIFY holds up all others.
4. The connection holds a lock on the process's place: the next one of this place knows that its predecessor is dead.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (asyncpg has no types)

import asyncio
import hashlib
import logging
import socket
from contextlib import suppress
from itertools import islice
from typing import Any, Self

import asyncpg

from chatkeep import ids
from chatkeep.db.notifier import Doorbell
from chatkeep.db.postgres import LOST, PATIENCE, SESSION, said
from chatkeep.errors import CannotStart

CHANNEL = "chatkeep"
ALL = "*"
"""What one that has just come asks for: what do the others wait for?"""
GATHER = 0.02
"""Seconds for which rings are gathered before they are sent."""
TOPICS = 150
"""So many topics fit into one message (8000 bytes)."""
WANTED = 60.0
"""Seconds after which a topic that is still wanted is asked for again; others forget it after twice that."""
PLACES = 256
"""The most processes of one machine that are told apart."""
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a first, second, … try to connect again; the last one again and again."""

_log = logging.getLogger("chatkeep")


class Relay:
    """This process's line to the others; `place` is its place among those of this machine, which no other one has."""

    def __init__(self, dsn: str, doorbell: Doorbell) -> None:
        self.place = ""
        self._me = ids.new()
        self._dsn = dsn
        self._doorbell = doorbell
        self._connection: Any = None
        self._lost = asyncio.Event()
        self._outbox: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._wanted: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, take a place, and stay connected until the end.

        Raises:
            CannotStart: the database cannot be reached.
        """
        try:
            await self._connect()
            self.place = await self._first_free_place()
        except (*LOST, asyncpg.PostgresError, ValueError) as error:
            raise CannotStart(f"cannot listen on the database: {said(error)}") from error
        self._doorbell.far = self
        self._task = asyncio.create_task(self._stay(), name="relay")
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._doorbell.far = None
        assert self._task is not None, "it was entered"
        self._task.cancel()
        await asyncio.wait([self._task])
        self._hang_up()

    def tell(self, topic: str, *, everybody: bool = False) -> None:
        """Ring at the processes that asked for `topic`; or at all of them."""
        if everybody or topic in self._wanted:
            self._outbox[topic] = None
            self._wake.set()

    def ask(self, topic: str) -> None:
        """Let the others know that somebody waits for `topic` here."""
        self._outbox[f"?{topic}"] = None
        self._wake.set()

    async def _stay(self) -> None:
        tries = 0
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                    await self._take(self.place)
                    self._doorbell.ring_all()
                    tries = 0
                await self._send()
            except (*LOST, asyncpg.PostgresError) as error:
                self._hang_up()
                _log.warning("no line to other processes for now: %s", said(error))
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1

    async def _connect(self) -> None:
        self._lost = lost = asyncio.Event()

        def ended(connection: Any) -> None:
            del connection
            lost.set()
            self._wake.set()

        connection = await asyncpg.connect(
            self._dsn, timeout=int(PATIENCE), command_timeout=PATIENCE, server_settings=SESSION
        )
        self._connection = connection
        connection.add_termination_listener(ended)
        await connection.add_listener(CHANNEL, self._hear)
        self.ask(ALL)
        self._ask_again()

    def _ask_again(self) -> None:
        for topic in self._doorbell.topics:
            self.ask(topic)

    async def _first_free_place(self) -> str:
        for number in range(PLACES):
            if await self._take(place := f"{socket.gethostname()}/{number}"):
                return place
        return ""

    async def _take(self, place: str) -> bool:
        number = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], signed=True)
        return bool(place) and await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", number)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _send(self) -> None:
        """Send what gathers, until the connection is lost."""
        loop = asyncio.get_running_loop()
        again = loop.time() + WANTED
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(again):
                    await self._wake.wait()
            await asyncio.sleep(GATHER)
            self._wake.clear()
            if loop.time() >= again:
                again = loop.time() + WANTED
                self._wanted = {topic: until for topic, until in self._wanted.items() if until > loop.time()}
                self._ask_again()
            while self._outbox and not self._lost.is_set():
                topics = list(islice(self._outbox, TOPICS))
                for topic in topics:  # before it is sent: one that rings meanwhile is sent once more
                    del self._outbox[topic]
                await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, " ".join([self._me, *topics]))
        raise ConnectionError("the listening connection was closed")

    def _hear(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        del connection, pid, channel
        sender, *topics = payload.split(" ")
        if sender == self._me:
            return
        until = asyncio.get_running_loop().time() + 2 * WANTED
        for topic in topics:
            if topic == f"?{ALL}":
                self._ask_again()
            elif topic.startswith("?"):
                self._wanted[topic[1:]] = until
            else:
                self._doorbell.hear(topic)
