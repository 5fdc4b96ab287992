"""Archives: chats as files, sent while they are read, and brought in again."""

import asyncio
import tempfile
from collections.abc import AsyncIterable
from typing import IO, Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from chatkeep.api.deps import OwnerId, RuntimeDep, SessionId
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.uploads import FILE_BODY, open_upload
from chatkeep.archives import html
from chatkeep.archives.exports import FORMS, Export, ExportFormat, export_all, export_session
from chatkeep.archives.imports import import_archive
from chatkeep.archives.report import ImportReport
from chatkeep.errors import BodyTooLarge, NotFound, ShuttingDown, StorageFailed
from chatkeep.files.names import clean_name, content_disposition

router = APIRouter(prefix="/api", tags=["archives"])

POLICY = f"{html.POLICY}; sandbox; frame-ancestors 'none'"
"""The Content-Security-Policy of an export: it runs nothing, and loads nothing."""
_TEXT: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "A file", "content": {form.media_type.partition(";")[0]: _TEXT for form in FORMS.values()}}
}

Format: TypeAlias = Annotated[ExportFormat, Query(alias="format", description="`jsonl` can be imported.")]


@router.get("/sessions/{session_id}/export", responses={**_ANSWER, **error_answers(NotFound)})
async def export_one(
    runtime: RuntimeDep, owner: OwnerId, session_id: SessionId, export_format: Format = "jsonl"
) -> Response:
    """A session as a file."""
    return _to_response(await export_session(runtime, owner, session_id, export_format), export_format)


@router.get("/export", responses={**_ANSWER, **error_answers()})
async def export_everything(runtime: RuntimeDep, owner: OwnerId, export_format: Format = "jsonl") -> Response:
    """Everything of the user as one file, without temporary sessions."""
    return _to_response(export_all(runtime, owner, export_format), export_format)


@router.post(
    "/import", responses={200: json_answer(ImportReport), **error_answers(ShuttingDown)}, openapi_extra=FILE_BODY
)
async def import_everything(runtime: RuntimeDep, owner: OwnerId, request: Request) -> Response:
    """Bring an archive in: as the body, or as the one file of a form. What is there already is passed over."""
    runtime.check_open()
    upload = await open_upload(request)
    try:
        with tempfile.TemporaryFile() as file:  # it has no name, so nothing is left of it
            await _store(upload.pieces, file, runtime.settings.max_import_bytes)
            return json_response(await import_archive(runtime, owner, file))
    except OSError as error:
        raise StorageFailed(f"the folder for temporary files cannot be used: {error}") from error


async def _store(pieces: AsyncIterable[bytes], file: IO[bytes], limit: int) -> None:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(f"an archive may have {limit} bytes")
        await asyncio.to_thread(file.write, piece)
    file.seek(0)


def _to_response(export: Export, export_format: ExportFormat) -> Response:
    form = FORMS[export_format]
    title = (export.title or "chatkeep").replace("/", "-").replace("\\", "-")
    name = clean_name(f"{clean_name(title)[:80]}.{form.ending}")
    headers = {
        "content-disposition": content_disposition(name, inline=False),
        "content-security-policy": POLICY,
        "content-type": form.media_type,
    }
    return StreamingResponse(export.pieces, headers=headers)
