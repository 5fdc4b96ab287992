"""Where in the store a client's request belongs. The client has a history of its own, and it may be another one."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from chatkeep import ids
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest
from chatkeep.store import messages as store_messages

MAX_MATCHED_IDS = 100
"""How many of the last ids in a client's history are looked up."""


class NewText(NamedTuple):
    """A new user message after the answer `parent_id` (None: a first one); `follows_head`: after the last answer."""

    parent_id: str | None
    follows_head: bool


class AnsweredAgain(NamedTuple):
    """A stored user message that is answered once more."""

    message_id: str


class ToolAnswers(NamedTuple):
    """Outputs for the open run, which waits for them."""

    run: Run


class Place(NamedTuple):
    """The target of a request; `open_run` is the session's."""

    target: NewText | AnsweredAgain | ToolAnswers
    open_run: Run | None

    @property
    def on_busy(self) -> Literal["reject", "interrupt"]:
        """`interrupt` for a client that has seen the open answer and goes on from it; else that one is another's."""
        run, target = self.open_run, self.target
        match target:
            case NewText():
                has_seen = target.follows_head or (run is not None and target.parent_id == run.message_id)
            case AnsweredAgain():
                has_seen = run is None or target.message_id == run.user_message_id
            case ToolAnswers():
                has_seen = False
        return "interrupt" if has_seen else "reject"


async def find_last_answer(tx: Transaction, session_id: str, answers: Sequence[str]) -> Message | None:
    """Return the last of the ids of answers in a client's history that is one in the store; None if there are none.

    Raises:
        InvalidRequest: there are some, and the store has none of them.
    """
    for answer_id in answers[: -MAX_MATCHED_IDS - 1 : -1]:
        canonical = ids.parse(answer_id)
        found = await store_messages.find_in_session(tx, session_id, canonical) if canonical else None
        if found is not None and found.role == "assistant":
            return found
    if answers:
        raise InvalidRequest("messages: this chat has none of these answers; the history is kept here")
    return None


async def find_message(tx: Transaction, session_id: str, message_id: str | None) -> Message | None:
    """Return the message that has this id, the client's own or ours; None if there is none."""
    if not message_id:
        return None
    if found := await store_messages.find_by_client_id(tx, session_id, message_id):
        return found
    canonical = ids.parse(message_id)
    return await store_messages.find_in_session(tx, session_id, canonical) if canonical else None
