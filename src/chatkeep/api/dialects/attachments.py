"""Files in the messages of other services' clients: as data URLs, as base64, or by the id of a file that is here.

1. A file that comes with a message is stored like one of `POST /api/files`, once: who sends the whole history with each
   request stores nothing anew. Messages refer to it.
2. Nothing is fetched: addresses of other places are refused.
3. A request that is refused leaves no file behind that came with it.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from mimetypes import guess_extension
from typing import Any, Literal, NamedTuple, TypeAlias

from chatkeep import ids
from chatkeep.api.dialects.data_urls import EncodedFile, parse_data_url
from chatkeep.chat.types import File, FilePart, Part, TextPart
from chatkeep.db import Transaction
from chatkeep.errors import BodyTooLarge, InvalidRequest, NotFound
from chatkeep.files.names import clean_name
from chatkeep.runs.content import to_file_part
from chatkeep.runs.files import IncomingFile, ReceivedFile, drop_received, find_known, receive_file
from chatkeep.runs.request import EarlierMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.settings import Settings
from chatkeep.store import files as store_files

MAX_GIVEN_FILES = 256
"""The most files of a request, with those of the history in it."""
FILE_PREFIX = "file-"
"""The beginning of a file's id below `/v1`; the rest is our id."""
_CONTENT_PATH = re.compile(r"(?:https?://[^/?#]+)?(?:/[^?#]*)?/api/files/([0-9A-Fa-f-]{36})/content")
_SHOWN_CHARS = 80


class GivenFile(NamedTuple):
    """A file in a client's message, and its place there (`where`): one of `url`, `data` and `file_id` is not empty.

    `url` is a data URL or the address of a file that is here, `data` is base64 or either of these.
    """

    where: str
    url: str = ""
    data: str = ""
    file_id: str = ""
    name: str = ""
    media_type: str = ""


SaidPart: TypeAlias = Part | GivenFile


class SaidMessage(NamedTuple):
    """A message of a client's history, with files as they were given."""

    role: Literal["user", "assistant"]
    parts: Sequence[SaidPart]


FileParts: TypeAlias = Mapping[str, FilePart]
"""The given files as parts of messages, by where they stand."""


def merge_texts(parts: Iterable[SaidPart], separator: str) -> list[SaidPart]:
    """Return the parts of a user's message with each run of texts as one. Blank texts beside files are left out."""
    merged: list[SaidPart] = []
    for part in parts:
        if isinstance(part, TextPart) and merged and isinstance(last := merged[-1], TextPart):
            merged[-1] = TextPart(last.text + separator + part.text)
        else:
            merged.append(part)
    if all(isinstance(part, TextPart) for part in merged):
        return merged
    return [part for part in merged if not isinstance(part, TextPart) or part.text.strip()]


def settle(parts: Iterable[SaidPart], files: FileParts) -> tuple[Part, ...]:
    """Return the parts with each given file as one of ours."""
    return tuple(files[part.where] if isinstance(part, GivenFile) else part for part in parts)


def settle_messages(messages: Iterable[SaidMessage], files: FileParts) -> tuple[EarlierMessage, ...]:
    """Return a history with each given file as one of ours."""
    return tuple(EarlierMessage(each.role, settle(each.parts, files)) for each in messages)


