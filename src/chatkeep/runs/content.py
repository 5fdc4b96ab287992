"""The content of a new message, as clients send it: a text, or a list of texts and files."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from chatkeep import ids
from chatkeep.chat.types import File, FilePart, Part, TextPart
from chatkeep.files.names import clean_name
from chatkeep.text import clean_json

MAX_CONTENT_BYTES = 262_144
"""The longest text of a message, in bytes of UTF-8."""
MAX_FILES = 16
"""The most files of a message."""


def parse_uuid(text: str) -> str:
    """Return a UUID in canonical form.

    Raises:
        ValueError: it is none.
    """
    if (canonical := ids.parse(text)) is None:
        raise ValueError("not a UUID")
    return canonical


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    if len(text.encode()) > MAX_CONTENT_BYTES:
        raise ValueError(f"longer than {MAX_CONTENT_BYTES} bytes of UTF-8")
    return text


Id: TypeAlias = Annotated[str, AfterValidator(parse_uuid), Field(json_schema_extra={"format": "uuid"})]


class _ContentPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NewText(_ContentPart):
    """A text in a message. It may be blank if there is a file beside it."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=MAX_CONTENT_BYTES), BeforeValidator(clean_json)]


class NewFile(_ContentPart):
    """A file in a message. `name` left out: the file's own."""

    type: Literal["file"]
    file_id: Id
    name: Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(clean_name)] | None = None


ContentPart: TypeAlias = Annotated[NewText | NewFile, Field(discriminator="type")]


def _check_parts(parts: list[ContentPart]) -> list[ContentPart]:
    files = [part for part in parts if isinstance(part, NewFile)]
    if len(files) > MAX_FILES:
        raise ValueError(f"more than {MAX_FILES} files")
    text = text_of(parts)
    if text or not files:
        _check_text(text)
    return parts


def _form_of(content: object) -> str:
    """Return the form in which a content is checked: so its errors are those of one form alone."""
    return "parts" if isinstance(content, list) else "text"


_Text: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_CONTENT_BYTES), BeforeValidator(clean_json), AfterValidator(_check_text)
]
_Parts: TypeAlias = Annotated[list[ContentPart], Field(min_length=1, max_length=64), AfterValidator(_check_parts)]
Content: TypeAlias = Annotated[Annotated[_Text, Tag("text")] | Annotated[_Parts, Tag("parts")], Discriminator(_form_of)]


def text_of(content: str | Sequence[ContentPart]) -> str:
    """Return the text of a content; empty if it has only files."""
    if isinstance(content, str):
        return content
    return "\n\n".join(part.text for part in content if isinstance(part, NewText) and part.text.strip())


def file_ids_in(content: str | Sequence[ContentPart]) -> list[str]:
    """Return the ids of the files of a content, each once."""
    if isinstance(content, str):
        return []
    return list(dict.fromkeys(part.file_id for part in content if isinstance(part, NewFile)))


def to_parts(content: str | Sequence[ContentPart], files: Sequence[File]) -> tuple[Part, ...]:
    """Return the parts of a message with that content. `files` has all of its files. Blank texts are left out."""
    if isinstance(content, str):
        return (TextPart(content),)
    by_id = {file.id: file for file in files}
    parts: list[Part] = []
    for part in content:
        if isinstance(part, NewFile):
            parts.append(to_file_part(by_id[part.file_id], part.name))
        elif part.text.strip():
            parts.append(TextPart(part.text))
    return tuple(parts)


def to_file_part(file: File, name: str | None) -> FilePart:
    """Return a file as part of a message, which may call it by a name of its own."""
    return FilePart(file.id, name or file.name, file.media_type, file.bytes, file.width, file.height, file.pages)
