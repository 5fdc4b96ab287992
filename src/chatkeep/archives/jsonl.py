"""Exports as JSON Lines: everything of some sessions, in the form that an import reads (`lines.py`)."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable

from chatkeep.archives.lines import (
    VERSION,
    BytesLine,
    EndLine,
    HeadLine,
    SessionEndLine,
    fact_line,
    file_line,
    message_to_json,
    run_to_json,
    session_line,
    to_json,
)
from chatkeep.archives.reading import read_messages
from chatkeep.chat.files import files_of
from chatkeep.chat.types import Fact, Message, Run
from chatkeep.db import Transaction
from chatkeep.errors import NotFound
from chatkeep.runs import files
from chatkeep.runs.runtime import Runtime
from chatkeep.store import facts as store_facts
from chatkeep.store import files as store_files
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.files import FileKey
from chatkeep.store.history import WholeHistory

_PAGE_RUNS = 200
_PAGE_FACTS = 200


class JsonlExport:
    """One export. `facts_too`: the owner's facts come before the sessions."""

    def __init__(self, runtime: Runtime, owner: str, *, facts_too: bool) -> None:
        self._runtime = runtime
        self._owner = owner
        self._facts_too = facts_too
        self._file_ids: set[str] = set()
        self._sessions = self._files = self._facts = 0

    async def write(self, histories: AsyncIterable[WholeHistory]) -> AsyncGenerator[bytes]:
        """Yield the archive. A session that is deleted meanwhile has no `session.end`, and an import leaves it out."""
        yield to_json(HeadLine(VERSION))
        if self._facts_too:
            async for piece in self._write_facts():
                yield piece
        async for whole in histories:
            try:
                async for piece in self._write_session(whole):
                    yield piece
            except NotFound:
                continue
            self._sessions += 1
        yield to_json(EndLine(self._sessions, self._files, self._facts))

    async def _write_facts(self) -> AsyncGenerator[bytes]:
        before: str | None = None
        while page := await self._list_facts(before):
            self._facts += len(page)
            yield b"".join(to_json(fact_line(each)) for each in page)
            before = page[-1].id

    async def _list_facts(self, before: str | None) -> list[Fact]:
        return await self._runtime.db.snapshot(lambda tx: store_facts.list_facts(tx, self._owner, _PAGE_FACTS, before))

    async def _write_session(self, whole: WholeHistory) -> AsyncGenerator[bytes]:
        messages = runs = number = 0
        yield to_json(session_line(whole.session))
        async for page in read_messages(self._runtime, self._owner, whole):
            async for piece in self._write_files(page):
                yield piece
            messages += len(page)
            yield b"".join(map(message_to_json, page))
        last = int(whole.position.partition(".")[0])
        while number < last and (page := await self._list_runs(whole.session.id, number + 1)):
            number = page[-1].number
            known = [each for each in page if each.number <= last]  # a newer one has begun meanwhile
            runs += len(known)
            yield b"".join(map(run_to_json, known))
        yield to_json(SessionEndLine(whole.session.id, messages, runs))

    async def _list_runs(self, session_id: str, number: int) -> list[Run]:
        async def read(tx: Transaction) -> list[Run]:
            await store_sessions.get_session(tx, self._owner, session_id)
            return await store_runs.list_from(tx, session_id, number, _PAGE_RUNS)

        return await self._runtime.db.snapshot(read)

    async def _write_files(self, messages: Iterable[Message]) -> AsyncGenerator[bytes]:
        """Yield the files to which `messages` are the first that refer. One that is gone is left out."""
        for file_id in dict.fromkeys(file.file_id for each in messages for file in files_of(each)):
            if file_id in self._file_ids:
                continue
            self._file_ids.add(file_id)
            try:
                file = await self._runtime.db.snapshot(
                    lambda tx, file_id=file_id: store_files.get_file(tx, self._owner, file_id)
                )
            except NotFound:
                continue
            self._files += 1
            yield to_json(file_line(file))
            async for piece in files.read_pieces(self._runtime, FileKey(self._owner, file_id)):
                yield to_json(BytesLine(file_id, piece))
