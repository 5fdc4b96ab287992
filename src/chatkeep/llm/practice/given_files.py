"""The practice model's words about the files of a message, as the prompt has them (`agent/user_content.py`)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

_TEXT = r"(?:\n(?P<fence>`{3,})\n(?P<text>.*?)\n(?P=fence)$)?"
_FILE = re.compile(rf"^\[File: (?P<about>[^\n]+)\]{_TEXT}", re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r"^\[Page \d+\]$", re.MULTILINE)
FIRST_WORDS = 8
"""How many words of a text it repeats."""
PICTURE_TOKENS = 1_600
AUDIO_TOKENS = 600
"""Tokens of a recording of a minute, which it cannot measure."""

DOCUMENT_TOKENS = 2_000
"""Tokens of a PDF that it gets as it is: those of a page."""


class GivenMessage(NamedTuple):
    """The user's own text in a message, and a description of its files; empty if there are none."""

    text: str
    description: str


def read_message(message: Mapping[str, Any]) -> GivenMessage:
    """Return what is in a user message of a prompt."""
    content, pictures, recordings = message["content"], 0, 0
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        pictures = sum(part["type"] == "image_url" for part in parts)
        recordings = sum(part["type"] == "input_audio" for part in parts)
        content = "\n\n".join(part["text"] for part in parts if part["type"] == "text")
    sentences = [_describe(match) for match in _FILE.finditer(content)]
    if pictures:
        sentences.append(f"I was shown {pictures} picture{'s' if pictures > 1 else ''}, which I cannot see. ")
    if recordings:
        sentences.append(f"I was given {recordings} recording{'s' if recordings > 1 else ''}, which I cannot hear. ")
    if sentences:
        content = _LABEL.sub("", _FILE.sub("", content)).strip()
    return GivenMessage(content, "".join(sentences))


def without_files(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message of a prompt without its files, whose words ask the practice model for nothing."""
    return {**message, "content": read_message(message).text} if message["role"] == "user" else message


def count_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the tokens of a prompt: four bytes of JSON are one, and each picture and recording a fixed number."""
    contents = [cast("list[dict[str, Any]]", each["content"]) for each in messages if isinstance(each["content"], list)]
    parts = [part for content in contents for part in content]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    recordings = [part["input_audio"]["data"] for part in parts if part["type"] == "input_audio"]
    documents = [part["file"]["file_data"] for part in parts if part["type"] == "file"]
    text_bytes = len(msgspec.json.encode(messages)) - sum(map(len, (*urls, *recordings, *documents)))
    fixed = PICTURE_TOKENS * len(urls) + AUDIO_TOKENS * len(recordings) + DOCUMENT_TOKENS * len(documents)
    return text_bytes // 4 + fixed


def _describe(match: re.Match[str]) -> str:
    words = (match["text"] or "").split()
    more = "…" if len(words) > FIRST_WORDS else ""
    begin = f" It begins: “{' '.join(words[:FIRST_WORDS])}{more}”." if words else ""
    return f"You gave me {match['about'].rstrip('.')}.{begin} "
