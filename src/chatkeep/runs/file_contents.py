"""The contents of files for prompts, wherever the files are: in the database, or on the disk of `chatkeep ask`."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from chatkeep.agent.user_content import PromptAudio, PromptFile, PromptPicture
from chatkeep.chat.types import FilePart
from chatkeep.files.jobs import MAX_PICTURE_EDGE, MAX_TEXT_BYTES, Answer
from chatkeep.files.media_types import AUDIO, HTML, OFFICE, PDF, decode_text, is_text
from chatkeep.files.reader import FileReader
from chatkeep.files.refusals import UnsupportedFile
from chatkeep.llm.model_library import OfferedModel

MAX_DOCUMENT_BYTES = 10_485_760
"""The largest PDF that a model gets as it is; of a larger one it gets text and pictures. Providers take some 32 MB in a
request (Anthropic, "PDF support"), in base64."""
LoadBytes: TypeAlias = Callable[[FilePart, int | None], Awaitable[bytes]]
"""Loads the first so many bytes of a file; None: all."""


class FileContents:
    """Reads files for prompts, with `reader`; `load` has their bytes."""

    def __init__(self, reader: FileReader, load: LoadBytes) -> None:
        self._reader = reader
        self._load = load

    async def check(self, part: FilePart, model: str, input_: Sequence[str], offered: Sequence[OfferedModel]) -> None:
        """Refuse a file that `model`, which takes `input_`, cannot read. `offered`: all models that may be asked for.

        Raises:
            UnsupportedFile: it cannot; the message says what would work.
        """
        problem, needed = await self._find_problem(part, input_)
        if problem is None:
            return
        others = [each.name for each in offered if needed in each.input]
        known = "text, PDF, docx, xlsx, pptx"
        known += ", PNG, JPEG, GIF, WebP" if "image" in input_ else ""
        known += ", WAV, MP3" if "audio" in input_ else ""
        others_said = f"; these do: {', '.join(others)}" if others else ""
        raise UnsupportedFile(f"{part.name}: {problem}{others_said}. The model {model!r} is given {known}.")

    async def read(self, part: FilePart, *, takes_files: bool = False) -> PromptFile:
        """Return the content of a file as models get it. One that cannot be read has a note that says so.

        `takes_files`: with the file itself, of a kind that models take so.
        """
        if is_text(part.media_type) and part.media_type != HTML:
            return await self._read_text(part)
        if part.media_type in AUDIO:
            data = b64encode(await self._load(part, None)).decode()
            return PromptFile(audio=PromptAudio(data, AUDIO[part.media_type]))
        if not _is_picture(part) and part.media_type not in (HTML, PDF, *OFFICE):
            return PromptFile(notes=["Its content cannot be shown."])
        answer = await self._do(part)
        if answer.problem is not None and part.media_type == HTML:
            return await self._read_text(part)  # its source
        if answer.problem is not None:
            return PromptFile(notes=[f"Its content cannot be shown: {answer.problem}."])
        if part.media_type == PDF:
            is_sent = takes_files and part.bytes <= MAX_DOCUMENT_BYTES
            whole = _data_url(PDF, await self._load(part, None)) if is_sent else None
            return _document(answer)._replace(document=whole)
        if not answer.pictures:
            return _converted(answer)
        return PromptFile(pictures=[PromptPicture("", _data_url(answer.media_type, answer.pictures[0]))])

    async def _find_problem(self, part: FilePart, input_: Sequence[str]) -> tuple[str | None, str]:
        """Return why a file cannot be read, None if it can; and the kind of input by which a model could, or empty."""
        if is_text(part.media_type):
            return None, ""
        if part.media_type in AUDIO:
            return None if "audio" in input_ else "the model takes no recordings", "audio"
        if not _is_picture(part) and part.media_type not in (PDF, *OFFICE):
            return f"a file of the type {part.media_type} cannot be read", ""
        if _is_picture(part) and "image" not in input_:
            return "the model reads no pictures", "image"
        answer = await self._do(part)
        is_sent = "file" in input_ and part.bytes <= MAX_DOCUMENT_BYTES
        has_text = part.media_type != PDF or any(answer.texts)
        if answer.problem is None and not has_text and "image" not in input_ and not is_sent:
            return "the PDF has no text, and the model reads no pictures", "image"
        return answer.problem, ""

    async def _read_text(self, part: FilePart) -> PromptFile:
        text = decode_text(await self._load(part, min(part.bytes, 2 * MAX_TEXT_BYTES)))
        shown = text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
        if shown == text:
            return PromptFile(text)
        return PromptFile(shown, notes=[f"Only its first {len(shown):,} characters are shown."])

    async def _do(self, part: FilePart) -> Answer:
        kind = "picture" if _is_picture(part) else "document"
        return await self._reader.do(
            kind, part.media_type, lambda: self._load(part, None), MAX_PICTURE_EDGE, part.file_id
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
