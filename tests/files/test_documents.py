"""Documents of other programs become text: all of it is taken, or listed as left out."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatkeep.files.jobs import MAX_TEXT_BYTES, Answer
from chatkeep.files.media_types import DOCX, HTML, PPTX, XLSX
from chatkeep.files.office import NEEDS_EXTRA
from chatkeep.files.office_parts import MAX_UNPACKED_BYTES
from chatkeep.files.reader import FileReader
from tests.office import FULL_HTML, added, docx, full_docx, full_pptx, full_xlsx, package, paragraph, pptx, workbook
from tests.samples import picture

pytestmark = pytest.mark.anyio

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY j SYSTEM "file:///etc/passwd">'


@pytest.fixture
async def reader() -> AsyncGenerator[FileReader]:
    reader = FileReader()
    yield reader
    await reader.close()


async def read(reader: FileReader, media_type: str, content: bytes) -> Answer:
    async def load() -> bytes:
        return content

    return await reader.do("document", media_type, load)


@pytest.mark.parametrize(
    ("media_type", "content", "taken", "left_out"),
    [
        (
            DOCX, full_docx(),
            ["# A heading", "A paragraph", "| cell 1 | cell 2 |", "a footnote", "an endnote", "a comment"],
            ["text that is marked as deleted", "1 element oMath (not read)", "2 header or footers", "1 picture",
             "1 sound or film", "1 embedded file", "1 chart", "1 diagram", "1 program (no text is made of such parts)",
             "word/odd thing.xml (parts of no known kind)"],
        ),
        (
            XLSX, full_xlsx(),
            ["[Sheet Prices]", 'name,"a, b",1.5,,True', "=1+1", "[Sheet Secret, hidden]", "hidden value"],
            ["1 picture", "2 charts", "1 drawing", "1 part with comments", "1 pivot table", "1 table of a pivot",
             "1 copy of another workbook", "1 set of connections (no text is made of such parts)",
             "xl/odd.xml (parts of no known kind)"],
        ),
        (
            PPTX, full_pptx(),
            ["[Slide 1]", "A title", "in a group", "cell 1 | cell 2", "Notes: to be said"],
            ["1 picture", "1 chart", "1 diagram", "1 sound or film", "1 embedded file",
             "1 part with comments (no text is made of such parts)", "ppt/odd.xml (parts of no known kind)"],
        ),
        (
            HTML, FULL_HTML,
            ["A title", "# A heading", "Some **words**", "| cell 1 | cell 2 |", "[Picture: a cat]"],
            [f"1 {kind} (no text is made of such)" for kind in
             ("picture", "script", "style sheet", "frame", "sound or film", "form field", "template")]
            + ["1 comment of the source"],
        ),
    ],
)  # fmt: skip
async def test_all_is_taken_or_listed(
    reader: FileReader, media_type: str, content: bytes, taken: list[str], left_out: list[str]
) -> None:
    answer = await read(reader, media_type, content)
    lines = "\n".join(answer.texts).splitlines()
    assert (answer.problem, sorted(answer.left_out)) == (None, sorted(left_out))
    assert [text for text in taken if not any(text in line for line in lines)] == []
    assert not {"gone", "head", "foot", "alert(1)", "hidden"} & set(lines)


async def test_what_passes_the_bound_is_listed(reader: FileReader) -> None:
    too_long = f"(the text is longer than {MAX_TEXT_BYTES:,} bytes)"
    answer = await read(reader, PPTX, pptx(["x" * (MAX_TEXT_BYTES // 2)] * 3))
    assert answer.left_out == [f"the slides from 2 to 3 {too_long}"]
    answer = await read(reader, DOCX, docx(paragraph("word " * MAX_TEXT_BYTES)))
    assert answer.left_out == [f"all after the first {MAX_TEXT_BYTES:,} characters {too_long}"]
    rows = "".join(f"<row><c><v>{number}</v></c></row>" for number in range(100_000))
    answer = await read(reader, XLSX, workbook(rows))
    assert answer.left_out == [f"the sheet “Big” from row {len(answer.texts):,} on {too_long}"]
    assert sum(map(len, answer.texts)) <= MAX_TEXT_BYTES


async def test_a_million_rows_are_read_up_to_the_bound(reader: FileReader) -> None:
    rows = "<row><c><v>1234</v></c><c t='inlineStr'><is><t>words</t></is></c></row>" * 1_000_000
    answer = await read(reader, XLSX, workbook(rows))
    assert answer.problem is None
    assert answer.texts[1] == "1234,words"
    assert "from row" in answer.left_out[0]


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (DOCX, docx(paragraph("&j;"), prolog=BOMB + "]>")),
        (DOCX, docx(paragraph("&j;"), prolog=OUTSIDE + "]>")),
        (DOCX, docx(paragraph("&j;"), prolog=f"<!--{' ' * 5_000}-->{OUTSIDE}]>")),
        (XLSX, workbook("<row><c t='inlineStr'><is><t>&j;</t></is></c></row>", prolog=f"<!--{' ' * 5_000}-->{BOMB}]>")),
        (XLSX, workbook("<row><c t='inlineStr'><is><t>&j;</t></is></c></row>", prolog=OUTSIDE + "]>")),
        (XLSX, workbook("<row r='99999999999'><c><v>1</v></c></row>")),
        (PPTX, added(pptx(["x"]), {"ppt/slides/slide2.xml": BOMB + "]><x>&j;</x>"})),
        (DOCX, docx("<w:p>" * 5_000 + "</w:p>" * 5_000)),
        (HTML, b"<div>" * 5_000),
        (HTML, b"<table><tr><td>" * 2_000),
        (XLSX, package({"xl/workbook.xml": b"no xml"})),
        (PPTX, b"PK\x03\x04 and no more"),
        (DOCX, picture()),
        (DOCX, full_docx()[:-200]),
    ],
    ids=map(str, range(14)),  # not the bytes
)
async def test_a_hostile_document_harms_itself_alone(reader: FileReader, media_type: str, content: bytes) -> None:
    answer = await read(reader, media_type, content)
    said = "\n".join((answer.problem or "", *answer.texts, *answer.left_out))
    assert "aaaaaaaaaa" * 100 not in said
    assert "root:" not in said
    assert len(said.encode()) < 2 * MAX_TEXT_BYTES
    assert (await read(reader, DOCX, docx(paragraph("fine")))).texts == ["fine"]


async def test_a_lying_archive_gives_no_more_than_it_says(reader: FileReader) -> None:
    """The sizes in an archive's list are the client's to choose."""
    content = docx(paragraph("x" * 1_000_000))
    size = len(paragraph("x" * 1_000_000)).to_bytes(4, "little")[1:]
    answer = await read(reader, DOCX, content.replace(size, b"\x00" * 3))
    assert answer.problem is not None or sum(map(len, answer.texts)) <= MAX_TEXT_BYTES


async def test_a_bomb_is_measured_and_not_unpacked(reader: FileReader) -> None:
    answer = await read(reader, DOCX, docx("x", {"word/media/zero.png": bytes(MAX_UNPACKED_BYTES)}))
    assert answer.problem == f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes"


async def test_without_the_libraries_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mammoth", "bs4", "openpyxl", "pptx"):
        module = f"raise ModuleNotFoundError({name!r})"
        await asyncio.to_thread((tmp_path / f"{name}.py").write_text, module)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2] / 'src'}")
    reader = FileReader()
    for media_type, content in ((DOCX, full_docx()), (XLSX, full_xlsx()), (PPTX, full_pptx()), (HTML, FULL_HTML)):
        assert (await read(reader, media_type, content)).problem == NEEDS_EXTRA
    await reader.close()
