"""OpenAI's Conversations: a conversation is a session, its items the messages and calls of the active branch."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal, NamedTuple, TypeAlias

from chatkeep import clock
from chatkeep.api.dialects import responses_items as items
from chatkeep.api.dialects.openai_files import response_parts
from chatkeep.api.dialects.responses_items import Item, item_id
from chatkeep.api.dialects.responses_place import CONVERSATION
from chatkeep.api.dialects.responses_store import StoredResponse
from chatkeep.api.dialects.responses_stream import ResponseEncoder
from chatkeep.chat.event_log import part_events
from chatkeep.chat.events import RunResumed, RunStarted, ToolCallFinished, ToolCallStarted
from chatkeep.chat.types import Message, Session, has_ended
from chatkeep.errors import InvalidRequest

ItemOrder: TypeAlias = Literal["asc", "desc"]


class ItemPage(NamedTuple):
    """Which items a client asks for: at most `limit` after the one with the id `after`."""

    limit: int
    order: ItemOrder
    after: str | None


def to_conversation(session: Session) -> dict[str, Any]:
    """Return a session as a conversation."""
    created_at = int(clock.parse(session.created_at).timestamp())
    id_ = CONVERSATION + session.id
    return {"id": id_, "object": "conversation", "created_at": created_at, "metadata": session.metadata}


def to_items(message: Message) -> list[Item]:
    """Return a message as items: the same as in the streams of its responses, and the outputs that a client gave."""
    if message.role == "user":
        content = response_parts(message.parts)
        return [items.input_message(item_id("msg", message.id), content)] if content else []
    encoder = ResponseEncoder({}, message.id)
    for event in part_events(message):
        encoder.encode(event)
    if not has_ended(message.status):
        return encoder.snapshot()["output"]
    return encoder.end_items("completed" if message.status == "completed" else "incomplete")


def item_page(found: Sequence[Item], page: ItemPage) -> dict[str, Any]:
    """Return a page of items as a list. `found` are all of them, oldest first.

    Raises:
        InvalidRequest: `after` is none of them.
    """
    ordered = list(found) if page.order == "asc" else list(reversed(found))
    if page.after is not None:
        places = [at for at, item in enumerate(ordered) if item["id"] == page.after]
        if not places:
            raise InvalidRequest("after: none of these items")
        ordered = ordered[places[0] + 1 :]
    return list_object(ordered[: page.limit], has_more=len(ordered) > page.limit)


def list_object(data: Sequence[Item], *, has_more: bool) -> dict[str, Any]:
    """Return a page as OpenAI's lists are."""
    first_id, last_id = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first_id, "last_id": last_id, "has_more": has_more}


def input_items(stored: StoredResponse) -> list[Item]:
    """Return the input of a response: the user's message, or the outputs that a client gave after a wait."""
    if stored.id.wait == 0:
        started = stored.segment.events[0]
        return to_items(started.user_message) if isinstance(started, RunStarted) else []
    events = [event for segment in stored.segments for event in segment.events]
    calls = {event.index: event.call_id for event in events if isinstance(event, ToolCallStarted)}
    found: list[Item] = []
    for event in takewhile(lambda each: not isinstance(each, RunResumed), stored.segment.events):
        if isinstance(event, ToolCallFinished):
            id_ = item_id("fco", stored.run.message_id, event.index)
            found.append(items.output_item(id_, calls[event.index], event.state, event.output, event.error))
    return found
