"""Files of users: brought, read, deleted. Their bytes are never run by a browser, whatever they are."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from chatkeep import ids
from chatkeep.api.byte_ranges import ByteRange, NotSatisfiable, parse_range
from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.uploads import FILE_BODY, open_upload
from chatkeep.chat.types import File
from chatkeep.errors import NotFound
from chatkeep.files.media_types import PDF, is_shown_inline
from chatkeep.files.names import content_disposition
from chatkeep.files.refusals import FileInUse
from chatkeep.runs import files
from chatkeep.store import files as store_files
from chatkeep.store.files import FileKey

router = APIRouter(prefix="/api/files", tags=["files"])

POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""The Content-Security-Policy of a file: whatever is in it can load nothing and run nothing."""
_CACHE = "private, no-cache"
"""The user's own browser may keep it, and asks before each use if it may still see it."""
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


async def get_own_file(
    runtime: RuntimeDep, owner: OwnerId, file_id: Annotated[str, Path(description="A file's id")]
) -> File:
    """Return the owner's file of the path."""
    canonical = ids.parse(file_id)
    if canonical is None:
        raise NotFound(f"no file {file_id}")
    return await runtime.db.snapshot(lambda tx: store_files.get_file(tx, owner, canonical))


OwnFile: TypeAlias = Annotated[File, Depends(get_own_file, scope="function")]


@router.post(
    "",
    status_code=201,
    responses={200: json_answer(File), 201: json_answer(File), **error_answers()},
    openapi_extra=FILE_BODY,
)
async def add_file(runtime: RuntimeDep, owner: OwnerId, request: Request) -> Response:
    """Bring a file: as the body, or as the one file of a form. The same bytes again give the same file (200)."""
    runtime.check_open()
    upload = await open_upload(request)
    received = await files.receive_file(runtime, owner, upload.pieces, upload.incoming)
    status, location = 201 if received.is_new else 200, f"/api/files/{received.file.id}"
    return json_response(received.file, status, {"location": location})


@router.get("/{file_id}", responses={200: json_answer(File), **error_answers(NotFound)})
async def get_file(file: OwnFile) -> Response:
    """A file: its name, type and size."""
    return json_response(file)


@router.get(
    "/{file_id}/content",
    responses={
        200: {"description": "The bytes, as what they are", "content": {"*/*": _BYTES}},
        **error_answers(NotFound),
    },
)
async def get_content(
    runtime: RuntimeDep,
    owner: OwnerId,
    file: OwnFile,
    wanted: Annotated[str | None, Header(alias="range", description="One range of bytes.")] = None,
    if_range: Annotated[str | None, Header(description="The range is wanted only of this file.")] = None,
    if_none_match: Annotated[str | None, Header(description="304 if the client has this file.")] = None,
) -> Response:
    """The bytes of a file. Pictures and plain text are shown by a browser, all else is saved."""
    headers = {
        **_headers(file.id),
        "accept-ranges": "bytes",
        "content-disposition": content_disposition(file.name, inline=is_shown_inline(file.media_type)),
    }
    if _matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    try:
        part = parse_range(wanted if if_range in (None, headers["etag"]) else None, file.bytes)
    except NotSatisfiable:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{file.bytes}"})
    begin, end = part or ByteRange(0, file.bytes)
    if part is not None:
        headers["content-range"] = f"bytes {begin}-{end - 1}/{file.bytes}"
    headers["content-length"] = str(end - begin)
    pieces = await files.start_reading(runtime, FileKey(owner, file.id), begin, end)
    return StreamingResponse(pieces, 206 if part else 200, {**headers, "content-type": file.media_type})


@router.get(
    "/{file_id}/thumbnail",
    responses={
        200: {"description": "A picture, PNG or JPEG", "content": {"image/*": _BYTES}},
        **error_answers(NotFound),
    },
)
async def get_thumbnail(
    runtime: RuntimeDep,
    owner: OwnerId,
    file: OwnFile,
    size: Annotated[int, Query(ge=16, le=1024, description="The longer edge, in pixels.")] = 256,
    if_none_match: Annotated[str | None, Header(description="304 if the client has this picture.")] = None,
) -> Response:
    """A small picture of a picture, or of a PDF's first page. 404 for all else."""
    headers = _headers(f"{file.id}-{size}")
    if _matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    if file.width is None and not (file.media_type == PDF and file.pages):
        raise NotFound("this file has no thumbnail")
    key = FileKey(owner, file.id)
    made = await runtime.file_reader.do(
        "thumbnail", file.media_type, lambda: files.read_all(runtime, key), size, file.id
    )
    if made.problem is not None:
        raise NotFound(f"this file has no thumbnail: {made.problem}")
    return Response(made.pictures[0], headers=headers, media_type=made.media_type)


@router.delete("/{file_id}", status_code=204, responses=error_answers(NotFound, FileInUse))
async def delete_file(runtime: RuntimeDep, owner: OwnerId, file: OwnFile) -> Response:
    """Delete a file to which no message refers."""
    await files.delete_file(runtime, FileKey(owner, file.id))
    return Response(status_code=204)


def _headers(version: str) -> dict[str, str]:
    """Return the headers of a file's bytes, which never change under one id."""
    return {"etag": f'"{version}"', "cache-control": _CACHE, "content-security-policy": POLICY}


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Return True if the client has what it asks for (RFC 9110 §13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return etag in tags or "*" in tags
