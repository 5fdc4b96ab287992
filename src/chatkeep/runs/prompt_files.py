"""Files in messages: which ones a new message has, if the model can read them, and their contents for prompts.

1. A file that the model cannot read is refused before anything is stored. So it is read once before the claim; what
   came of it is kept for the prompt (`files/reader.py`).
2. The history's files are read newest first, as many as a prompt may have. The others are named.
3. A turn whose history has no files asks the database for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

from chatkeep.agent.user_content import PICTURE_BYTES, PromptFile
from chatkeep.chat.types import File, FilePart, Message, Part
from chatkeep.db import Transaction
from chatkeep.files.jobs import MAX_TEXT_BYTES
from chatkeep.files.media_types import is_picture
from chatkeep.runs.content import file_ids_in, to_parts
from chatkeep.runs.file_contents import FileContents
from chatkeep.runs.files import read_pieces
from chatkeep.runs.request import NewMessage, TurnRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.store import files as store_files
from chatkeep.store.files import FileKey

MAX_PROMPT_PICTURES = 20
"""The most pictures of a prompt. Providers take between 20 and some hundred."""

MAX_PROMPT_MEDIA_BYTES = 26_214_400
"""The most bytes of the recordings, and PDFs as they are, of a prompt; those of the newest message come first."""


async def list_files(tx: Transaction, owner: str, request: TurnRequest) -> Sequence[File]:
    """Return the owner's files that a new message refers to.

    Raises:
        NotFound: there is no such file, or it belongs to another owner.
    """
    file_ids = file_ids_in(request.content) if isinstance(request, NewMessage) else ()
    return [await store_files.get_file(tx, owner, file_id) for file_id in file_ids]


def list_parts(request: TurnRequest, files: Sequence[File], answered: Message | None) -> Sequence[Part]:
    """Return the parts of the message that is answered: of the new one with `files`, or of one that is stored."""
    if isinstance(request, NewMessage):
        return to_parts(request.content, files)
    return answered.parts if answered else ()


async def check_files(runtime: Runtime, owner: str, model: str, parts: Sequence[Part]) -> None:
    """Refuse a message with a file that the model cannot read.

    Raises:
        UnsupportedFile: it cannot.
        TurnFailed: there is no such model any more.
    """
    files = [part for part in parts if isinstance(part, FilePart)]
    input_ = runtime.model.describe(model).input if files else ()
    for part in files:
        await _contents(runtime, owner).check(part, model, input_, runtime.models.all())


async def load_files(
    runtime: Runtime, owner: str, history: Sequence[Message], max_bytes: int
) -> Mapping[str, PromptFile]:
    """Return the contents of the history's latest files by their ids, of at most some `max_bytes` of a prompt."""
    loaded: dict[str, PromptFile] = {}
    contents = _contents(runtime, owner)
    takes_files = any("file" in each.input for each in runtime.models.all())
    pictures, media, size = 0, 0, 0
    for part in (part for message in reversed(history) for part in message.parts if isinstance(part, FilePart)):
        if part.file_id in loaded:
            continue
        file = await contents.read(part, takes_files=takes_files)
        pictures += len(file.pictures)
        media += part.bytes if file.audio or file.document else 0
        size += len(file.text or "") + PICTURE_BYTES * len(file.pictures) + (file.audio.json_bytes if file.audio else 0)
        if loaded and (size > max_bytes or pictures > MAX_PROMPT_PICTURES or media > MAX_PROMPT_MEDIA_BYTES):
            break
        loaded[part.file_id] = file
    return loaded


def guess_bytes(files: Iterable[FilePart]) -> int:
    """Return about how many bytes of a prompt files have, by their kind and size alone."""
    return sum(PICTURE_BYTES if is_picture(each.media_type) else min(each.bytes, MAX_TEXT_BYTES) for each in files)


def _contents(runtime: Runtime, owner: str) -> FileContents:
    async def load(part: FilePart, size: int | None) -> bytes:
        return b"".join([piece async for piece in read_pieces(runtime, FileKey(owner, part.file_id), 0, size)])

    return FileContents(runtime.file_reader, load)
