"""Uploads that are wrong, too large, or break off: a clear answer, and nothing of them stays."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatkeep.runs.file_sweeping import sweep_files
from tests.api.shapes import problem
from tests.api.test_files import FILES, count_rows
from tests.faults.outside_queries import query_sqlite
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

FORM = {"content-type": "multipart/form-data; boundary=B"}
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
FIELD = b'--B\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
END = b"--B--\r\n"


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
async def test_a_file_has_a_largest_size(database: str, script: Script, is_form: bool, is_chunked: bool) -> None:
    async with serving(settings(database, max_file_bytes=600_000), script) as service:
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
        assert await count_rows(service) == {"files": 1, "file_chunks": 3, "message_files": 0}


async def test_other_requests_keep_their_rules(service: Service) -> None:
    for path in ("/api/files/", "/api/sessions", "/api/filesystem"):
        answer = await service.client.post(path, content=b"x", headers={"content-type": "text/plain"})
        assert answer.status_code in (404, 415), path


async def test_an_upload_that_breaks_off_leaves_nothing(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
    writer.write(b"POST /api/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + b"\xff" * 900_000)
    await writer.drain()
    async with asyncio.timeout(30):
        while (await count_rows(service))["file_chunks"] < 3:
            await asyncio.sleep(0.005)
        writer.transport.abort()
        while any((await count_rows(service)).values()):
            await sweep_files(service.runtime)
            await asyncio.sleep(0.005)
    assert await reader.read() == b""


async def test_a_process_that_dies_leaves_no_half_a_file(tmp_path: Path) -> None:
    """What it leaves is found by no read, and swept in its time: here at the next start, as the grace is short."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
    file = tmp_path / "t.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep", "serve", "--port", "0"),
        cwd=tmp_path,
        env={**inherited, "CHATKEEP_DATABASE_URL": f"sqlite:///{file}"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int((await process.stdout.readline()).decode().rpartition(":")[2].strip(" /\n"))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + b"\xff" * 900_000)
    await writer.drain()
    async with asyncio.timeout(60):
        while True:
            with query_sqlite(file) as query:
                if len(query("SELECT number FROM file_chunks")) == 3:
                    break
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    writer.close()
    with query_sqlite(file) as query:
        assert query("SELECT id FROM files WHERE media_type IS NOT NULL") == []
    async with serving(settings(f"sqlite:///{file}", files_grace=0.01), Script()) as service, asyncio.timeout(60):
        while any((await count_rows(service)).values()):
            await sweep_files(service.runtime)
            await asyncio.sleep(0.005)
