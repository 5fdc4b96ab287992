"""OpenAI's Files through its SDK for Python (docs/dialects.md)."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.dialects.files import NOTES, PNG
from tests.dialects.openai import openai_error
from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_a_file_is_sent_read_and_deleted(service: Service, client: AsyncOpenAI) -> None:
    sent = await client.files.create(file=("üb.txt", NOTES, "text/plain"), purpose="assistants")
    assert (sent.object, sent.bytes, sent.filename, sent.status) == ("file", len(NOTES), "üb.txt", "processed")
    assert sent.purpose == "user_data"
    assert await client.files.retrieve(sent.id) == sent
    assert await client.files.wait_for_processing(sent.id) == sent
    assert (await client.files.content(sent.id)).content == NOTES
    again = await client.files.create(file=("other.txt", NOTES, "text/plain"), purpose="user_data")
    assert again == sent
    deleted = await client.files.delete(sent.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (sent.id, "file", True)
    for call in (client.files.retrieve(sent.id), client.files.content(sent.id), client.files.delete(sent.id)):
        with pytest.raises(openai.NotFoundError):
            await call
    own = await service.client.get(f"/api/files/{sent.id.removeprefix('file-')}")
    assert own.status_code == 404


async def test_files_are_listed_page_by_page(client: AsyncOpenAI) -> None:
    sent = [await client.files.create(file=(f"{n}.txt", f"{n}".encode()), purpose="user_data") for n in range(5)]
    ids = [each.id for each in sent]
    assert [each.id async for each in client.files.list(limit=2)] == ids[::-1]
    assert [each.id async for each in client.files.list(limit=2, order="asc")] == ids
    page = await client.files.list(limit=2, after=ids[2])
    assert ([each.id for each in page.data], page.has_more) == ([ids[1], ids[0]], False)
    assert (await client.files.list(purpose="user_data", limit=1)).has_more
    assert (await client.files.list(purpose="batch")).data == []
    with pytest.raises(openai.NotFoundError):
        await client.files.list(after="file-nothing")


@pytest.mark.parametrize("options", [{"purpose": "batch"}, {"purpose": "fine-tune"}, {"purpose": ""}])
async def test_other_purposes_are_refused(client: AsyncOpenAI, options: dict[str, Any]) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="purpose"):
        await client.files.create(file=("a.png", PNG), **options)
    with pytest.raises(openai.UnprocessableEntityError, match="expires_after"):
        await client.files.create(
            file=("a.png", PNG), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
    assert (await client.files.list()).data == []


async def test_what_is_no_form_is_refused(service: Service, client: AsyncOpenAI) -> None:
    for content, headers in ((b"{}", {"content-type": "application/json"}), (b"", {}), (b"x", {})):
        answer = await service.client.post("/v1/files", content=content, headers=headers)
        assert (answer.status_code, openai_error(answer.json())["code"]) == (422, "invalid_request")
    answer = await service.client.post("/v1/files", files={"purpose": (None, "user_data")})
    assert (answer.status_code, openai_error(answer.json())["code"]) == (422, "invalid_request")
    assert (await client.files.list()).data == []
    answer = await service.client.post("/v1/files", files={"file": ("a.txt", NOTES)}, data={"purpose": "user_data"})
    assert answer.status_code == 200, answer.text
