"""Documents of Word, Excel and PowerPoint, and HTML, in messages: the model gets their text, and a list of the rest."""

import pytest

from tests.api.shapes import problem
from tests.api.tables import nothing_stored
from tests.api.test_file_messages import content_of, part, text
from tests.api.test_files import bring
from tests.office import FULL_HTML, docx, full_xlsx, paragraph, pptx
from tests.samples import picture
from tests.script import Script
from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_the_model_gets_text_and_what_is_left_out(service: Service, script: Script) -> None:
    content = docx(paragraph("Title", "Heading1") + paragraph("words"), {"word/media/a.png": picture()})
    file = await bring(service, content, "letter.docx")
    await service.send(await service.session(), [part(file), text("What is this?")])
    head, _, rest = content_of(script.prompts[0]).partition("\n")
    assert head.endswith(" bytes. Not shown: 1 picture (no text is made of such parts)]")
    assert rest == "```\n# Title\n\nwords\n```\n\nWhat is this?"


async def test_every_kind_reaches_a_model_of_text_alone(service: Service, script: Script) -> None:
    script.input = ("text",)
    files = [
        await bring(service, full_xlsx(), "a.xlsx"),
        await bring(service, pptx(["Slide title"]), "b.pptx"),
        await bring(service, FULL_HTML, "c.html"),
    ]
    await service.send(await service.session(), [part(file) for file in files])
    content = content_of(script.prompts[0])
    for words in ("[Sheet Prices]\nname,", "[Slide 1]\nSlide title", "# A heading"):
        assert words in content


async def test_a_page_that_is_too_deep_is_shown_as_its_source(service: Service, script: Script) -> None:
    source = "<html>" + "<div>" * 3_000 + "words"
    file = await bring(service, source.encode(), "deep.html")
    await service.send(await service.session(), [part(file)])
    assert content_of(script.prompts[0]).endswith(f"```\n{source}\n```")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (docx("x", prolog="<!DOCTYPE x>"), "it declares entities"),
        (b"PK\x03\x04" + bytes(99), "it cannot be read"),
        (docx(""), "it has no text"),
    ],
)
async def test_a_document_that_cannot_be_read_is_refused(service: Service, content: bytes, why: str) -> None:
    file = await bring(service, content, "a.docx")
    session_id = await service.session()
    async with nothing_stored(service):
        answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": [part(file)]})
        assert f"a.docx: {why}" in problem(answer, 422, "unsupported_media_type_for_model")["detail"]
