"""Files are read in a process apart: right, within its limits, and whatever they are."""

import asyncio
import io
import struct
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from PIL import Image

from chatkeep.files.child import UNREADABLE
from chatkeep.files.jobs import MAX_PAGE_PICTURES, MAX_PAGES, MAX_PICTURE_EDGE, MAX_TEXT_BYTES, Answer, JobKind
from chatkeep.files.reader import FileReader
from tests.samples import MAKE, ORIENTATION, encrypted_pdf, pdf, picture, turned_photo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reader() -> AsyncGenerator[FileReader]:
    reader = FileReader()
    yield reader
    await reader.close()


async def do(reader: FileReader, kind: JobKind, media_type: str, content: bytes, edge: int = 64) -> Answer:
    async def load() -> bytes:
        return content

    return await reader.do(kind, media_type, load, edge)


def opened(answer: Answer) -> Image.Image:
    assert answer.problem is None
    return Image.open(io.BytesIO(answer.pictures[0]))


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
async def test_a_picture_s_size_and_type_are_found(reader: FileReader, format_: str) -> None:
    answer = await do(reader, "inspect", "image/png", picture(format_))
    assert (answer.problem, answer.width, answer.height) == (None, 40, 30)
    assert answer.media_type == f"image/{format_.lower()}"


async def test_a_photo_is_turned_and_says_nothing_of_its_camera(reader: FileReader) -> None:
    content = turned_photo()
    answer = await do(reader, "inspect", "image/jpeg", content)
    assert (answer.width, answer.height) == (40, 80)
    image = opened(await do(reader, "picture", "image/jpeg", content))
    assert image.size == (32, 64)
    assert not {ORIENTATION, MAKE} & set(image.getexif())
    assert b"Camera" not in (await do(reader, "picture", "image/jpeg", content)).pictures[0]


async def test_a_picture_is_scaled_and_never_enlarged(reader: FileReader) -> None:
    image = opened(await do(reader, "picture", "image/png", picture(size=(4000, 1000)), MAX_PICTURE_EDGE))
    assert image.size == (1568, 392)
    assert opened(await do(reader, "thumbnail", "image/png", picture(), 256)).size == (40, 30)


@pytest.mark.parametrize(("mode", "format_"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGB", "JPEG"), ("L", "JPEG")])
async def test_a_transparent_picture_stays_so(reader: FileReader, mode: str, format_: str) -> None:
    answer = await do(reader, "picture", "image/png", picture(mode=mode, color="white"))
    assert opened(answer).format == format_
    assert answer.media_type == f"image/{format_.lower()}"


def bomb(edge: int) -> bytes:
    """A PNG of a few bytes that promises so many pixels, squared."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


async def test_a_bomb_is_measured_and_not_decoded(reader: FileReader) -> None:
    answer = await do(reader, "inspect", "image/png", bomb(100_000))
    assert (answer.width, answer.height) == (100_000, 100_000)
    answer = await do(reader, "picture", "image/png", bomb(100_000))
    assert answer.problem is not None
    assert "pixels" in answer.problem


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a/*", picture()[:60], bytes(1000), b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (r) file"]
)
async def test_what_is_no_picture_is_told(reader: FileReader, content: bytes) -> None:
    assert (await do(reader, "picture", "image/png", content)).problem is not None


async def test_a_document_is_read_page_by_page(reader: FileReader) -> None:
    content = pdf(["First page", "", "Third page"])
    assert (await do(reader, "inspect", "application/pdf", content)).pages == 3
    answer = await do(reader, "document", "application/pdf", content)
    assert answer.texts == ["First page", "", "Third page"]
    assert answer.picture_pages == [2]
    assert opened(answer).size == (MAX_PICTURE_EDGE, MAX_PICTURE_EDGE // 2)
    assert opened(await do(reader, "thumbnail", "application/pdf", content, 100)).size == (100, 50)


async def test_a_long_document_is_read_up_to_a_bound(reader: FileReader) -> None:
    content = pdf(["word " * 2_000] * 60, font_size=0.01)
    answer = await do(reader, "document", "application/pdf", content)
    assert answer.pages == 60
    assert 0 < len(answer.texts) < 60
    assert sum(map(len, answer.texts)) <= MAX_TEXT_BYTES


async def test_of_very_many_pages_the_first_are_read(reader: FileReader) -> None:
    answer = await do(reader, "document", "application/pdf", pdf([""] * (MAX_PAGES + 5)))
    assert (answer.problem, answer.pages, len(answer.texts)) == (None, MAX_PAGES + 5, MAX_PAGES)
    assert len(answer.pictures) == MAX_PAGE_PICTURES


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (encrypted_pdf(), "the PDF is encrypted"),
        (b"%PDF-1.4 and no more", "the PDF is damaged"),
        (pdf(["x"])[:80], "the PDF is damaged"),
        (pdf([]), "the PDF is damaged"),
    ],
)
async def test_why_a_document_cannot_be_read_is_told(reader: FileReader, content: bytes, problem: str) -> None:
    for kind in ("inspect", "document", "thumbnail"):
        assert (await do(reader, kind, "application/pdf", content)).problem == problem


async def test_a_file_that_is_too_much_harms_itself_alone(reader: FileReader) -> None:
    huge_page = pdf(["x"]).replace(b"[0 0 400 200]", b"[0 0 4e9 1.]")
    answer = await do(reader, "thumbnail", "application/pdf", huge_page, 1024)
    assert answer.problem is not None or answer.pictures
    memory = await do(reader, "picture", "image/bmp", picture("BMP", (3000, 3000)))
    assert memory.problem in (None, UNREADABLE, "it cannot be read (MemoryError)")
    assert (await do(reader, "inspect", "image/png", picture())).width == 40


async def test_a_process_that_dies_is_replaced(reader: FileReader) -> None:
    await do(reader, "inspect", "image/png", picture())
    (process,) = reader._idle  # pyright: ignore[reportPrivateUsage]  # the process itself
    process.kill()
    await process.wait()
    assert (await do(reader, "inspect", "image/png", picture())).width == 40


async def test_a_cancelled_job_leaves_nothing_behind(reader: FileReader) -> None:
    task = asyncio.create_task(do(reader, "picture", "image/png", picture(size=(2000, 2000))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await do(reader, "inspect", "image/png", picture())).width == 40


async def test_the_process_gets_no_keys(reader: FileReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    await do(reader, "inspect", "image/png", picture())
    (process,) = reader._idle  # pyright: ignore[reportPrivateUsage]  # the process itself
    environment = Path(f"/proc/{process.pid}/environ")
    if await asyncio.to_thread(environment.exists):  # Linux
        assert b"sk-secret" not in await asyncio.to_thread(environment.read_bytes)
