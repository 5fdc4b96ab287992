"""Refusals of requests because of files; part of the tree in `chatkeep.errors`."""

from typing import ClassVar

from chatkeep.errors import Refused


class FileInUse(Refused):
    """A file to be deleted, to which a message refers."""

    status, code, title = 409, "file_in_use", "File in use"


class UnsupportedFile(Refused):
    """A file in a message that the model cannot read."""

    status, code, title = 422, "unsupported_media_type_for_model", "The model cannot read this file"


class FilesUnavailable(Refused):
    """A store of files' bytes, outside of the database, that cannot be used for now."""

    status, code, title = 503, "files_unavailable", "Store of files unavailable"
    headers: ClassVar = {"retry-after": "5"}
