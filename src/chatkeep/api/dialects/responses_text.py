"""The forms of text in a stream of the Responses API: a text, a refusal, a reasoning's summary. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from chatkeep.api.dialects import responses_items as items
from chatkeep.api.dialects.framing import encode
from chatkeep.api.dialects.responses_items import Item, ItemPrefix, ItemStatus
from chatkeep.chat.events import ReasoningDelta, RefusalDelta, TextDelta

TextLike: TypeAlias = TextDelta | RefusalDelta | ReasoningDelta


class TextForm(NamedTuple):
    """The names of a kind of text on the wire, and the part that it is."""

    prefix: ItemPrefix
    text_event: str
    part_event: str
    index_name: str
    field: str
    to_part: Callable[[str], Item]
    more: Mapping[str, Any]


TEXT = TextForm(
    "msg", "response.output_text", "response.content_part", "content_index", "text", items.text_part, {"logprobs": []}
)
_REFUSAL = TextForm(
    "msg", "response.refusal", "response.content_part", "content_index", "refusal", items.refusal_part, {}
)
_REASONING = TextForm(
    "rs",
    "response.reasoning_summary_text",
    "response.reasoning_summary_part",
    "summary_index",
    "text",
    items.summary_part,
    {},
)
FORMS: dict[type[TextLike], TextForm] = {TextDelta: TEXT, RefusalDelta: _REFUSAL, ReasoningDelta: _REASONING}


class OpenText:
    """A text that is being written, as the item at `output_index`."""

    __slots__ = ("delta", "form", "id", "output_index", "pieces", "place")

    def __init__(self, form: TextForm, id_: str, output_index: int) -> None:
        self.form = form
        self.id = id_
        self.output_index = output_index
        self.pieces: list[str] = []
        self.place: dict[str, Any] = {"item_id": id_, "output_index": output_index, form.index_name: 0}
        self.delta = delta_template(f"{form.text_event}.delta", self.place, form.more)

    def part(self) -> Item:
        """Return the text so far as a part."""
        return self.form.to_part("".join(self.pieces))

    def item(self, status: ItemStatus, *parts: Item) -> Item:
        """Return the item with `parts`."""
        if self.form is _REASONING:
            return items.reasoning_item(self.id, *parts)
        return items.message_item(self.id, status, *parts)


def delta_template(type_: str, place: Mapping[str, Any], more: Mapping[str, Any]) -> bytes:
    """Return the frame of a delta, with `%d` for its number and `%b` for the JSON of its text. Most frames are such."""
    type_bytes, fields = type_.encode(), encode(place)[1:-1]
    head = b'event: %b\ndata: {"type":"%b","sequence_number":%%d,%b,"delta":%%b' % (type_bytes, type_bytes, fields)
    return head + (b"," + encode(more)[1:-1] if more else b"") + b"}\n\n"