def to_content(parts: Sequence[SaidPart], files: FileParts) -> str | list[dict[str, Any]]:
    """Return the parts of a user's message as the content of one in our own API: a text, or texts and files."""
    if not any(isinstance(part, GivenFile) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    content: list[dict[str, Any]] = []
    for part in settle(parts, files):
        if isinstance(part, FilePart):
            content.append({"type": "file", "file_id": part.file_id, "name": part.name})
        elif isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
    return content


def given_files(messages: Iterable[SaidMessage]) -> list[GivenFile]:
    """Return all given files of a history."""
    return [part for message in messages for part in message.parts if isinstance(part, GivenFile)]


def file_url(settings: Settings, file_id: str) -> str:
    """Return the address of a file's bytes: whole if the service knows its own (`CHATKEEP_PUBLIC_URL`), else a path."""
    public = settings.public_url
    return f"{public.origin + public.path if public else ''}/api/files/{file_id}/content"


def parse_file_id(text: str) -> str:
    """Return our id of the file that a client calls `text`.

    Raises:
        NotFound: it is no id of one.
    """
    file_id = ids.parse(text.removeprefix(FILE_PREFIX))
    if file_id is None:
        raise NotFound(f"no file {text[:_SHOWN_CHARS]}")
    return file_id


@asynccontextmanager
async def stored_files(runtime: Runtime, owner: str, given: Sequence[GivenFile]) -> AsyncGenerator[FileParts]:
    """Store the given files, and yield them as parts of messages. Within the block they come into use.

    Raises:
        InvalidRequest: there are too many, one cannot be decoded, or lies elsewhere.
        NotFound: an id names none of the owner's files.
        BodyTooLarge: one has more than CHATKEEP_MAX_FILE_BYTES.
    """
    if not given:
        yield {}
        return
    received: list[ReceivedFile] = []
    try:
        yield await _store(runtime, owner, given, received)
    except Exception:
        await drop_received(runtime, owner, received)
        raise


async def find_files(runtime: Runtime, owner: str, given: Sequence[GivenFile]) -> FileParts:
    """Return the given files as parts of messages, without storing those that came with the request.

    Raises:
        InvalidRequest, NotFound: see `stored_files`.
    """
    sources = _sources(given)
    parts = await _find_named(runtime, owner, sources)
    for where, source in sources.items():
        if isinstance(source, EncodedFile):
            parts[where] = FilePart(ids.new(), where, source.media_type, source.size, None, None, None)
    return parts


async def _store(
    runtime: Runtime, owner: str, given: Sequence[GivenFile], received: list[ReceivedFile]
) -> dict[str, FilePart]:
    """Store what is not here yet, one after the other; those that are new are added to `received`."""
    sources = _sources(given)
    parts = await _find_named(runtime, owner, sources)
    hashes: dict[str, str] = {}
    for each in given:
        if isinstance(source := sources[each.where], EncodedFile):
            hashes[each.where] = await _hash(runtime, each.where, source)
    known = await find_known(runtime, owner, set(hashes.values())) if hashes else {}
    for each in given:
        source = sources[each.where]
        if isinstance(source, EncodedFile):
            sha256 = hashes[each.where]
            if sha256 not in known:
                received.append(await _receive(runtime, owner, each, source))
                known[sha256] = received[-1].file
            parts[each.where] = to_file_part(known[sha256], clean_name(each.name) if each.name else None)
    return parts


async def _receive(runtime: Runtime, owner: str, given: GivenFile, source: EncodedFile) -> ReceivedFile:
    incoming = IncomingFile(given.name or _default_name(source.media_type), source.media_type)
    try:
        return await receive_file(runtime, owner, _read(source), incoming)
    except InvalidRequest as error:
        raise InvalidRequest(f"{given.where}: {error.detail}") from error


def _sources(given: Sequence[GivenFile]) -> dict[str, EncodedFile | GivenFile]:
    """Return, by place, the bytes of each file, or itself with our id in `file_id`."""
    if len(given) > MAX_GIVEN_FILES:
        raise InvalidRequest(f"a request may have {MAX_GIVEN_FILES} files, with those of its history")
    return {each.where: _source(each) for each in given}


def _source(given: GivenFile) -> EncodedFile | GivenFile:
    url = given.url or given.data
    if given.file_id:
        return given._replace(file_id=parse_file_id(given.file_id))
    if not url:
        raise InvalidRequest(f"{given.where}: no file: a data URL, base64, or the id of a file that is here")
    if (encoded := parse_data_url(url)) is not None:
        return encoded._replace(media_type=encoded.media_type or given.media_type)
    if len(url) < 2_000 and (path := _CONTENT_PATH.fullmatch(url)):
        return given._replace(file_id=parse_file_id(path[1]))
    if given.url:
        shown = url[:_SHOWN_CHARS]
        raise InvalidRequest(f"{given.where}: {shown!r} is neither a data URL nor a file that is here; none is fetched")
    return EncodedFile(given.media_type, given.data)


async def _find_named(
    runtime: Runtime, owner: str, sources: Mapping[str, EncodedFile | GivenFile]
) -> dict[str, FilePart]:
    named = {where: source for where, source in sources.items() if isinstance(source, GivenFile)}
    if not named:
        return {}

    async def read(tx: Transaction) -> dict[str, File]:
        return {where: await store_files.get_file(tx, owner, each.file_id) for where, each in named.items()}

    files = await runtime.db.snapshot(read)
    names = {where: clean_name(each.name) if each.name else None for where, each in named.items()}
    return {where: to_file_part(file, names[where]) for where, file in files.items()}


async def _hash(runtime: Runtime, where: str, source: EncodedFile) -> str:
    """Return the hash of a file's bytes: an early look, so that those which are here are not stored once more."""
    limit = runtime.settings.max_file_bytes
    if source.size > limit + 2:  # it counts padding, too
        raise BodyTooLarge(f"{where}: a file may have {limit} bytes")

    def digest() -> str:
        sha256 = hashlib.sha256()
        for piece in source.pieces():
            sha256.update(piece)
        return sha256.hexdigest()

    try:
        return await asyncio.to_thread(digest)
    except ValueError as error:
        raise InvalidRequest(f"{where}: not base64: {error}") from error


async def _read(source: EncodedFile) -> AsyncGenerator[bytes]:
    pieces = source.pieces()
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _default_name(media_type: str) -> str:
    """Return a name for a file that came without one: its ending tells people and models what it is."""
    kind = media_type.partition("/")[0]
    return (kind if kind in ("image", "audio", "video") else "file") + (guess_extension(media_type) or "")
