"""Checks the quotations of a reply: which of them stand in the documents that the user gave. Pure, but for a thread.

1. A reply with a field `quotes`, a list of objects with `text`, maybe `file` and `page`, gets in its output for each
   quotation `found`, and `found_page` if a page is known. The arguments stay as the model sent them.
2. Documents are the files of the history whose text the prompt may have; without files, the user's own messages.
3. Two texts are the same if they differ in case, kinds of quotes, blanks and hyphens between letters alone: a PDF
   breaks lines and words anywhere. A quotation with an ellipsis is found if its pieces follow each other.
4. `found` is null where it cannot be known: a file has pictures or sound, which have no text here.
"""

import asyncio
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from chatkeep.agent.turn_input import TurnInput
from chatkeep.chat.events import Event, ToolCallFinished
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import FilePart, Message

_PAGE = re.compile(r"^\[Page (\d+)\]$", re.MULTILINE)
"""The mark before a page's text (`runs/file_contents.py`)."""
_ELLIPSIS = re.compile(r"\[(?:…|\.\.\.)\]|…|\.\.\.")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010\u2011]\s*(?=[^\W\d_])")
_IGNORED = re.compile(r"[\s\u00ad\u200b\"'`\u00b4\u00ab\u00bb\u2018-\u201f\u2039\u203a]+")
"""Blanks, soft hyphens, and quotes of all kinds."""


class QuotedFile(NamedTuple):
    """A document as it is searched: its name, its pages with their numbers, and if all of it is text."""

    name: str
    pages: Sequence[tuple[int | None, str]]
    is_all_text: bool = True


async def check_quotes(events: Sequence[Event], turn_input: TurnInput) -> Sequence[Event]:
    """Return `events` with the quotations of finished replies checked. Events without any are returned as they are."""
    if not any(_quotes_of(event) for event in events):
        return events
    return await asyncio.to_thread(_check_all, events, turn_input)


def _check_all(events: Sequence[Event], turn_input: TurnInput) -> Sequence[Event]:
    files = list(_list_files(turn_input))
    return [_check(event, files) for event in events]


def _check(event: Event, files: Sequence[QuotedFile]) -> Event:
    quotes = _quotes_of(event)
    if not quotes or not isinstance(event, ToolCallFinished):
        return event
    output = cast("dict[str, Any]", event.output)
    return msgspec.structs.replace(event, output={**output, "quotes": [find_quote(quote, files) for quote in quotes]})


def find_quote(quote: Mapping[str, Any], files: Sequence[QuotedFile]) -> dict[str, Any]:
    """Return a quotation with `found`, and with `found_page` if it stands on a page that is known."""
    named = [file for file in files if file.name.casefold() == str(quote.get("file") or "").casefold()] or files
    pieces = [plain for piece in _ELLIPSIS.split(str(quote["text"])) if (plain := _normalise(piece))]
    for file in named:
        text = "".join(page for _, page in file.pages)
        if pieces and (place := _find_pieces(text, pieces)) is not None:
            page = _page_at(file, place)
            return {**quote, "found": True, **({"found_page": page} if page is not None else {})}
    return {**quote, "found": False if all(file.is_all_text for file in named) else None}


def _quotes_of(event: Event) -> list[Mapping[str, Any]]:
    """Return the quotations in the output of a call that has ended; none if it has another form."""
    output: object = event.output if isinstance(event, ToolCallFinished) else None
    quotes: object = cast("dict[str, Any]", output).get("quotes") if isinstance(output, dict) else None
    several = cast("list[Any]", quotes) if isinstance(quotes, list) else []
    return several if all(isinstance(each, dict) and "text" in each for each in several) else []


def _list_files(turn_input: TurnInput) -> Iterator[QuotedFile]:
    parts = {part.file_id: part for message in turn_input.history for part in _files_of(message)}
    for part in parts.values():
        file = turn_input.files.get(part.file_id)
        if file is None:
            yield QuotedFile(part.name, (), is_all_text=False)
        else:
            is_all_text = not (file.pictures or file.notes or file.audio)
            yield QuotedFile(part.name, _split_pages(file.text or ""), is_all_text)
    if not parts:
        said = "\n".join(join_texts(each.parts, "\n") for each in turn_input.history if each.role == "user")
        yield QuotedFile("", [(None, _normalise(said))])


def _files_of(message: Message) -> list[FilePart]:
    return [part for part in message.parts if isinstance(part, FilePart)]


def _split_pages(text: str) -> list[tuple[int | None, str]]:
    """Return the pages of a document, each normalised; a text without marks is one page without a number."""
    begin, *rest = _PAGE.split(text)
    pages: list[tuple[int | None, str]] = [(None, _normalise(begin))]
    return pages + [(int(number), _normalise(page)) for number, page in zip(rest[::2], rest[1::2], strict=True)]


def _normalise(text: str) -> str:
    return _IGNORED.sub("", _HYPHEN.sub("", unicodedata.normalize("NFKC", text).casefold()))


def _find_pieces(text: str, pieces: Sequence[str]) -> int | None:
    """Return where the first of `pieces` begins, if all follow each other in `text`."""
    places: list[int] = []
    end = 0
    for piece in pieces:
        if (place := text.find(piece, end)) < 0:
            return None
        places.append(place)
        end = place + len(piece)
    return places[0]


def _page_at(file: QuotedFile, place: int) -> int | None:
    for number, page in file.pages:
        if place < len(page):
            return number
        place -= len(page)
    return None
