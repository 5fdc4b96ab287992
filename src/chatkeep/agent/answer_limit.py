"""The limit of an answer's length. A model that does not stop, or a broken provider, would fill memory and database."""

from collections.abc import Iterable

from chatkeep.chat import event_log
from chatkeep.chat.events import Delta, Event
from chatkeep.chat.types import FilePart, HandoverPart, Message, StepPart, ToolCallPart


class AnswerLimit:
    """Counts the text of one answer, over all its steps. `is_reached` is True once some had to be cut off."""

    __slots__ = ("_left", "is_reached")

    def __init__(self, max_bytes: int, message: Message) -> None:
        """`max_bytes` is the most that the answer may have, in bytes of UTF-8. `message` is the answer so far."""
        self.is_reached = False
        texts = (part.arguments_text if isinstance(part, ToolCallPart) else part.text
                 for part in message.parts if not isinstance(part, StepPart | HandoverPart | FilePart))  # fmt: skip
        self._left = max_bytes - sum(len(text.encode()) for text in texts)

    def take(self, events: Iterable[Event]) -> list[Event]:
        """Return `events` up to the limit. A delta that goes beyond it is cut, between two characters."""
        taken: list[Event] = []
        for event in events:
            if isinstance(event, Delta):
                text = event_log.delta_text(event)
                size = len(text) if text.isascii() else len(text.encode())
                if size > self._left:
                    self.is_reached = True
                    rest = text.encode()[: max(self._left, 0)].decode(errors="ignore")
                    return [*taken, event_log.with_text(event, rest)] if rest else taken
                self._left -= size
            taken.append(event)
        return taken
