"""Files in messages: which ones a new message has, if the model can read them, and their contents for prompts.

1. A file that the model cannot read is refused before anything is stored. So it is read once before the claim; what
   came of it is kept for the prompt (`files/reader.py`).
2. The history's files are read newest first, as many as a prompt may have. The others are named.
3. A turn whose history has no files asks the database for nothing.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence

from chatkeep.agent.user_content import PICTURE_BYTES, PromptAudio, PromptFile, PromptPicture
from chatkeep.chat.types import File, FilePart, Message, Part
from chatkeep.db import Transaction
from chatkeep.files.jobs import MAX_PICTURE_EDGE, MAX_TEXT_BYTES, Answer
from chatkeep.files.media_types import AUDIO, HTML, OFFICE, PDF, decode_text, is_picture, is_text
from chatkeep.files.refusals import UnsupportedFile
from chatkeep.runs.content import file_ids_in, to_parts
from chatkeep.runs.files import read_all, read_pieces
from chatkeep.runs.request import NewMessage, TurnRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.store import files as store_files
from chatkeep.store.files import FileKey

MAX_PROMPT_PICTURES = 20
"""The most pictures of a prompt. Providers take between 20 and some hundred."""

MAX_PROMPT_AUDIO_BYTES = 26_214_400
"""The most bytes of the recordings of a prompt; those of the newest message come first."""


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
        if problem := await _find_problem(runtime, owner, part, input_):
            known = "text, PDF, docx, xlsx, pptx"
            known += ", PNG, JPEG, GIF, WebP" if "image" in input_ else ""
            known += ", WAV, MP3" if "audio" in input_ else ""
            raise UnsupportedFile(f"{part.name}: {problem}. The model {model!r} is given {known}.")


async def load_files(
    runtime: Runtime, owner: str, history: Sequence[Message], max_bytes: int
) -> Mapping[str, PromptFile]:
    """Return the contents of the history's latest files by their ids, of at most some `max_bytes` of a prompt."""
    loaded: dict[str, PromptFile] = {}
    pictures, audio, size = 0, 0, 0
    for part in (part for message in reversed(history) for part in message.parts if isinstance(part, FilePart)):
        if part.file_id in loaded:
            continue
        file = await _load_file(runtime, owner, part)
        pictures += len(file.pictures)
        audio += part.bytes if file.audio else 0
        size += len(file.text or "") + PICTURE_BYTES * len(file.pictures) + (file.audio.json_bytes if file.audio else 0)
        if loaded and (size > max_bytes or pictures > MAX_PROMPT_PICTURES or audio > MAX_PROMPT_AUDIO_BYTES):
            break
        loaded[part.file_id] = file
    return loaded


def guess_bytes(files: Iterable[FilePart]) -> int:
    """Return about how many bytes of a prompt files have, by their kind and size alone."""
    return sum(PICTURE_BYTES if is_picture(each.media_type) else min(each.bytes, MAX_TEXT_BYTES) for each in files)


async def _find_problem(runtime: Runtime, owner: str, part: FilePart, input_: Sequence[str]) -> str | None:
    """Return why a file cannot be read by a model that takes `input_`; None if it can."""
    if is_text(part.media_type):
        return None
    if part.media_type in AUDIO:
        return None if "audio" in input_ else f"the model takes no recordings{_name_models(runtime, 'audio')}"
    if not _is_picture(part) and part.media_type not in (PDF, *OFFICE):
        return f"a file of the type {part.media_type} cannot be read"
    if _is_picture(part) and "image" not in input_:
        return f"the model reads no pictures{_name_models(runtime, 'image')}"
    answer = await _read(runtime, owner, part)
    if answer.problem is None and part.media_type == PDF and not any(answer.texts) and "image" not in input_:
        return f"the PDF has no text, and the model reads no pictures{_name_models(runtime, 'image')}"
    return answer.problem


def _name_models(runtime: Runtime, kind: str) -> str:
    """Return the end of a sentence that names the models on offer that take such files; empty if there are none."""
    names = [each.name for each in runtime.models.all() if kind in each.input]
    return f"; these do: {', '.join(names)}" if names else ""


async def _load_file(runtime: Runtime, owner: str, part: FilePart) -> PromptFile:
    if is_text(part.media_type) and part.media_type != HTML:
        return await _load_text(runtime, owner, part)
    if part.media_type in AUDIO:
        content = await read_all(runtime, FileKey(owner, part.file_id))
        return PromptFile(audio=PromptAudio(b64encode(content).decode(), AUDIO[part.media_type]))
    if not _is_picture(part) and part.media_type not in (HTML, PDF, *OFFICE):
        return PromptFile(notes=["Its content cannot be shown."])
    answer = await _read(runtime, owner, part)
    if answer.problem is not None and part.media_type == HTML:
        return await _load_text(runtime, owner, part)  # its source
    if answer.problem is not None:
        return PromptFile(notes=[f"Its content cannot be shown: {answer.problem}."])
    if part.media_type == PDF:
        return _document(answer)
    if not answer.pictures:
        return _converted(answer)
    return PromptFile(pictures=[PromptPicture("", _data_url(answer.media_type, answer.pictures[0]))])


async def _load_text(runtime: Runtime, owner: str, part: FilePart) -> PromptFile:
    key, size = FileKey(owner, part.file_id), min(part.bytes, 2 * MAX_TEXT_BYTES)
    content = b"".join([piece async for piece in read_pieces(runtime, key, 0, size)])
    text = decode_text(content)
    shown = text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
    if shown == text:
        return PromptFile(text)
    return PromptFile(shown, notes=[f"Only its first {len(shown):,} characters are shown."])


async def _read(runtime: Runtime, owner: str, part: FilePart) -> Answer:
    key = FileKey(owner, part.file_id)
    kind = "picture" if _is_picture(part) else "document"
    return await runtime.file_reader.do(
        kind, part.media_type, lambda: read_all(runtime, key), MAX_PICTURE_EDGE, part.file_id
    )


def _document(answer: Answer) -> PromptFile:
    """Return the text of a PDF with marks of its pages, and pictures of pages without text."""
    pages, shown = answer.pages or 0, len(answer.texts)
    texts = [f"[Page {number}]\n{text}" for number, text in enumerate(answer.texts, 1) if text]
    empty = [number for number, text in enumerate(answer.texts, 1) if not text]
    notes: list[str] = []
    if shown < pages:
        notes.append(f"Only its first {shown} pages are shown")
    if unseen := [number for number in empty if number not in answer.picture_pages]:
        notes.append(f"Pages without text, of which nothing is shown: {', '.join(map(str, unseen))}")
    pictures = [
        PromptPicture(f"[Page {number}]", _data_url("image/jpeg", picture))
        for number, picture in zip(answer.picture_pages, answer.pictures, strict=True)
    ]
    return PromptFile("\n\n".join(texts) or None, pictures, notes)


def _converted(answer: Answer) -> PromptFile:
    """Return the text of a document that was made Markdown or CSV, and say what is not in it."""
    notes = [f"Not shown: {'; '.join(answer.left_out)}"] if answer.left_out else []
    return PromptFile("\n".join(answer.texts), notes=notes)


def _is_picture(part: FilePart) -> bool:
    return part.media_type.startswith("image/") and part.width is not None


def _data_url(media_type: str | None, content: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"
