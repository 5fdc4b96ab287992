"""A conversation of another service as a tree of nodes, and that as lines of an archive of ours. Pure.

A node that is not taken passes its children on to the nearest node above it that is. Nodes in a circle have no root:
they are never reached, and are listed.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from msgspec import UNSET

from chatkeep import clock
from chatkeep.archives.lines import MessageLine, SessionEndLine, SessionLine
from chatkeep.archives.reading_lines import Item
from chatkeep.archives.report import Omission, Reason
from chatkeep.chat.types import Part, ReasoningPart, Role, TextPart
from chatkeep.text import clean

MAX_TITLE_CHARS = 200
_EARLIEST = "1970-01-01T00:00:00.000000Z"
Time: TypeAlias = str | float | None
"""Seconds since 1970, or more of a smaller unit; or a time as text (ISO 8601)."""


class Node(NamedTuple):
    """A node: what was said by whom, or why it is not taken; and what is left out of it."""

    id: str
    parent_id: str | None
    said: "Said | Reason"
    omissions: Sequence[Omission] = ()


class Said(NamedTuple):
    """A message of another service."""

    role: Role
    parts: tuple[Part, ...]
    at: Time


class Conversation(NamedTuple):
    """A conversation. `head_id` is the node that was shown last; None: the last one."""

    source: str
    id: str
    title: str | None
    created_at: Time
    updated_at: Time
    nodes: Sequence[Node]
    head_id: str | None = None


def text_parts(text: str, reasoning: str = "") -> tuple[Part, ...]:
    """Return a text as the parts of a message, after what was thought before it; none if both are blank."""
    parts: list[Part] = [ReasoningPart(clean(reasoning))] if reasoning.strip() else []
    return (*parts, TextPart(clean(text))) if text.strip() else tuple(parts)


def to_node(
    node_id: str, parent_id: str | None, role: Role, parts: tuple[Part, ...], at: Time, omissions: Sequence[Omission]
) -> Node:
    """Return a node with what was said; one that is not taken if that is nothing."""
    return Node(node_id, parent_id, Said(role, parts, at) if parts else "empty", omissions)


def texts_in(node_id: str, content: str | Sequence[dict[str, Any]] | None, omissions: list[Omission]) -> list[str]:
    """Return the texts of a content in OpenAI's form; parts that are none are added to `omissions`."""
    texts: list[str] = []
    for part in [{"text": content}] if isinstance(content, str) else content or []:
        if isinstance(text := part.get("text"), str):
            texts.append(text)
        else:
            omissions.append(Omission("part", node_id, "unsupported"))
    return texts


def to_items(conversation: Conversation, assistant: str) -> Iterator[Item]:
    """Yield a conversation as the lines of a session that `assistant` answers, and all that is not taken of it."""
    session_id = f"{conversation.source}:{conversation.id}"
    created_at = to_time(conversation.created_at)
    above, ordered = _order(conversation.nodes)
    head_id = conversation.head_id if conversation.head_id in above else ordered[-1].id if ordered else None
    yield SessionLine(
        id=session_id,
        title=clean(conversation.title)[:MAX_TITLE_CHARS] if conversation.title else None,
        assistant=assistant,
        model=None,
        metadata={"imported_from": conversation.source},
        params={},
        instructions=None,
        head_id=above[head_id] if head_id is not None else None,
        created_at=created_at,
        updated_at=max(to_time(conversation.updated_at), created_at),
    )
    count = 0
    for node in ordered:
        yield from node.omissions
        if isinstance(node.said, Said):
            count += 1
            yield _to_line(node, node.said, session_id, above, count, created_at)
        else:
            yield Omission("message", node.id, node.said)
    reached = {id(node) for node in ordered}
    known = {node.id for node in ordered}
    for node in conversation.nodes:
        if id(node) not in reached:
            yield Omission("message", node.id, "duplicate" if node.id in known else "no_parent")
    yield SessionEndLine(session_id, count, 0)


def _to_line(
    node: Node, said: Said, session_id: str, above: dict[str, str | None], seq: int, created_at: str
) -> MessageLine:
    return MessageLine(
        id=node.id,
        session_id=session_id,
        parent_id=above.get(node.parent_id) if node.parent_id is not None else None,
        seq=seq,
        role=said.role,
        parts=said.parts,
        run_id=None,
        status="completed",
        created_at=to_time(said.at) if said.at else created_at,
        claimed=True if said.role == "assistant" else UNSET,
    )


def _order(nodes: Sequence[Node]) -> tuple[dict[str, str | None], list[Node]]:
    """Return the nodes that can be reached from a root, parents first; and for each the nearest that is taken, if any.

    A node is a root if it has no parent, or one that is not there. Of two with one id, the second is not reached.
    """
    by_id: dict[str, Node] = {}
    for node in nodes:
        by_id.setdefault(node.id, node)
    children: dict[str, list[Node]] = {}
    waiting: list[Node] = []
    for node in by_id.values():
        if node.parent_id is None or node.parent_id not in by_id:
            waiting.append(node)
        else:
            children.setdefault(node.parent_id, []).append(node)
    above: dict[str, str | None] = {}
    ordered: list[Node] = []
    waiting.reverse()
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        passed_on = above.get(node.parent_id) if node.parent_id is not None else None
        above[node.id] = node.id if isinstance(node.said, Said) else passed_on
        waiting += reversed(children.get(node.id, []))
    return above, ordered


def to_time(time: Time) -> str:
    """Return a time in the form of `chatkeep.clock`; the earliest if it cannot be understood."""
    if isinstance(time, str):
        try:
            return clock.add_seconds(time, 0)
        except (ValueError, OverflowError):
            return _EARLIEST
    seconds = time or 0.0
    while seconds > 1e11:  # milli-, micro- or nanoseconds: seconds would be after the year 5000
        seconds /= 1_000
    return clock.from_timestamp(seconds) if seconds == seconds else _EARLIEST  # noqa: PLR0124  # not a number
