"""The forms in which chats go out, by name."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from chatkeep.archives.documents import Writer, write_documents
from chatkeep.archives.html import HtmlWriter
from chatkeep.archives.jsonl import JsonlExport
from chatkeep.archives.markdown import MarkdownWriter
from chatkeep.archives.openai import OpenAIWriter
from chatkeep.archives.reading import get_history, list_histories
from chatkeep.errors import NotFound
from chatkeep.runs.runtime import Runtime
from chatkeep.store.history import WholeHistory

ExportFormat: TypeAlias = Literal["jsonl", "markdown", "openai", "html"]


class Form(NamedTuple):
    """A form: its media type, the ending of a file's name, and what writes it; None for our own archive."""

    media_type: str
    ending: str
    new_writer: Callable[[], Writer] | None


FORMS: Mapping[ExportFormat, Form] = MappingProxyType(
    {
        "jsonl": Form("application/jsonl", "jsonl", None),
        "markdown": Form("text/markdown; charset=utf-8", "md", MarkdownWriter),
        "openai": Form("application/jsonl", "openai.jsonl", OpenAIWriter),
        "html": Form("text/html; charset=utf-8", "html", HtmlWriter),
    }
)
"""All forms."""


class Export(NamedTuple):
    """An export that has begun: a title for it, and its bytes, which come while they are asked for."""

    title: str | None
    pieces: AsyncGenerator[bytes]


async def export_session(runtime: Runtime, owner: str, session_id: str, form: ExportFormat) -> Export:
    """Begin to export one session of the owner.

    Raises:
        NotFound: there is none, or it belongs to another owner, or it is temporary.
    """
    whole = await get_history(runtime, owner, session_id, all_branches=form == "jsonl")
    if whole.session.temporary:
        raise NotFound("a temporary session is in no export")
    title = whole.session.title

    async def only() -> AsyncGenerator[WholeHistory]:
        yield whole

    return Export(title, _write(runtime, owner, only(), form, title or "Chat", facts_too=False))


def export_all(runtime: Runtime, owner: str, form: ExportFormat) -> Export:
    """Begin to export all that the owner has: sessions that are not temporary, and in our own archive facts, too."""
    histories = list_histories(runtime, owner, all_branches=form == "jsonl")
    return Export(None, _write(runtime, owner, histories, form, "Chats", facts_too=True))


def _write(
    runtime: Runtime,
    owner: str,
    histories: AsyncIterable[WholeHistory],
    form: ExportFormat,
    title: str,
    *,
    facts_too: bool,
) -> AsyncGenerator[bytes]:
    new_writer = FORMS[form].new_writer
    if new_writer is None:
        return JsonlExport(runtime, owner, facts_too=facts_too).write(histories)
    return write_documents(runtime, owner, histories, new_writer(), title)
