"""The files of `chatkeep ask --file`: read from the disk, and stored nowhere."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chatkeep import ids
from chatkeep.agent import ephemeral
from chatkeep.agent.user_content import PromptFile
from chatkeep.chat.types import FilePart, Message
from chatkeep.errors import CannotStart
from chatkeep.files.media_types import MediaTypeFinder
from chatkeep.files.names import clean_name
from chatkeep.files.reader import FileReader
from chatkeep.files.refusals import UnsupportedFile
from chatkeep.llm import Model
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.runs.content import MAX_FILES
from chatkeep.runs.file_contents import FileContents


class Question(NamedTuple):
    """A text that is asked, with the paths of files. `max_bytes` is how large each may be."""

    text: str
    paths: Sequence[str]
    max_bytes: int


class AskedQuestion(NamedTuple):
    """A question as a message of the user, and the contents of its files by their ids."""

    message: Message
    contents: Mapping[str, PromptFile]


async def read_question(question: Question, models: ModelLibrary, model: Model, model_name: str) -> AskedQuestion:
    """Return a question to the model `model_name`, with its files.

    Raises:
        CannotStart: one cannot be read, is too large, or is none that the model takes.
        TurnFailed: there is no such model.
    """
    if len(question.paths) > MAX_FILES:
        raise CannotStart(f"--file: at most {MAX_FILES} files")
    reader, loaded = FileReader(), dict[str, bytes]()

    async def load(part: FilePart, size: int | None) -> bytes:
        return loaded[part.file_id][:size]

    contents, read = FileContents(reader, load), dict[str, PromptFile]()
    input_ = model.describe(model_name).input
    parts: list[FilePart] = []
    try:
        for path in question.paths:
            content = await asyncio.to_thread(_read, Path(path), question.max_bytes)
            part = await _describe(reader, Path(path).name, content)
            loaded[part.file_id] = content
            await contents.check(part, model_name, input_, models.all())
            read[part.file_id] = await contents.read(part, takes_files="file" in input_)
            parts.append(part)
    except UnsupportedFile as refusal:
        raise CannotStart(str(refusal)) from refusal
    finally:
        await reader.close()
    return AskedQuestion(ephemeral.new_user_message(question.text, files=parts), read)


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise CannotStart(f"--file: cannot read {path}: {error.strerror}") from error
    if not content or len(content) > max_bytes:
        raise CannotStart(f"--file: {path} is {'empty' if not content else f'larger than {max_bytes} bytes'}")
    return content


async def _describe(reader: FileReader, path_name: str, content: bytes) -> FilePart:
    async def load() -> bytes:
        return content

    finder, name = MediaTypeFinder(), clean_name(path_name)
    finder.feed(content)
    media_type, found = await reader.inspect(finder.find(name, ""), load)
    return FilePart(ids.new(), name, media_type, len(content), found.width, found.height, found.pages)
