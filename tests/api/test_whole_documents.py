"""PDFs for models that take files: they get them as they are."""

import base64
from pathlib import Path

import pytest

from chatkeep.runs.file_contents import MAX_DOCUMENT_BYTES
from tests.api.test_file_messages import content_of, part, text
from tests.api.test_files import bring
from tests.samples import pdf
from tests.script import Script
from tests.service import serving, settings

pytestmark = pytest.mark.anyio

MODELS = """
[providers.one]
base_url = "http://127.0.0.1:9/v1"
[models.reads]
provider = "one"
model = "r"
input = ["text", "file"]
"""
LARGE = pdf(["words"]) + b"%" + b"x" * MAX_DOCUMENT_BYTES


@pytest.mark.parametrize("content", [pdf(["First", ""]), pdf([""])], ids=["text", "scan"])
async def test_a_pdf_goes_as_it_is(database: str, script: Script, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "models.toml").write_text(MODELS)
    async with serving(settings(database, models=tmp_path / "models.toml", model="reads"), script) as service:
        script.input = ("text", "file")
        file, session_id = await bring(service, content, "a.pdf"), await service.session()
        await service.send(session_id, [part(file), text("What is it?")])
        head, document, question = content_of(script.prompts[0])
        assert head["text"].startswith("[File: a.pdf, application/pdf, ")
        data = f"data:application/pdf;base64,{base64.b64encode(content).decode()}"
        assert document == {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}
        assert question == text("What is it?")
        script.input = ("text",)  # another model goes on
        await service.send(session_id, "And now?")
        assert "a.pdf" in str(script.prompts[1].messages)
        assert "base64" not in str(script.prompts[1].messages)


async def test_a_large_pdf_goes_as_text(database: str, script: Script, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(MODELS)
    async with serving(settings(database, models=tmp_path / "models.toml", model="reads"), script) as service:
        script.input = ("text", "file")
        file = await bring(service, LARGE, "a.pdf")
        await service.send(await service.session(), [part(file)])
    assert "[Page 1]\nwords" in script.prompts[0].messages[-1]["content"]
