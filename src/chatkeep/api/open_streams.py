"""Ends the streams of callers whose way in has ended: signed out, revoked, expired, or their user disabled.

A stream's request was checked when it began, minutes ago. So each process looks twice a second at what has ended of
late in the database, if callers who signed in read streams here; the notifier makes it look at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

from chatkeep import clock
from chatkeep.api.stream_server import StreamSender
from chatkeep.chat.people import Caller
from chatkeep.db import Transaction
from chatkeep.errors import StorageFailed
from chatkeep.runs.people import TOPIC
from chatkeep.runs.runtime import Runtime
from chatkeep.store import sign_ins as store_sign_ins

LOOK_SECONDS = 0.5
"""Seconds between two looks."""
LOOK_BACK_SECONDS = 60.0
"""How far a look goes back: longer than a transaction takes to be committed, or the database to be away."""

_log = logging.getLogger("chatkeep")


class OpenStreams:
    """The streams of this process whose callers have signed in."""

    def __init__(self) -> None:
        self._streams: dict[Caller, set[StreamSender[Any]]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def of(self, caller: Caller) -> "CallersStreams":
        """Return those of a caller, to which streams can be added."""
        return CallersStreams(self._streams, caller)

    def end(self, ended: Collection[str], now: str) -> None:
        """End the streams whose caller's user id or credential is among `ended`, or whose time is over at `now`."""
        for caller, streams in tuple(self._streams.items()):
            is_over = caller.expires_at is not None and caller.expires_at <= now
            if is_over or caller.user_id in ended or caller.credential in ended:
                for stream in tuple(streams):
                    stream.end()


class CallersStreams:
    """The streams of one caller."""

    def __init__(self, streams: dict[Caller, set[StreamSender[Any]]], caller: Caller) -> None:
        self._streams = streams
        self._caller = caller

    def add(self, stream: StreamSender[Any]) -> None:
        """Take in a stream that begins."""
        self._streams.setdefault(self._caller, set()).add(stream)

    def discard(self, stream: StreamSender[Any]) -> None:
        """Forget a stream that is over."""
        streams = self._streams[self._caller]
        streams.discard(stream)
        if not streams:
            del self._streams[self._caller]


@asynccontextmanager
async def watching(runtime: Runtime, streams: OpenStreams) -> AsyncGenerator[None]:
    """End streams when their callers' ways in end, until the block ends."""
    task = asyncio.create_task(_watch(runtime, streams), name="sign-ins")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(runtime: Runtime, streams: OpenStreams) -> None:
    async def look(tx: Transaction) -> tuple[set[str], str]:
        now = await tx.now()
        return set(await store_sign_ins.list_ended(tx, clock.add_seconds(now, -LOOK_BACK_SECONDS))), now

    with runtime.notifier.subscribe(TOPIC) as subscription:
        while True:
            await subscription.wait(LOOK_SECONDS)
            if not streams:
                continue
            try:
                streams.end(*await runtime.db.snapshot(look))
            except StorageFailed as failure:
                _log.warning("it cannot be seen yet who has signed out: %s", failure)
