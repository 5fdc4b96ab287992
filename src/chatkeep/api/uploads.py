"""Reads the one file of a request, piece by piece: the body as it is, or the file in a form (`multipart/form-data`).

Sources: RFC 7578 for forms; RFC 6266 and RFC 8187 for the name in `Content-Disposition`.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from email.message import Message
from typing import Any, NamedTuple, cast

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from starlette.requests import ClientDisconnect

from chatkeep.errors import InvalidRequest
from chatkeep.runs.files import IncomingFile

MAX_FORM_BYTES = 65_536
"""The most bytes that a form has beside its file: boundaries and heads of parts."""
MAX_PARTS = 8
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
_FORM: dict[str, Any] = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}
FILE_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"*/*": {"schema": _BYTES}, "multipart/form-data": {"schema": _FORM}}}
}
"""The body of a request with one file, for the OpenAPI document."""


class Upload(NamedTuple):
    """The file of a request: how it is called, and its bytes, which come while they are asked for.

    `fields` are the other fields of a form, by name, as far as it was read; None if the body is no form.
    """

    incoming: IncomingFile
    pieces: AsyncIterable[bytes]
    fields: Mapping[str, bytearray] | None = None


async def open_upload(request: Request) -> Upload:
    """Return the file of a request. Of a form, it has read all that stands before the file.

    Raises:
        InvalidRequest: the body is a form without a file. More is found out when the pieces are read.
    """
    declared = request.headers.get("content-type", "")
    header = _parse("content-type", declared)
    media_type = header.get_content_type() if declared else ""
    if media_type != "multipart/form-data":
        disposition = _parse("content-disposition", request.headers.get("content-disposition", ""))
        return Upload(IncomingFile(_name_in(disposition), media_type), _read_body(request))
    boundary = header.get_boundary()
    if not boundary:
        raise InvalidRequest("content-type: multipart/form-data without a boundary")
    form = _Form(boundary)
    pieces = _read_form(request, form)
    if await anext(pieces, None) is None or form.incoming is None:
        raise InvalidRequest("the form has no file")
    return Upload(form.incoming, pieces, form.fields)


async def _read_body(request: Request) -> AsyncGenerator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise InvalidRequest("the body broke off") from error


async def _read_form(request: Request, form: "_Form") -> AsyncGenerator[bytes]:
    """Yield the bytes of the form's file; first none, as soon as it has begun.

    Raises:
        InvalidRequest: it is no form, breaks off, or has other than one file.
    """
    has_begun = False
    async for piece in _read_body(request):
        form.feed(piece)
        if form.incoming is not None and not has_begun:
            has_begun = True
            yield b""
        for data in form.take():
            yield data
    form.check_end()


class _Form:
    """A parser of forms. `incoming` is what the head of the file's part says, once that was read; `fields` the rest."""

    def __init__(self, boundary: str) -> None:
        self.incoming: IncomingFile | None = None
        self.fields: dict[str, bytearray] = {}
        self._field = bytearray()  # the value of the field that is read
        self._parts = 0
        self._is_complete = False
        self._is_file = False
        self._name, self._value = bytearray(), bytearray()
        self._head: dict[str, bytes] = {}
        self._data: list[bytes] = []
        self._other_bytes = 0
        callbacks: dict[str, Any] = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_head,
            "on_part_data": self._add_data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary.encode("latin-1", "replace"), cast("Any", callbacks))
        except FormParserError as error:
            raise InvalidRequest(f"content-type: {error}") from None

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise InvalidRequest(f"the form cannot be parsed: {error}") from None

    def take(self) -> list[bytes]:
        """Return the bytes of the file that were parsed since the last call."""
        data, self._data = self._data, []
        return data

    def check_end(self) -> None:
        """Refuse a form that has broken off."""
        if not self._is_complete:
            raise InvalidRequest("the form breaks off")

    def _begin_part(self) -> None:
        self._parts += 1
        self._head.clear()
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"a form may have {MAX_PARTS} parts")

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._head[self._name.decode("latin-1").lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_head(self) -> None:
        # Browsers write names as raw UTF-8 (WHATWG HTML, "Multipart form data").
        disposition = _parse(
            "content-disposition", self._head.get("content-disposition", b"").decode("utf-8", "replace")
        )
        self._is_file = disposition.get_filename() is not None or "content-type" in self._head
        if not self._is_file:
            name = disposition.get_param("name", "", "content-disposition")
            self._field = self.fields.setdefault(str(name), bytearray())
            return
        if self.incoming is not None:
            raise InvalidRequest("the form has more than one file")
        media_type = _parse("content-type", self._head.get("content-type", b"").decode("latin-1"))
        declared = media_type.get_content_type() if "content-type" in self._head else ""
        self.incoming = IncomingFile(_name_in(disposition), declared)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data.append(data[start:end])
            return
        self._other_bytes += end - start
        if self._other_bytes > MAX_FORM_BYTES:
            raise InvalidRequest(f"a form may have {MAX_FORM_BYTES} bytes beside its file")
        self._field += data[start:end]

    def _end(self) -> None:
        self._is_complete = True


def _parse(name: str, value: str) -> Message:
    """Return a header, so that its parameters can be read (RFC 2231 among their forms)."""
    header = Message()
    header[name] = value.replace("\r", " ").replace("\n", " ")
    return header


def _name_in(disposition: Message) -> str:
    """Return the file's name in a `Content-Disposition`; empty if it has none."""
    name = disposition.get_filename() or ""
    try:
        return name.encode("latin-1").decode()  # headers come as Latin-1, and clients write UTF-8
    except UnicodeError:
        return name
