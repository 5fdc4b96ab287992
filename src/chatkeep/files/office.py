"""Reads documents of Word, Excel and PowerPoint. Runs in the process of `child.py` alone.

The libraries are those of `chatkeep[documents]`. The job that needs them loads them: they take
some 40 MB.
"""

from collections.abc import Callable
from importlib import import_module

from chatkeep.files.jobs import Answer
from chatkeep.files.media_types import DOCX, HTML, PPTX, XLSX
from chatkeep.files.office_parts import find_problem, list_left_out

_MODULES = {DOCX: "word", XLSX: "workbook", PPTX: "slides", HTML: "web_page"}
NEEDS_EXTRA = "the service needs the packages of chatkeep[documents] to read it"


def read_converted(media_type: str, content: bytes) -> Answer:
    """Return the text of a document or of a page of the web, as Markdown or CSV, and what is left out of it."""
    try:
        read: Callable[[bytes], Answer] = import_module(f"chatkeep.files.{_MODULES[media_type]}").read
    except ModuleNotFoundError:
        return Answer(NEEDS_EXTRA)
    if media_type == HTML:
        return read(content)
    if problem := find_problem(content):
        return Answer(problem)
    answer = read(content)
    return Answer(answer.problem, texts=answer.texts, left_out=[*answer.left_out, *list_left_out(content)])
