"""Files over HTTP: brought in two ways, read in parts, kept once, and never run by a browser."""

import asyncio
import math
from typing import Any

import httpx2
import pytest

from chatkeep.chat.people import LOCAL_USER
from chatkeep.chat.types import File
from chatkeep.db import Transaction
from chatkeep.runs.file_sweeping import sweep_files
from tests.api.shapes import NO_UUIDS, TIME, UNKNOWN, UUID7, problem
from tests.s3 import list_names
from tests.samples import encrypted_pdf, pdf, picture, turned_photo
from tests.script import Script
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

BYTES = bytes(range(256)) * 3_000
"""Three chunks of the database that are no text."""
FILES = ["files", "pieces", "message_files"]


async def bring(service: Service, content: bytes, name: str = "a.bin", media_type: str = "") -> dict[str, Any]:
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-type": media_type or "x/x"}
    answer = await service.client.post("/api/files", content=content, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


@pytest.fixture
def file_place(each_place: dict[str, Any]) -> dict[str, Any]:
    return each_place


def count_pieces(service: Service, content: bytes) -> int:
    """Return how many pieces a file has where the service keeps it."""
    return math.ceil(len(content) / service.runtime.file_bytes.piece_bytes)


async def count_rows(service: Service) -> dict[str, int]:
    """Return how many files, pieces of files, and references there are."""

    async def read(tx: Transaction) -> dict[str, int]:
        return {
            "files": len(await tx.all("SELECT id FROM files")),
            "pieces": len(await tx.all("SELECT number FROM file_chunks")),
            "message_files": len(await tx.all("SELECT file_id FROM message_files")),
        }

    counts = await service.runtime.db.snapshot(read)
    if url := service.runtime.settings.files_url:
        counts["pieces"] += len(await list_names(url))
    return counts


async def test_a_file_comes_as_a_body(service: Service) -> None:
    headers = {"content-type": "image/png", "content-disposition": "attachment; filename*=UTF-8''%C3%BCb.png"}
    answer = await service.client.post("/api/files", content=picture(), headers=headers)
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert set(file) == set(File.__struct_fields__)
    assert UUID7.fullmatch(file["id"])
    assert TIME.fullmatch(file["created_at"])
    assert answer.headers["location"] == f"/api/files/{file['id']}"
    assert (file["name"], file["media_type"], file["bytes"]) == ("üb.png", "image/png", len(picture()))
    assert (file["width"], file["height"], file["pages"]) == (40, 30, None)
    assert (await service.client.get(answer.headers["location"])).json() == file


async def test_a_file_comes_in_a_form(service: Service) -> None:
    form = {"file": ("übung.txt", b"hello", "text/plain")}
    answer = await service.client.post("/api/files", files=form)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["name"], answer.json()["media_type"]) == ("übung.txt", "text/plain")
    content = await service.client.get(f"/api/files/{answer.json()['id']}/content")
    assert content.content == b"hello"


@pytest.mark.parametrize(
    ("content", "media_type", "pages"),
    [(pdf(["a", "b"]), "application/pdf", 2), (encrypted_pdf(), "application/pdf", None), (b"{}", "text/plain", None)],
)
async def test_what_a_file_is_stands_in_it(
    service: Service, content: bytes, media_type: str, pages: int | None
) -> None:
    file = await bring(service, content)
    assert (file["media_type"], file["pages"]) == (media_type, pages)


async def test_a_photo_has_the_size_in_which_it_is_shown(service: Service) -> None:
    file = await bring(service, turned_photo())
    assert (file["width"], file["height"]) == (40, 80)


async def test_the_same_bytes_are_one_file(service: Service) -> None:
    first = await bring(service, BYTES, "first.bin")
    answer = await service.client.post("/api/files", files={"file": ("second.bin", BYTES)})
    assert (answer.status_code, answer.json()) == (200, first)
    both = await asyncio.gather(*(bring(service, BYTES + b"x") for _ in range(3)))
    assert len({each["id"] for each in both}) == 1
    await sweep_files(service.runtime)
    pieces = count_pieces(service, BYTES) + count_pieces(service, BYTES + b"x")
    assert await count_rows(service) == {"files": 2, "pieces": pieces, "message_files": 0}


