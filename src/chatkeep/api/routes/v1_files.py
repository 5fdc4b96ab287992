"""OpenAI's Files: those of our own API, in its forms."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from chatkeep.api.deps import OwnerId, RuntimeDep
from chatkeep.api.dialects.attachments import parse_file_id
from chatkeep.api.dialects.conversations import list_object
from chatkeep.api.dialects.openai_files import PURPOSE, to_file_object
from chatkeep.api.openapi import OBJECT, openai_error_answers
from chatkeep.api.responses import object_response
from chatkeep.api.routes import files as own_files
from chatkeep.api.uploads import Upload, open_upload
from chatkeep.chat.types import File
from chatkeep.errors import InvalidRequest, NotFound
from chatkeep.files.refusals import FileInUse
from chatkeep.runs import files
from chatkeep.store import files as store_files

router = APIRouter(prefix="/v1/files", tags=["OpenAI"])

PURPOSES = ("user_data", "vision", "assistants")
"""The purposes for which a file may be sent: all mean that it is used in messages."""
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file", "purpose"], "properties": {"file": _BINARY, "purpose": {"enum": PURPOSES}},
}}}}}  # fmt: skip
_FILE: dict[str, Any] = {"description": "A `File`", "content": OBJECT}
_FILES: dict[str, Any] = {"description": "A list of `File`s", "content": OBJECT}
_CONTENT: dict[str, Any] = {"description": "The bytes", "content": {"*/*": {"schema": _BINARY}}}


async def get_own_file(
    runtime: RuntimeDep, owner: OwnerId, file_id: Annotated[str, Path(description="A file's id: `file-` and ours")]
) -> File:
    """Return the owner's file that the path names."""
    return await own_files.get_own_file(runtime, owner, parse_file_id(file_id))


OwnFile: TypeAlias = Annotated[File, Depends(get_own_file, scope="function")]


@router.post("", openapi_extra=_BODY, responses={200: _FILE, **openai_error_answers()})
async def create_file(runtime: RuntimeDep, owner: OwnerId, request: Request) -> Response:
    """Bring a file. The same bytes again give the same file."""
    runtime.check_open()
    upload = await open_upload(request)
    received = await files.receive_file(runtime, owner, _checked(upload), upload.incoming)
    return object_response(to_file_object(received.file), 200, {"location": f"/v1/files/file-{received.file.id}"})


@router.get("", responses={200: _FILES, **openai_error_answers(NotFound)})
async def list_files(
    runtime: RuntimeDep,
    owner: OwnerId,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    order: Annotated[Literal["asc", "desc"], Query()] = "desc",
    after: Annotated[str | None, Query(description="The last file of the page before")] = None,
    purpose: Annotated[str, Query(description="`user_data`, the purpose of all; another one has none")] = PURPOSE,
) -> Response:
    """The files, newest first."""
    last_id = parse_file_id(after) if after is not None else None

    is_newest_first, found = order == "desc", list[File]()
    if purpose == PURPOSE:
        found = await runtime.db.snapshot(
            lambda tx: store_files.list_files(tx, owner, limit + 1, last_id, newest_first=is_newest_first)
        )
    return object_response(list_object([to_file_object(each) for each in found[:limit]], has_more=len(found) > limit))


@router.get("/{file_id}", responses={200: _FILE, **openai_error_answers(NotFound)})
async def get_file(file: OwnFile) -> Response:
    """A file: its name and size."""
    return object_response(to_file_object(file))


@router.get(
    "/{file_id}/content",
    responses={
        200: {"description": "The bytes", "content": {"*/*": {"schema": _BINARY}}},
        **openai_error_answers(NotFound),
    },
)
async def get_content(
    runtime: RuntimeDep,
    owner: OwnerId,
    file: OwnFile,
    wanted: Annotated[str | None, Header(alias="range", description="One range of bytes.")] = None,
) -> Response:
    """The bytes of a file."""
    return await own_files.get_content(runtime, owner, file, wanted)


@router.delete(
    "/{file_id}",
    responses={200: {"description": "It is deleted", "content": OBJECT}, **openai_error_answers(NotFound, FileInUse)},
)
async def delete_file(runtime: RuntimeDep, owner: OwnerId, file: OwnFile) -> Response:
    """Delete a file to which no message refers."""
    await own_files.delete_file(runtime, owner, file)
    return object_response({"id": to_file_object(file)["id"], "object": "file", "deleted": True})


async def _checked(upload: Upload) -> AsyncGenerator[bytes]:
    """Yield the bytes of a form's file, and refuse at its end what else the form asks for, if that cannot be done."""
    if upload.fields is None:
        raise InvalidRequest("body: a form (multipart/form-data) with a file and its purpose")
    async for piece in upload.pieces:
        yield piece
    purpose = upload.fields.get("purpose", b"").decode("utf-8", "replace")
    if purpose not in PURPOSES:
        raise InvalidRequest(f"purpose: {purpose[:40]!r} cannot be done here; {', '.join(PURPOSES)} can")
    if others := [name for name in upload.fields if name != "purpose"]:
        raise InvalidRequest(
            f"{others[0][:64]}: it cannot be done here; a file that no message uses is deleted by itself"
        )
