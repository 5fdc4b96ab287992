"""Documents of Word, Excel and PowerPoint, and pages of the web, made here: with one of every kind in them."""

import io
from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches

from tests.samples import picture

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def package(parts: Mapping[str, str | bytes]) -> bytes:
    """An archive with these parts."""
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def added(content: bytes, parts: Mapping[str, str | bytes]) -> bytes:
    """A document with more parts."""
    out = io.BytesIO(content)
    with ZipFile(out, "a", ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of Word."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, parts: Mapping[str, str | bytes] | None = None, prolog: str = "") -> bytes:
    """A document of Word. `body` is its content in XML; `parts` stand beside it."""
    relations = "".join(
        f'<Relationship Id="r{kind}" Type="{_TYPES}/{kind}" Target="{kind}.xml"/>'
        for kind in ("footnotes", "endnotes", "comments")
    )
    head = '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    return package(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": f'{head}<Relationship Id="r" Type="{_TYPES}/officeDocument" Target="word/document.xml"/>'
            "</Relationships>",
            "word/_rels/document.xml.rels": f"{head}{relations}</Relationships>",
            "word/document.xml": f"{prolog}<w:document {_W}><w:body>{body}</w:body></w:document>",
            **(parts or {}),
        }
    )


def notes(kind: str, text: str) -> str:
    """The part with a footnote, an endnote or a comment."""
    return f'<w:{kind}s {_W}><w:{kind} w:id="1">{paragraph(text)}</w:{kind}></w:{kind}s>'


def full_docx() -> bytes:
    """A document of Word with one of every kind."""
    body = (
        paragraph("A heading", "Heading1")
        + '<w:p><w:r><w:t>A paragraph</w:t></w:r><w:r><w:footnoteReference w:id="1"/></w:r>'
        '<w:r><w:endnoteReference w:id="1"/></w:r><w:r><w:commentReference w:id="1"/></w:r></w:p>'
        f"<w:tbl><w:tr><w:tc>{paragraph('cell 1')}</w:tc><w:tc>{paragraph('cell 2')}</w:tc></w:tr></w:tbl>"
        '<w:p><w:del w:id="9"><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>'
        '<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"/></w:p>'
    )
    return docx(
        body,
        {
            "word/footnotes.xml": notes("footnote", "a footnote"),
            "word/endnotes.xml": notes("endnote", "an endnote"),
            "word/comments.xml": notes("comment", "a comment"),
            "word/styles.xml": f"<w:styles {_W}/>",
            "word/header1.xml": f"<w:hdr {_W}>{paragraph('head')}</w:hdr>",
            "word/footer1.xml": f"<w:ftr {_W}>{paragraph('foot')}</w:ftr>",
            "word/media/image1.png": picture(),
            "word/media/film.mp4": b"film",
            "word/embeddings/book.xlsx": b"book",
            "word/charts/chart1.xml": "<c/>",
            "word/diagrams/data1.xml": "<d/>",
            "word/vbaProject.bin": b"program",
            "word/odd thing.xml": "<odd/>",
            "docProps/core.xml": "<p/>",
        },
    )


def full_xlsx() -> bytes:
    """A workbook with a value of every kind, a hidden sheet, and one of every part."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None, "a new workbook has one"
    sheet.title = "Prices"
    sheet.append(["name", "a, b", 1.5, None, True])
    sheet.append([])
    sheet.append(["=1+1"])
    hidden = book.create_sheet("Secret")
    hidden.append(["hidden value"])
    hidden.sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return added(
        out.getvalue(),
        {
            "xl/media/image1.png": picture(),
            "xl/charts/chart1.xml": "<c/>",
            "xl/chartsheets/sheet1.xml": "<c/>",
            "xl/drawings/drawing1.xml": "<d/>",
            "xl/comments1.xml": "<c/>",
            "xl/pivotTables/pivotTable1.xml": "<p/>",
            "xl/pivotCache/pivotCacheRecords1.xml": "<p/>",
            "xl/externalLinks/externalLink1.xml": "<e/>",
            "xl/connections.xml": "<c/>",
            "xl/odd.xml": "<o/>",
        },
    )


def pptx(texts: list[str]) -> bytes:
    """A presentation with a slide for each text, whose title it is."""
    presentation = Presentation()
    for text in texts:
        title = presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title
        assert title is not None, "the layout has one"
        title.text = text
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


def full_pptx() -> bytes:
    """A presentation with one of every kind."""
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    assert slide.shapes.title is not None, "the layout has one"
    slide.shapes.title.text = "A title"
    box = slide.shapes.add_group_shape().shapes.add_textbox(*[Inches(1)] * 4)
    box.text_frame.text = "in a group"
    table = slide.shapes.add_table(1, 2, *[Inches(1)] * 4).table
    table.cell(0, 0).text, table.cell(0, 1).text = "cell 1", "cell 2"
    slide.shapes.add_picture(io.BytesIO(picture()), Inches(1), Inches(1))
    notes_frame = slide.notes_slide.notes_text_frame
    assert notes_frame is not None, "new notes have one"
    notes_frame.text = "to be said"
    out = io.BytesIO()
    presentation.save(out)
    return added(
        out.getvalue(),
        {
            "ppt/charts/chart1.xml": "<c/>",
            "ppt/diagrams/data1.xml": "<d/>",
            "ppt/media/film.mp4": b"film",
            "ppt/embeddings/sheet.xlsx": b"book",
            "ppt/comments/comment1.xml": "<c/>",
            "ppt/odd.xml": "<o/>",
        },
    )


FULL_HTML = b"""<!doctype html><title>A title</title><style>b{}</style><h1>A heading</h1><!-- hidden -->
<p>Some <b>words</b></p><table><tr><td>cell 1<td>cell 2</table><script>alert(1)</script><img alt="a cat" src="data:x">
<iframe src="/x"></iframe><video></video><input value="x"><template>t</template>"""


def workbook(rows: str, parts: Mapping[str, str | bytes] | None = None, prolog: str = "") -> bytes:
    """A workbook with one sheet. `rows` are its rows in XML."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006"
    head = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return package(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
            "_rels/.rels": f'{head}<Relationship Id="r" Type="{_TYPES}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
            "xl/_rels/workbook.xml.rels": f'{head}<Relationship Id="s" Type="{_TYPES}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}/main" xmlns:r="{_TYPES}"><sheets>'
            '<sheet name="Big" sheetId="1" r:id="s"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'{prolog}<worksheet xmlns="{main}/main"><dimension ref="A1:XFD1048576"/>'
            f"<sheetData>{rows}</sheetData></worksheet>",
            **(parts or {}),
        }
    )
