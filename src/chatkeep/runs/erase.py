"""Erases what one part of a message says, at its owner's wish. The message and the places of its other parts stay.

The log of the run that made it goes, too, as it has the same words; and of a user's message, the logs of its answers.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from chatkeep.chat.types import HandoverPart, Message, Part, RunKey, StepPart, TextPart
from chatkeep.db import Transaction
from chatkeep.errors import SessionBusy
from chatkeep.runs.runtime import Runtime
from chatkeep.store import events as store_events
from chatkeep.store import kept_logs
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs
from chatkeep.store import sessions as store_sessions
from chatkeep.store.message_files import drop_references

_NOTHING = TextPart("")
_ALL_RUNS = 2**31 - 1


async def erase_part(runtime: Runtime, owner: str, session_id: str, message_id: str, index: int | None) -> None:
    """Erase the part at `index` of a message of the owner's session; None: all of a user's message.

    Raises:
        NotFound: there is no such message, or it belongs to another owner.
        SessionBusy: the session has an open run.
    """

    async def write(tx: Transaction) -> None:
        await store_sessions.lock(tx, session_id)
        message = await store_messages.get_message(tx, owner, message_id)
        if run := await store_runs.find_open(tx, session_id):
            raise SessionBusy("an answer is being made in this session", run_id=run.id)
        runs = await store_runs.list_from(tx, session_id, 1, _ALL_RUNS)
        keys = [RunKey(session_id, run.number) for run in runs if message.id in (run.message_id, run.user_message_id)]
        left = erased(message, index)
        session = await store_sessions.get_session(tx, owner, session_id)
        await store_messages.set_parts(tx, left, None if session.temporary else owner)
        await drop_references(tx, owner, message, left)
        await store_events.delete_events(tx, keys)
        await kept_logs.mark_logs_deleted(tx, keys)

    await runtime.db.transaction(write)
    runtime.notify_session(session_id, owner)


def erased(message: Message, index: int | None) -> Message:
    """Return `message` without the words of the part at `index`; a text goes with its other side of a handover."""
    if index is None:
        return replace(message, parts=(_NOTHING,))
    parts = list(message.parts)
    for place in _sides(message.parts, index):
        parts[place] = _NOTHING
    return replace(message, parts=tuple(parts))


def _sides(parts: Sequence[Part], index: int) -> Iterator[int]:
    """Yield the place of the part at `index`; of a text, those too that go on with it (see `join_texts`)."""
    yield index
    goes_on = False
    for place in range(index + 1, len(parts) if isinstance(parts[index], TextPart) else 0):
        part = parts[place]
        if isinstance(part, StepPart) or (isinstance(part, TextPart) and not goes_on):
            return
        if isinstance(part, TextPart):
            yield place
        goes_on = isinstance(part, HandoverPart) or (goes_on and not isinstance(part, TextPart))
