"""Pictures, recordings and documents in requests, in the form of each API."""

from typing import Any

from chatkeep.llm import Prompt
from chatkeep.llm.completions.request import completions_request
from chatkeep.llm.responses.request import responses_request

URL = "data:image/png;base64,AAAA"
CONTENT: list[dict[str, Any]] = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": URL}}]
CONTENT.append({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})
DOCUMENT = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
CONTENT.append({"type": "file", "file": DOCUMENT})
PROMPT = Prompt("m", [{"role": "system", "content": "s"}, {"role": "user", "content": CONTENT}], ())


def test_chat_completions_takes_the_content_as_it_is() -> None:
    assert completions_request(PROMPT)["messages"][1]["content"] == CONTENT


def test_responses_has_names_of_its_own() -> None:
    (item,) = responses_request(PROMPT)["input"]
    assert item["content"] == [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": URL},
        CONTENT[2],
        {"type": "input_file", **DOCUMENT},
    ]
