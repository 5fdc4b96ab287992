"""Exports: chats as files, sent while they are read."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from chatkeep.api.deps import OwnerId, RuntimeDep, SessionId
from chatkeep.api.openapi import error_answers
from chatkeep.archives import html
from chatkeep.archives.exports import FORMS, Export, ExportFormat, export_all, export_session
from chatkeep.errors import NotFound
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
