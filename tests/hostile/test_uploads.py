"""Uploads that are wrong, too large, or break off: a clear answer, and nothing of them stays."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from chatkeep.runs.file_sweeping import sweep_files
from tests.api.shapes import problem
from tests.api.test_files import FILES, count_pieces, count_rows
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def file_place(each_place: dict[str, Any]) -> dict[str, Any]:
    return each_place


FORM = {"content-type": "multipart/form-data; boundary=B"}
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
FIELD = b'--B\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
END = b"--B--\r\n"
HEAD = b"POST /api/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"", FORM),
        (FIELD + END, FORM),
        (FILE + FILE + END, FORM),
        (FILE, FORM),
        (FILE[:-9], FORM),
        (FIELD * 9 + FILE + END, FORM),
        (FIELD.replace(b"value", b"v" * 66_000) + FILE + END, FORM),
        (b"no form at all", FORM),
        (FILE + END, {"content-type": "multipart/form-data"}),
        (FILE + END, {"content-type": "multipart/form-data; boundary=" + "b" * 1_000}),
        (b'--B\r\nContent-Disposition: form-data; filename="e"\r\n\r\n\r\n' + END, FORM),
        (b"text", {"content-type": "image/png"}),
        (b"<svg/>", {"content-type": "image/png"}),
        (b"text", {"content-type": "application/pdf"}),
    ],
)
async def test_a_wrong_upload_is_refused(service: Service, body: bytes, headers: dict[str, str]) -> None:
    problem(await service.client.post("/api/files", content=body, headers=headers), 422, "invalid_request")
    await sweep_files(service.runtime)
    assert await count_rows(service) == dict.fromkeys(FILES, 0)


async def test_a_field_beside_the_file_does_not_matter(service: Service) -> None:
    answer = await service.client.post("/api/files", content=FIELD + FILE + FIELD + END, headers=FORM)
    assert (answer.status_code, answer.json()["name"], answer.json()["bytes"]) == (201, "a.txt", 5)


@pytest.mark.parametrize("is_form", [False, True])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_file_has_a_largest_size(
    database: str, script: Script, file_place: dict[str, Any], is_form: bool, is_chunked: bool
) -> None:
    async with serving(settings(database, max_file_bytes=600_000, **file_place), script) as service:
        for size, status in ((600_000, 201), (600_001, 413), (900_000, 413)):
            content = b"\xff" * size
            body = FILE.replace(b"hello", content) + END if is_form else content

            async def pieces(body: bytes = body) -> AsyncGenerator[bytes]:
                yield body

            answer = await service.client.post(
                "/api/files", content=pieces() if is_chunked else body, headers=FORM if is_form else {}
            )
            assert answer.status_code == status, answer.text
            if status == 413:
                problem(answer, 413, "body_too_large")
        await sweep_files(service.runtime)
        expected = count_pieces(service, b"x" * 600_000)
        assert await count_rows(service) == {"files": 1, "pieces": expected, "message_files": 0}


async def test_other_requests_keep_their_rules(service: Service) -> None:
    for path in ("/api/files/", "/api/sessions", "/api/filesystem"):
        answer = await service.client.post(path, content=b"x", headers={"content-type": "text/plain"})
        assert answer.status_code in (404, 415), path


async def test_an_upload_that_breaks_off_leaves_nothing(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
    writer.write(HEAD + b"\xff" * 1_200_000)
    await writer.drain()
    async with asyncio.timeout(30):
        while (await count_rows(service))["pieces"] < 1_200_000 // service.runtime.file_bytes.piece_bytes:
            await asyncio.sleep(0.005)
        writer.transport.abort()
        while any((await count_rows(service)).values()):
            await sweep_files(service.runtime)
            await asyncio.sleep(0.005)
    assert await reader.read() == b""
