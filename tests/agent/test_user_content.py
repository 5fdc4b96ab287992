"""Files in prompts: text where that is enough, nothing dropped in silence, and the newest first."""

from typing import Any

import pytest

from chatkeep.agent.context_window import UNKNOWN_RECIPIENT, fit_history
from chatkeep.agent.user_content import (
    PICTURE_BYTES,
    PromptAudio,
    PromptFile,
    PromptFiles,
    PromptPicture,
    count_bytes,
    merge_user_messages,
    plain_text,
    user_content,
)
from chatkeep.chat.types import FilePart, Message, Part, TextPart
from tests.values import TIME

URL = "data:image/png;base64," + "A" * 1_000_000
PICTURE: dict[str, Any] = {"type": "image_url", "image_url": {"url": URL}}
NOTES = FilePart("n", "notes.md", "text/markdown", 1_234)
PHOTO = FilePart("p", "photo.jpg", "image/jpeg", 5, 30, 20)
MEMO = FilePart("m", "memo.mp3", "audio/mpeg", 5)
AUDIO = PromptAudio("A" * 266_000, "mp3")
SOUND: dict[str, Any] = {"type": "input_audio", "input_audio": {"data": AUDIO.data, "format": "mp3"}}
SCAN = FilePart("s", "scan.pdf", "application/pdf", 5, pages=1)
PLAN = FilePart("d", "plan.pdf", "application/pdf", 5, pages=2)
DOCUMENT = "data:application/pdf;base64," + "A" * 400_000
WHOLE: dict[str, Any] = {"type": "file", "file": {"filename": "plan.pdf", "file_data": DOCUMENT}}
FILES = PromptFiles(
    {
        "d": PromptFile("[Page 1]\ny", document=DOCUMENT),
        "n": PromptFile("words"),
        "m": PromptFile(audio=AUDIO),
        "p": PromptFile(pictures=[PromptPicture("", URL)]),
        "s": PromptFile("[Page 1]\nx", [PromptPicture("[Page 2]", URL)], ["Only its first 2 pages are shown"]),
    },
    ("text", "image"),
)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("parts", "files", "content"),
    [
        ([TextPart("hi")], FILES, "hi"),
        ([NOTES, TextPart("hi")], FILES, "[File: notes.md, text/markdown, 1,234 bytes]\n```\nwords\n```\n\nhi"),
        ([TextPart("hi"), PHOTO], FILES, [text("[File: photo.jpg, image/jpeg, 30 x 20 pixels]"), PICTURE, text("hi")]),
        (
            [SCAN],
            FILES,
            [
                text(
                    "[File: scan.pdf, application/pdf, 1 page. Only its first 2 pages are shown]\n```\n[Page 1]\nx\n```"
                ),
                text("[Page 2]"),
                PICTURE,
            ],
        ),
        ([MEMO], FILES._replace(input=("audio",)), [text("[File: memo.mp3, audio/mpeg, 5 bytes]"), SOUND]),
        ([MEMO], FILES, "[File: memo.mp3, audio/mpeg, 5 bytes. It is not played: this model takes no recordings.]"),
        (
            [PHOTO],
            FILES._replace(input=("text",)),
            "[File: photo.jpg, image/jpeg, 30 x 20 pixels. Its pictures are not shown: this model reads none.]",
        ),
        ([PLAN], FILES._replace(input=("text", "file")), [text("[File: plan.pdf, application/pdf, 2 pages]"), WHOLE]),
        ([PLAN], FILES, "[File: plan.pdf, application/pdf, 2 pages]\n```\n[Page 1]\ny\n```"),
        ([NOTES], PromptFiles({}), "[File: notes.md, text/markdown, 1,234 bytes. Its content is not shown.]"),
    ],
)
def test_a_content_has_all_that_the_model_reads(parts: list[Part], files: PromptFiles, content: Any) -> None:
    assert user_content(parts, files) == content


def test_a_pdf_that_is_sent_as_it_is_counts_by_its_size() -> None:
    message = {"role": "user", "content": user_content([PLAN], FILES._replace(input=("file",)))}
    assert 50_000 < count_bytes([message]) < 51_000


def test_two_messages_in_a_row_are_one() -> None:
    def user(content: Any) -> dict[str, Any]:
        return {"role": "user", "content": content}

    assert merge_user_messages([user("a"), user("b")]) == [user("a\n\nb")]
    assert merge_user_messages([user("a"), user([PICTURE])]) == [user([text("a"), PICTURE])]
    assert merge_user_messages([user([PICTURE]), user("b")]) == [user([PICTURE, text("b")])]
    assert plain_text([PICTURE, text("a"), text("b")]) == "a\n\nb"


def test_a_picture_has_a_size_of_its_own() -> None:
    size = count_bytes([{"role": "user", "content": [text("x"), PICTURE]}])
    assert PICTURE_BYTES < size < PICTURE_BYTES + 200
    assert count_bytes([]) == 0


def test_a_recording_counts_by_its_likely_length() -> None:
    size = count_bytes([{"role": "user", "content": [text("x"), SOUND]}])
    assert 1_000 < size < 1_200  # some 25 seconds, 250 tokens


def message(number: int, *parts: Part) -> Message:
    role = "user" if number % 2 else "assistant"
    return Message(str(number), "s", None, number, role, parts, None, "completed", TIME)


HISTORY = [message(1, NOTES, TextPart("one")), message(2, TextPart("a")), message(3, PHOTO, TextPart("three"))]


@pytest.mark.parametrize(("budget", "first"), [(9_000, "```\nwords"), (7_000, "is not shown.]\n\none"), (6_700, None)])
def test_old_files_are_named_before_a_turn_is_left_out(budget: int, first: str | None) -> None:
    files = FILES._replace(by_id={**FILES.by_id, "n": PromptFile("words" * 200)})
    messages = fit_history("s", [*HISTORY, message(4)], (), budget, UNKNOWN_RECIPIENT, files).messages
    assert PICTURE in messages[-1]["content"]
    if first is None:
        assert len(messages) == 2
    else:
        assert first in messages[1]["content"]


def test_a_provider_that_refuses_files_gets_their_names() -> None:
    recipient = UNKNOWN_RECIPIENT._replace(earlier_files_named=True)
    messages = fit_history("s", [*HISTORY, message(4)], (), 1e6, recipient, FILES).messages
    assert "is not shown." in messages[1]["content"]
    assert PICTURE in messages[-1]["content"]
