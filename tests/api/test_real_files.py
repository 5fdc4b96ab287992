"""Files as people have them, each with its right answer: as what it is stored, and what the model is given of it."""

import io
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from chatkeep.runs.file_sweeping import sweep_files
from tests.api.shapes import problem
from tests.api.test_file_messages import content_of, part
from tests.api.test_files import FILES, bring, count_rows
from tests.samples import ORIENTATION, pdf, picture
from tests.script import Script
from tests.service import Service

pytestmark = pytest.mark.anyio

MAX_BYTES = 20_971_520
SCRIPT = b"<script>alert(document.domain)</script>"


async def prompt_of(service: Service, script: Script, file: dict[str, Any]) -> Any:
    """Send the file, and return what the model was given."""
    await service.send(await service.session(), [part(file)])
    return content_of(script.prompts[0])


def photo(orientation: int) -> bytes:
    """A photo of 60 by 20 pixels, with the note of how the camera was held (EXIF 2.32, tag 274)."""
    exif, out = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (60, 20), "blue").save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_photo_is_as_it_was_held(service: Service, orientation: int) -> None:
    file = await bring(service, photo(orientation), "IMG_0001.JPG")
    size = (20, 60) if orientation >= 5 else (60, 20)
    assert (file["media_type"], (file["width"], file["height"])) == ("image/jpeg", size)
    thumbnail = await service.client.get(f"/api/files/{file['id']}/thumbnail", params={"size": 30})
    assert Image.open(io.BytesIO(thumbnail.content)).size == (size[0] // 2, size[1] // 2)


async def test_a_screenshot_with_transparency(service: Service, script: Script) -> None:
    file = await bring(service, picture("PNG", (2560, 1440), mode="RGBA"), "Screenshot 2026-11-30 at 10.00.00.png")
    assert (file["media_type"], file["width"], file["height"]) == ("image/png", 2560, 1440)
    head, shown = await prompt_of(service, script, file)
    assert head["text"] == "[File: Screenshot 2026-11-30 at 10.00.00.png, image/png, 2560 x 1440 pixels]"
    assert shown["image_url"]["url"].startswith("data:image/png;base64,")


async def test_a_scan_is_shown_as_pictures(service: Service, script: Script) -> None:
    file = await bring(service, pdf(["", "", ""]), "scan.pdf")
    assert file["pages"] == 3
    parts = await prompt_of(service, script, file)
    assert [each["text"] for each in parts if each["type"] == "text"][1:] == ["[Page 1]", "[Page 2]", "[Page 3]"]
    assert sum(each["type"] == "image_url" for each in parts) == 3


async def test_a_document_of_200_pages_is_read_to_its_end(service: Service, script: Script) -> None:
    file = await bring(service, pdf([f"Clause {page}" for page in range(1, 201)]), "contract.pdf")
    assert (file["media_type"], file["pages"]) == ("application/pdf", 200)
    text: str = await prompt_of(service, script, file)
    assert "[Page 200]\nClause 200" in text
    assert text.count("[Page ") == 200


async def test_a_million_cells_are_cut_and_say_so(service: Service, script: Script) -> None:
    content = b"\n".join([b",".join(b"%d" % (row * column) for column in range(1_000)) for row in range(1_000)])
    file = await bring(service, content, "cells.csv", "text/csv")
    assert (file["media_type"], file["bytes"]) == ("text/csv", len(content))
    text: str = await prompt_of(service, script, file)
    head, _, _ = text.partition("\n")
    assert head.endswith(" bytes. Only its first 262,144 characters are shown.]")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("piece", [1, 3, 10_000])
async def test_text_of_windows_in_pieces(service: Service, script: Script, encoding: str, piece: int) -> None:
    content = "\ufeffKlüger 鸡 🐔\r\n".encode(encoding)

    async def pieces() -> AsyncGenerator[bytes]:
        for begin in range(0, len(content), piece):
            yield content[begin : begin + piece]

    headers = {"content-disposition": 'attachment; filename="note.txt"'}
    answer = await service.client.post("/api/files", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["media_type"]) == (201, "text/plain"), answer.text
    assert "\nKlüger 鸡 🐔\n" in await prompt_of(service, script, answer.json())
    assert (await service.client.get(f"/api/files/{answer.json()['id']}/content")).content == content


@pytest.mark.parametrize(
    ("content", "name", "media_type", "disposition"),
    [
        (picture("GIF") + SCRIPT, "a.html", "image/gif", "inline"),
        (picture("JPEG") + b"PK\x03\x04" + bytes(200), "a.zip", "image/jpeg", "inline"),
        (b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)", "a.js", "application/octet-stream", "attachment"),
        (SCRIPT + pdf(["x"]), "a.pdf", "text/html", "attachment"),
        (pdf(["x"]) + SCRIPT, "a.html", "application/pdf", "attachment"),
        (b'<?xml version="1.0"?><svg><script/></svg>', "a.png", "image/svg+xml", "attachment"),
        (b"MZ" + bytes(100), "invoice.pdf", None, "attachment"),
    ],
)  # fmt: skip
async def test_a_polyglot_is_what_its_bytes_begin_with(
    service: Service, content: bytes, name: str, media_type: str | None, disposition: str
) -> None:
    file = await bring(service, content, name)
    assert media_type in (None, file["media_type"])
    headers = (await service.client.get(f"/api/files/{file['id']}/content")).headers
    assert headers["content-disposition"].partition(";")[0] == disposition
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"].partition(";")[0] == file["media_type"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.png", "scan.png"),
        ("annex\u202efdp.exe", "annexfdp.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ("nul\x00.txt", "nul\ufffd.txt"),
        ("ü" * 300 + ".pdf", "ü" * 196 + ".pdf"),
        ('say "hi".txt', 'say "hi".txt'),
        ("😀 鸡.md", "😀 鸡.md"),
        ("CON", "CON"),
        ("..", "file"),
    ],
)
async def test_names_with_every_trap(service: Service, name: str, kept: str) -> None:
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    answer = await service.client.post("/api/files", content=b"text", headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (201, kept), answer.text
    got = await service.client.get(f"/api/files/{answer.json()['id']}/content")
    assert got.headers["content-disposition"].isascii()
    assert "\n" not in got.headers["content-disposition"]


async def test_20_mb_are_taken_and_a_byte_more_is_not(service: Service) -> None:
    body = b"\xff" * (MAX_BYTES + 1)
    problem(await service.client.post("/api/files", content=body), 413, "body_too_large")

    async def pieces() -> AsyncGenerator[bytes]:
        for begin in range(0, len(body), 1_000_000):
            yield body[begin : begin + 1_000_000]

    problem(await service.client.post("/api/files", content=pieces()), 413, "body_too_large")
    problem(await service.client.post("/api/files", content=b""), 422, "invalid_request")
    await sweep_files(service.runtime)
    assert await count_rows(service) == dict.fromkeys(FILES, 0)
    answer = await service.client.post("/api/files", content=body[:-1])
    assert (answer.status_code, answer.json()["bytes"]) == (201, MAX_BYTES)
