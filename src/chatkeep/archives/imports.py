"""Imports an archive: facts, files and sessions, each once, however often the archive comes.

1. An archive is read from a file, item by item, and written in small transactions. At no time is more in memory than a
   page of messages, or one conversation of another service's archive.
2. A session is seen when it is whole, or not at all (`store/importing.py`). So an import that was cut off has left
   nothing half, and goes on when it is repeated: what is there already is passed over.
3. What is taken, what was there and what is not taken are counted: together they are all that came.
"""

import asyncio
from typing import IO

from chatkeep import ids
from chatkeep.archives.incoming_session import IncomingSession, Sender
from chatkeep.archives.incoming_things import IncomingThings
from chatkeep.archives.item_stream import ItemStream, OnBytes
from chatkeep.archives.lines import (
    VERSION,
    BytesLine,
    EndLine,
    FactLine,
    FileLine,
    HeadLine,
    MessageLine,
    RunLine,
    SessionEndLine,
    SessionLine,
)
from chatkeep.archives.reading_lines import Item
from chatkeep.archives.report import ImportReport, Omission, Tally
from chatkeep.archives.sources import open_source
from chatkeep.errors import InvalidRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.store import importing


async def import_archive(
    runtime: Runtime, owner: str, file: IO[bytes], on_bytes: OnBytes = lambda _: None
) -> ImportReport:
    """Import the archive in `file` for the owner. `on_bytes` is called with how much of it was read.

    Raises:
        InvalidRequest: it is no archive of a known form.
        ShuttingDown: the service drains; repeated later, the import goes on.
    """
    max_bytes, assistant = runtime.settings.max_import_bytes, runtime.settings.assistant
    source = await asyncio.to_thread(open_source, file, max_bytes, assistant)
    stream = ItemStream(file, source.items, on_bytes)
    done = await _Import(runtime, owner, stream).run()
    is_complete = done.is_complete or source.name != "chatkeep"
    is_cut_off = ("session", "cut_off") in done.tally.omitted
    return done.tally.to_report(source.name, complete=is_complete and not is_cut_off)


class _Import:
    """One import."""

    def __init__(self, runtime: Runtime, owner: str, stream: ItemStream) -> None:
        self._runtime = runtime
        self._owner = owner
        self._stream = stream
        self._sender = Sender(owner, importing.staging_owner(owner, ids.new()))
        self._session: IncomingSession | None = None
        self.tally = Tally()
        self._things = IncomingThings(runtime, owner, stream, self.tally)
        self.is_complete = False

    async def run(self) -> "_Import":
        """Take all that comes."""
        while (item := await self._stream.next()) is not None:
            self._runtime.check_open()
            await self._take(item)
        await self._end_session(is_whole=False)
        return self

    async def _take(self, item: Item) -> None:
        match item:
            case Omission():
                self.tally.omit(*item)
            case HeadLine():
                if item.version != VERSION:
                    raise InvalidRequest(f"an archive of version {item.version}; this service reads version {VERSION}")
            case FactLine():
                await self._things.take_fact(item)
            case FileLine():
                await self._things.take_file(item)
            case BytesLine():
                self.tally.omit("line", item.file_id, "no_file")
            case EndLine():
                self.is_complete = True
            case _:
                await self._take_of_session(item)

    async def _take_of_session(self, item: SessionLine | MessageLine | RunLine | SessionEndLine) -> None:
        match item:
            case SessionLine():
                await self._end_session(is_whole=False)
                self._session = IncomingSession(self._runtime, self._sender, item, self._things.file_ids)
                await self._session.open()
            case SessionEndLine():
                await self._end_session(is_whole=True)
            case MessageLine() if self._session is not None:
                await self._session.add_message(item)
            case RunLine() if self._session is not None:
                await self._session.add_run(item)
            case _:
                self.tally.omit("message" if isinstance(item, MessageLine) else "run", item.id, "no_session")

    async def _end_session(self, *, is_whole: bool) -> None:
        session, self._session = self._session, None
        if session is not None:
            await (session.close() if is_whole else session.abandon("cut_off"))
            self.tally.add(session.tally)
