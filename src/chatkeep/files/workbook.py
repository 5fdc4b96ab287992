"""Reads workbooks of Excel, with openpyxl, row by row. Runs in the process of `child.py` alone.

A cell is its value as it was last computed. One that was never computed is its formula.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingModuleSource=false
# (openpyxl has no types)

import csv
import io
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

from openpyxl import load_workbook

from chatkeep.files.bounded_texts import TOO_LONG, BoundedTexts
from chatkeep.files.jobs import Answer

_PIECE_BYTES = 1_048_576


def read(content: bytes) -> Answer:
    """Return the sheets of a workbook as CSV (RFC 4180), each after a line with its name. Empty rows are left out."""
    texts = BoundedTexts()
    values = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    formulas = load_workbook(io.BytesIO(content), read_only=True) if _has_formulas(content) else None
    for number, sheet in enumerate(values.worksheets):
        name = " ".join(sheet.title.split())[:100]
        if texts.is_full:
            texts.left_out.append(f"the sheet “{name}” ({TOO_LONG})")
            continue
        rows = _rows(sheet, formulas.worksheets[number] if formulas else None)
        hidden = "" if sheet.sheet_state == "visible" else ", hidden"
        row = _add_sheet(texts, f"[Sheet {name}{hidden}]", rows)
        if row is not None:
            texts.left_out.append(f"the sheet “{name}” from row {row:,} on ({TOO_LONG})")
    return texts.answer()


def _add_sheet(texts: BoundedTexts, head: str, rows: Iterator[list[Any]]) -> int | None:
    """Add a sheet row by row, and return the number of the first row that does not fit; None if all do."""
    if not texts.add(head):
        return 1
    for number, row in enumerate(rows, 1):
        if row and not texts.add(_to_csv(row)):
            return number
    return None


def _rows(sheet: Any, formulas: Any) -> Iterator[list[Any]]:
    """Yield the cells of each row, without the empty ones at its end."""
    sheet.reset_dimensions()  # the file's word for its size may be anything
    if formulas is not None:
        formulas.reset_dimensions()
    others = formulas.iter_rows(values_only=True) if formulas is not None else None
    for row in sheet.iter_rows(values_only=True):
        cells = list(row)
        if others is not None:
            cells = [other if cell is None else cell for cell, other in zip(cells, next(others), strict=True)]
        while cells and cells[-1] is None:
            cells.pop()
        yield cells


def _to_csv(row: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def _has_formulas(content: bytes) -> bool:
    """Return True if a sheet has a formula: then it is read a second time, for those that have no value."""
    with ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/sheet"):
                with archive.open(name) as part:
                    tail = b""
                    while piece := part.read(_PIECE_BYTES):
                        if b"</f>" in tail + piece:
                            return True
                        tail = piece[-3:]
    return False
