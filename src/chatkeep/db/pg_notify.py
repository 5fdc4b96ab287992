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
from chatkeep.db.notifier import Notifier
from chatkeep.db.postgres import CONNECTION_ERRORS, RETRY_SECONDS, SERVER_SETTINGS, error_line
from chatkeep.errors import CannotStart

CHANNEL = "chatkeep"
ALL_TOPICS = "*"
"""What one that has just come asks for: what do the others wait for?"""
GATHER_SECONDS = 0.02
"""Seconds for which rings are gathered before they are sent."""
MAX_TOPICS = 150
"""So many topics fit into one message (8000 bytes)."""
REQUEST_SECONDS = 60.0
"""Seconds after which a topic that is still wanted is asked for again; others forget it after twice that."""
MAX_PLACES = 256
"""The most processes of one machine that are told apart."""
RETRY_DELAYS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a first, second, … try to connect again; the last one again and again."""

_log = logging.getLogger("chatkeep")


class PostgresNotifier:
    """This process's line to the others; `place` is its place among those of this machine, which no other one has."""

    def __init__(self, dsn: str, notifier: Notifier) -> None:
        self.place = ""
        self._me = ids.new()
        self._dsn = dsn
        self._notifier = notifier
        self._connection: Any = None
        self._lost = asyncio.Event()
        self._outgoing: dict[str, None] = {}
        self._has_outgoing = asyncio.Event()
        self._requested_until: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, take a place, and stay connected until the end.

        Raises:
            CannotStart: the database cannot be reached.
        """
        try:
            await self._connect()
            self.place = await self._first_free_place()
        except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
            raise CannotStart(f"cannot listen on the database: {error_line(error)}") from error
        self._notifier.remote = self
        self._task = asyncio.create_task(self._stay_connected(), name="relay")
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._notifier.remote = None
        assert self._task is not None, "it was entered"
        self._task.cancel()
        await asyncio.wait([self._task])
        self._disconnect()

    def publish(self, topic: str, *, everywhere: bool = False) -> None:
        """Ring at the processes that asked for `topic`; or at all of them."""
        if everywhere or topic in self._requested_until:
            self._outgoing[topic] = None
            self._has_outgoing.set()

    def request(self, topic: str) -> None:
        """Let the others know that somebody waits for `topic` here."""
        self._outgoing[f"?{topic}"] = None
        self._has_outgoing.set()

    async def _stay_connected(self) -> None:
        tries = 0
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                    await self._lock_place(self.place)
                    self._notifier.notify_all()
                    tries = 0
                await self._send()
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                self._disconnect()
                _log.warning("no line to other processes for now: %s", error_line(error))
                await asyncio.sleep(RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS) - 1)])
                tries += 1

    async def _connect(self) -> None:
        self._lost = lost = asyncio.Event()

        def ended(connection: Any) -> None:
            del connection
            lost.set()
            self._has_outgoing.set()

        connection = await asyncpg.connect(
            self._dsn, timeout=int(RETRY_SECONDS), command_timeout=RETRY_SECONDS, server_settings=SERVER_SETTINGS
        )
        self._connection = connection
        connection.add_termination_listener(ended)
        await connection.add_listener(CHANNEL, self._on_notification)
        self.request(ALL_TOPICS)
        self._request_all()

    def _request_all(self) -> None:
        for topic in self._notifier.topics:
            self.request(topic)

    async def _first_free_place(self) -> str:
        for number in range(MAX_PLACES):
            if await self._lock_place(place := f"{socket.gethostname()}/{number}"):
                return place
        return ""

    async def _lock_place(self, place: str) -> bool:
        number = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], signed=True)
        return bool(place) and await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", number)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _send(self) -> None:
        """Send what gathers, until the connection is lost."""
        loop = asyncio.get_running_loop()
        again = loop.time() + REQUEST_SECONDS
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(again):
                    await self._has_outgoing.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._has_outgoing.clear()
            if loop.time() >= again:
                again = loop.time() + REQUEST_SECONDS
                self._requested_until = {
                    topic: until for topic, until in self._requested_until.items() if until > loop.time()
                }
                self._request_all()
            while self._outgoing and not self._lost.is_set():
                topics = list(islice(self._outgoing, MAX_TOPICS))
                for topic in topics:  # before it is sent: one that rings meanwhile is sent once more
                    del self._outgoing[topic]
                await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, " ".join([self._me, *topics]))
        raise ConnectionError("the listening connection was closed")

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        del connection, pid, channel
        sender, *topics = payload.split(" ")
        if sender == self._me:
            return
        until = asyncio.get_running_loop().time() + 2 * REQUEST_SECONDS
        for topic in topics:
            if topic == f"?{ALL_TOPICS}":
                self._request_all()
            elif topic.startswith("?"):
                self._requested_until[topic[1:]] = until
            else:
                self._notifier.receive(topic)
