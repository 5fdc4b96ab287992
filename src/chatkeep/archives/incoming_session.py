"""One session of an archive on its way into the database: staged page by page, and published when it is whole."""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chatkeep import ids
from chatkeep.archives import incoming_rows
from chatkeep.archives.incoming_rows import Added, IdMap, RowKind
from chatkeep.archives.incoming_values import is_message, is_run, to_session
from chatkeep.archives.lines import SessionLine
from chatkeep.archives.report import Reason, Tally
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.errors import ValueRefused
from chatkeep.runs.runtime import Runtime
from chatkeep.store import importing, removal
from chatkeep.store.importing import Place, Superseded

PAGE_ITEMS = 100
"""Messages or runs that one transaction adds."""
PAGE_BYTES = 4_194_304
"""After so many bytes of parts a page is full, too."""
_encode = msgspec.json.encode


class Sender(NamedTuple):
    """Whose import it is: the owner, and who owns what it has not published yet."""

    owner: str
    staging: str


class IncomingSession:
    """A session that is coming. `tally` counts what has become of its things; it holds when the session is closed."""

    def __init__(self, runtime: Runtime, sender: Sender, line: SessionLine, file_ids: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._sender = sender
        self._line = line
        self._file_ids = file_ids
        self._place = Place(line.id, "taken")
        self._refusal: Reason | None = None
        self._messages: list[Message] = []
        self._runs: list[Run] = []
        self._bytes = 0
        self._last: dict[RowKind, int] = {"message": 0, "run": 0}
        self.tally = Tally()

    async def open(self) -> None:
        """Find the place of the session, and stage it if that is free."""
        db, sender, old_id = self._runtime.db, self._sender, self._line.id
        self._place = await db.snapshot(lambda tx: importing.find_place(tx, sender.owner, old_id))
        if self._place.state == "left":
            await self._remove()
        if self._place.state == "taken":
            self._refusal = "busy"
        elif self._place.state != "there":
            session = to_session(self._line, self._place.session_id)
            if not await db.transaction(lambda tx: importing.stage(tx, sender.staging, session)):
                self._refusal = "busy"

    async def add_message(self, message: Message) -> None:
        """Take the next message."""
        if not is_message(message):
            self.tally.omit("message", message.id, "not_understood")
            return
        self._messages.append(message)
        self._bytes += len(_encode(message.parts))
        if len(self._messages) >= PAGE_ITEMS or self._bytes >= PAGE_BYTES:
            await self._flush()

    async def add_run(self, run: Run) -> None:
        """Take the next run. Its messages have come before."""
        if not is_run(run):
            self.tally.omit("run", run.id, "not_understood")
            return
        self._runs.append(run)
        if len(self._runs) >= PAGE_ITEMS:
            await self._flush()

    async def close(self) -> None:
        """Publish the session: all of it has come."""
        await self._flush()
        if self._place.state == "there":
            self.tally.already["session"] += 1
            return
        if self._refusal is None:
            try:
                await self._runtime.db.transaction(self._publish)
            except Superseded:
                await self._give_up("busy")
        if self._refusal is not None:
            self.tally.omit("session", self._line.id, self._refusal)
            return
        self.tally.taken["session"] += 1
        self._runtime.notify_session(self._place.session_id, self._sender.owner)

    async def abandon(self, reason: Reason) -> None:
        """Give up the session, and remove what is staged of it."""
        await self._flush()
        if self._place.state == "there":
            self.tally.already["session"] += 1
            return
        if self._refusal is None:
            await self._give_up(reason)
        self.tally.omit("session", self._line.id, self._refusal or reason)

    async def _flush(self) -> None:
        messages, runs = self._messages, self._runs
        self._messages, self._runs, self._bytes = [], [], 0
        if self._place.state == "there":
            await self._compare(messages, runs)
            return
        if messages:
            await self._store("message", messages, lambda tx: self._add_messages(tx, messages))
        if runs:
            await self._store("run", runs, lambda tx: self._add_runs(tx, runs))

    async def _store(
        self, kind: RowKind, rows: Sequence[Message] | Sequence[Run], write: Callable[[Transaction], Awaitable[Added]]
    ) -> None:
        """Add a page of rows, or count them as not taken."""
        if self._refusal is None:
            try:
                added = await self._runtime.db.transaction(write)
            except (Superseded, ValueRefused) as error:
                await self._give_up("busy" if isinstance(error, Superseded) else "refused")
            else:
                self._last[kind] = added.last
                self.tally.taken[kind] += added.rows
                for old_id, reason in added.omitted:
                    self.tally.omit(kind, old_id, reason)
                for file_id in added.missing_files:
                    self.tally.omit("part", file_id, "no_file")
                return
        for row in rows:
            self.tally.omit(kind, row.id, self._refusal or "refused")

    async def _add_messages(self, tx: Transaction, messages: Sequence[Message]) -> Added:
        await self._touch(tx)
        return await incoming_rows.add_messages(
            tx, self._sender.owner, self._id_map(), messages, self._file_ids, self._last["message"]
        )

    async def _add_runs(self, tx: Transaction, runs: Sequence[Run]) -> Added:
        await self._touch(tx)
        return await incoming_rows.add_runs(tx, self._id_map(), runs, self._line.assistant, self._last["run"])

    async def _touch(self, tx: Transaction) -> None:
        await importing.touch(tx, self._sender.staging, self._place.session_id)

    async def _publish(self, tx: Transaction) -> None:
        session = to_session(self._line, self._place.session_id)
        head_id = await incoming_rows.find_head(tx, self._id_map(), self._line.head_id)
        whole = msgspec.structs.replace(session, head_id=head_id)
        await importing.publish(tx, self._sender.staging, self._sender.owner, whole)

    async def _compare(self, messages: Sequence[Message], runs: Sequence[Run]) -> None:
        """Count what is there already, and what this session has beyond it: that is not taken."""
        id_map = self._id_map()
        known = await self._runtime.db.snapshot(lambda tx: incoming_rows.find_known(tx, id_map, messages, runs))
        self._count("message", messages, known)
        self._count("run", runs, known)

    def _count(self, kind: RowKind, rows: Sequence[Message] | Sequence[Run], known: Container[str]) -> None:
        for row in rows:
            if row.id in known:
                self.tally.already[kind] += 1
            else:
                self.tally.omit(kind, row.id, "grown")

    async def _give_up(self, reason: Reason) -> None:
        self._refusal = reason
        self.tally.give_up(self._line.id, reason)
        await self._remove(self._sender.staging)

    async def _remove(self, staging: str | None = None) -> None:
        """Remove what is staged of the session: by this import, or (None) by any of the owner."""
        session_id, owner = self._place.session_id, self._sender.owner
        pattern = staging or importing.staging_owner(owner, "%")
        await self._runtime.db.transaction(lambda tx: importing.discard(tx, pattern, session_id))
        while await self._runtime.db.transaction(lambda tx: removal.remove_page(tx, session_id)):
            pass

    def _id_map(self) -> IdMap:
        return IdMap(self._place.session_id, is_kept=ids.parse(self._line.id) == self._place.session_id)
