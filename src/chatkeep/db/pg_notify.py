"""Carries notifications between the processes on one PostgreSQL database: LISTEN and NOTIFY on one channel.

Each process has a connection of its own for this, beside the pool. A payload is the sender's id and topics:

    A -> all   "A ?run1"    A has a reader that waits for run1: please notify
    B -> all   "B run1"     run1 may have changed; sent because A asked
    C -> all   "C ?*"       C has just connected: which topics do the others wait for?

1. A notification carries topics, never data. A lost one does no harm, since every reader also looks again by the clock.
   After a lost connection is back, all readers here look again.
2. A process notifies only topics that another one has asked for. A request is repeated each minute while the reader
   waits, and lapses after two.
3. Notifications are gathered for 20 ms and sent outside of transactions: a commit with a NOTIFY in it takes a lock on
   the whole server, which holds up all other commits.
4. The connection holds an advisory lock on the process's slot, `hostname/number`. Only one process at a time can have
   a slot. So a process that gets one knows that the slot's previous process is dead, and ends the runs that it left.
5. With the connection the lock is lost, and another process may get the slot meanwhile. Then this one takes another
   slot, so that the next process in the old slot takes no living run for one that was left.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (asyncpg has no types)

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any, Self

import asyncpg

from chatkeep import ids
from chatkeep.db.notifier import Notifier
from chatkeep.db.postgres import CONNECTION_ERRORS, RETRY_SECONDS, SERVER_SETTINGS, error_line
from chatkeep.errors import CannotStart

CHANNEL = "chatkeep"
"""The name of the channel."""
ALL_TOPICS = "*"
"""The topic that a process requests when it has connected: the others then request all of theirs."""
GATHER_SECONDS = 0.02
"""Seconds for which notifications are gathered before they are sent."""
MAX_TOPICS = 150
"""The most topics in one payload, which has less than 8,000 bytes (PostgreSQL, NOTIFY)."""
REQUEST_SECONDS = 60.0
"""Seconds between two requests for a topic. Other processes forget it after twice that."""
MAX_SLOTS = 256
"""The most slots of one machine. Processes beyond that have none."""
RETRY_DELAYS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the first, second, … attempt to connect again. The last one repeats."""

_log = logging.getLogger("chatkeep")


class PostgresNotifier:
    """The `RemoteNotifier` of this process. `slot` is its slot; empty if all are in use.

    `on_new_slot` is called with the new slot when the process has lost its own to another one.
    """

    def __init__(self, dsn: str, notifier: Notifier) -> None:
        self.slot = ""
        self.on_new_slot: Callable[[str], None] = lambda slot: None
        self._sender_id = ids.new()
        self._dsn = dsn
        self._notifier = notifier
        self._connection: Any = None
        self._lost = asyncio.Event()
        self._outgoing: dict[str, None] = {}  # topics and "?" requests to be sent: a set that keeps its order
        self._has_outgoing = asyncio.Event()
        self._requested_until: dict[str, float] = {}  # by other processes: topics, in the event loop's time
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, take a slot, and stay connected until the end of the block.

        Raises:
            CannotStart: the database cannot be reached.
        """
        try:
            await self._connect()
            self.slot = await self._take_free_slot()
        except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
            raise CannotStart(f"cannot listen on the database: {error_line(error)}") from error
        self._notifier.remote = self
        self._task = asyncio.create_task(self._stay_connected(), name="pg-notify")
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._notifier.remote = None
        assert self._task is not None, "it was entered"
        self._task.cancel()
        await asyncio.wait([self._task])
        self._disconnect()

    def publish(self, topic: str, *, everywhere: bool = False) -> None:
        """Notify the processes that have requested `topic`; with `everywhere`, all of them."""
        if everywhere or topic in self._requested_until:
            self._outgoing[topic] = None
            self._has_outgoing.set()

    def request(self, topic: str) -> None:
        """Ask the other processes for their notifications of `topic`."""
        self._outgoing[f"?{topic}"] = None
        self._has_outgoing.set()

    async def _stay_connected(self) -> None:
        tries = 0
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                    await self._keep_slot()
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

        def on_termination(connection: Any) -> None:
            del connection
            lost.set()
            self._has_outgoing.set()

        connection = await asyncpg.connect(
            self._dsn, timeout=int(RETRY_SECONDS), command_timeout=RETRY_SECONDS, server_settings=SERVER_SETTINGS
        )
        self._connection = connection
        connection.add_termination_listener(on_termination)
        await connection.add_listener(CHANNEL, self._on_notification)
        self.request(ALL_TOPICS)
        self._request_all()

    def _request_all(self) -> None:
        for topic in self._notifier.topics:
            self.request(topic)

    async def _keep_slot(self) -> None:
        if await self._lock_slot(self.slot):
            return
        slot = await self._take_free_slot()
        if slot != self.slot:
            _log.warning("another process has the slot %s: this one goes on in %s", self.slot, slot or "none")
            self.slot = slot
            self.on_new_slot(slot)

    async def _take_free_slot(self) -> str:
        for number in range(MAX_SLOTS):
            if await self._lock_slot(slot := f"{socket.gethostname()}/{number}"):
                return slot
        return ""

    async def _lock_slot(self, slot: str) -> bool:
        return bool(slot) and await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", slot_number(slot))

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _send(self) -> None:
        """Send the outgoing topics until the connection is lost, which raises ConnectionError."""
        loop = asyncio.get_running_loop()
        next_request = loop.time() + REQUEST_SECONDS
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_request):
                    await self._has_outgoing.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._has_outgoing.clear()
            if loop.time() >= next_request:
                next_request = loop.time() + REQUEST_SECONDS
                self._requested_until = {
                    topic: until for topic, until in self._requested_until.items() if until > loop.time()
                }
                self._request_all()
            while self._outgoing and not self._lost.is_set():
                topics = list(islice(self._outgoing, MAX_TOPICS))
                for topic in topics:  # before the send: a topic that is notified meanwhile is sent once more
                    del self._outgoing[topic]
                await self._connection.execute(
                    "SELECT pg_notify($1, $2)", CHANNEL, " ".join([self._sender_id, *topics])
                )
        raise ConnectionError("the listening connection was closed")

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        del connection, pid, channel
        sender, *topics = payload.split(" ")
        if sender == self._sender_id:
            return
        until = asyncio.get_running_loop().time() + 2 * REQUEST_SECONDS
        for topic in topics:
            if topic == f"?{ALL_TOPICS}":
                self._request_all()
            elif topic.startswith("?"):
                self._requested_until[topic[1:]] = until
            else:
                self._notifier.receive(topic)


def slot_number(slot: str) -> int:
    """Return the number of the advisory lock on `slot`."""
    return int.from_bytes(hashlib.sha256(slot.encode()).digest()[:8], signed=True)