@pytest.mark.parametrize(("pieces", "more"), [(0, 1), (1, -1), (1, 0), (1, 1), (2, 0)])
async def test_bytes_come_back_as_they_were(service: Service, pieces: int, more: int) -> None:
    size = pieces * service.runtime.file_bytes.piece_bytes + more
    content = (BYTES * 3)[:size]
    file = await bring(service, content)
    answer = await service.client.get(f"/api/files/{file['id']}/content")
    assert answer.content == content
    assert answer.headers["content-length"] == str(size)
    head = await service.client.head(f"/api/files/{file['id']}/content")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")


SIZE = len(BYTES)


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=-5", SIZE - 5, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
        (f"bytes=10-{SIZE * 2}", 10, SIZE),
    ],
)
async def test_a_part_is_read(service: Service, wanted: str, begin: int, end: int) -> None:
    file = await bring(service, BYTES)
    answer = await service.client.get(f"/api/files/{file['id']}/content", headers={"range": wanted})
    assert answer.status_code == 206
    assert answer.content == BYTES[begin:end]
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{SIZE}"


async def test_a_range_that_is_none_does_not_count(service: Service) -> None:
    path = f"/api/files/{(await bring(service, BYTES))['id']}/content"
    for wanted in ("bytes=5-1", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "x", f"bytes={'9' * 30}-"):
        answer = await service.client.get(path, headers={"range": wanted})
        assert (answer.status_code, len(answer.content)) == (200, SIZE), wanted
    answer = await service.client.get(path, headers={"range": f"bytes={SIZE}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert (await service.client.get(path, headers={"range": "bytes=-0"})).status_code == 416


async def test_a_client_that_has_a_file_gets_it_no_more(service: Service) -> None:
    path = f"/api/files/{(await bring(service, BYTES))['id']}/content"
    etag = (await service.client.get(path)).headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = await service.client.get(path, headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await service.client.get(path, headers={"if-none-match": '"other"'})).status_code == 200
    for if_range, status in ((etag, 206), ('"other"', 200)):
        answer = await service.client.get(path, headers={"range": "bytes=0-0", "if-range": if_range})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("content", "name", "disposition"),
    [
        (picture(), "a.png", "inline"),
        (b"plain text", "a.txt", "inline"),
        (b"<!doctype html><script>alert(1)</script>", "a.html", "attachment"),
        (b"<script>alert(1)</script>", "a.png", "attachment"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "a.svg", "attachment"),
        (pdf(["x"]), "a.pdf", "attachment"),
        (BYTES, "a.exe", "attachment"),
    ],
)
async def test_a_browser_runs_no_file(service: Service, content: bytes, name: str, disposition: str) -> None:
    file = await bring(service, content, name)
    headers = (await service.client.get(f"/api/files/{file['id']}/content")).headers
    assert headers["content-disposition"] == f'{disposition}; filename="{name}"'
    assert headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-cache"


async def test_thumbnails_are_made_of_pictures_and_documents(service: Service) -> None:
    for content in (picture(size=(800, 400)), pdf(["page"])):
        path = f"/api/files/{(await bring(service, content))['id']}/thumbnail"
        answer = await service.client.get(path, params={"size": 64})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg"
        known = {"if-none-match": answer.headers["etag"]}
        assert (await service.client.get(path, params={"size": 64}, headers=known)).status_code == 304
        for size in (15, 1025, "x"):
            problem(await service.client.get(path, params={"size": size}), 422, "invalid_request", "errors")
    for content in (b"text", encrypted_pdf(), BYTES):
        path = f"/api/files/{(await bring(service, content))['id']}/thumbnail"
        problem(await service.client.get(path), 404, "not_found")


async def test_a_deleted_file_is_gone_with_its_bytes(service: Service) -> None:
    file = await bring(service, BYTES)
    assert (await service.client.delete(f"/api/files/{file['id']}")).status_code == 204
    for path in ("", "/content", "/thumbnail"):
        problem(await service.client.get(f"/api/files/{file['id']}{path}"), 404, "not_found")
    problem(await service.client.delete(f"/api/files/{file['id']}"), 404, "not_found")
    await sweep_files(service.runtime)
    assert await count_rows(service) == dict.fromkeys(FILES, 0)
    assert (await bring(service, BYTES))["id"] != file["id"]


async def test_another_owner_s_file_is_not_found(service: Service) -> None:
    file = await bring(service, picture())

    async def give_away(tx: Transaction) -> None:
        await tx.run("UPDATE file_chunks SET number = number + 1000")
        await tx.run(
            """INSERT INTO files (owner, id, sha256, bytes, media_type, name, created_at, unused_since)
               SELECT 'another owner', id, sha256, bytes, media_type, name, created_at, unused_since FROM files"""
        )
        await tx.run("DELETE FROM file_chunks")
        await tx.run("DELETE FROM files WHERE owner = $1", LOCAL_USER)

    await service.runtime.db.transaction(give_away)
    for file_id in (file["id"], UNKNOWN, *NO_UUIDS[:3]):
        for path in ("", "/content", "/thumbnail"):
            problem(await service.client.get(f"/api/files/{file_id}{path}"), 404, "not_found")
        problem(await service.client.delete(f"/api/files/{file_id}"), 404, "not_found")
    own = await bring(service, picture())
    assert own["id"] != file["id"]


async def test_an_unused_file_lives_for_its_grace(database: str, script: Script, file_place: dict[str, Any]) -> None:
    async with serving(settings(database, files_grace=3600, **file_place), script) as service:
        file = await bring(service, BYTES)
        await sweep_files(service.runtime)
        assert (await service.client.get(f"/api/files/{file['id']}")).status_code == 200

        async def age(tx: Transaction) -> None:
            await tx.run("UPDATE files SET unused_since = $1", "2026-01-01T00:00:00.000000Z")

        await service.runtime.db.transaction(age)
        assert (await bring(service, BYTES))["id"] == file["id"]  # which begins its time anew
        await sweep_files(service.runtime)
        assert (await service.client.get(f"/api/files/{file['id']}")).status_code == 200
        await service.runtime.db.transaction(age)
        await sweep_files(service.runtime)
        problem(await service.client.get(f"/api/files/{file['id']}"), 404, "not_found")
        assert await count_rows(service) == dict.fromkeys(FILES, 0)


async def test_two_processes_have_the_same_files(database: str, script: Script, file_place: dict[str, Any]) -> None:
    used = settings(database, **file_place)
    async with serving(used, script) as first, serving(used, script) as second:
        both = await asyncio.gather(*(bring(each, BYTES * 2) for each in (first, second, first, second)))
        (file_id,) = {each["id"] for each in both}
        for each in (first, second):
            assert (await each.client.get(f"/api/files/{file_id}/content")).content == BYTES * 2
        await asyncio.gather(sweep_files(first.runtime), sweep_files(second.runtime))
        assert (await count_rows(first))["pieces"] == count_pieces(first, BYTES * 2)
        assert (await first.client.delete(f"/api/files/{file_id}")).status_code == 204
        problem(await second.client.get(f"/api/files/{file_id}/content"), 404, "not_found")
        await asyncio.gather(sweep_files(first.runtime), sweep_files(second.runtime))
        assert await count_rows(second) == dict.fromkeys(FILES, 0)


async def test_another_site_s_form_brings_no_file(service: Service) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://example.org"}):
        answer: httpx2.Response = await service.client.post("/api/files", files={"file": b"x"}, headers=headers)
        problem(answer, 403, "cross_site")
    assert await count_rows(service) == dict.fromkeys(FILES, 0)
