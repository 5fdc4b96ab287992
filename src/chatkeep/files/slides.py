"""Reads presentations of PowerPoint, with python-pptx. Runs in the process of `child.py` alone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (the shapes of python-pptx have few types)

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation

from chatkeep.files.bounded_texts import TOO_LONG, BoundedTexts
from chatkeep.files.jobs import Answer


def read(content: bytes) -> Answer:
    """Return the texts of the slides, with their tables and the speaker's notes, each after a line with its number."""
    texts = BoundedTexts()
    slides = list(Presentation(io.BytesIO(content)).slides)
    for number, slide in enumerate(slides, 1):
        lines = [f"[Slide {number}]", *_shape_texts(slide.shapes)]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            lines += [f"Notes: {notes}"] if notes else []
        if not texts.add("\n".join(lines)):
            texts.left_out.append(f"the slides from {number} to {len(slides)} ({TOO_LONG})")
            break
    return texts.answer()


def _shape_texts(shapes: Iterable[Any]) -> Iterator[str]:
    """Yield the texts of shapes, of those inside of groups, and of the rows of tables."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shape_texts(shape.shapes)
        elif shape.has_text_frame:
            if text := shape.text_frame.text.replace("\v", "\n").strip():
                yield text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(" ".join(cell.text.split()) for cell in row.cells)
